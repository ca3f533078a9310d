"""What every journal does: the contracts of `ports.Journal` and `ports.Recorded`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from distributary.domain.conflict import Resolution, Side
from distributary.domain.journal import DAY, HASHED, REDACTS_NOTHING, Redaction, entry_of
from distributary.domain.version import NOTHING_SEEN, Version
from tests.contract.journals import Desk, NewDesk
from tests.unit.conflicts import ARRIVING, HOUR, NOW, PRESENT, REDACTING, THERE, conflict, id_of


def ids(found: Iterator[Any]) -> list[str]:
    return [each.id for each in found]


def test_a_conflict_is_found_as_it_was(desk: Desk) -> None:
    assert desk.journal.record([conflict()]) == 0
    entry = desk.recorded.find(id_of(conflict()))
    assert entry == entry_of(conflict(), REDACTS_NOTHING, 30)
    assert entry is not None
    assert (entry.arriving.image, entry.present.image) == (ARRIVING, PRESENT)
    assert entry.expires == NOW + 30 * DAY


def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    assert desk.recorded.find("nothing") is None
    assert list(desk.recorded.within(NOW - DAY, NOW + DAY)) == []


def test_nothing_to_record_is_no_miss(desk: Desk) -> None:
    assert desk.journal.record([]) == 0


def test_a_deletion_has_no_image(desk: Desk) -> None:
    deletion = Side(Version(NOW, 1, THERE), NOTHING_SEEN, None)
    made = conflict(arriving=deletion)
    desk.journal.record([made])
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert (entry.arriving.deleted, entry.arriving.image, entry.present.deleted) == (True, None, False)
    assert entry.arriving.context == NOTHING_SEEN


def test_a_repetition_takes_the_place_of_the_first(desk: Desk) -> None:
    again = conflict(at=NOW + DAY, resolution=Resolution.KEPT)
    assert again.id == conflict().id
    desk.journal.record([conflict()])
    desk.journal.record([again])
    found = list(desk.recorded.within(NOW - DAY, NOW + 2 * DAY))
    assert [(each.at, each.resolution) for each in found] == [(NOW + DAY, Resolution.KEPT)]
    assert len(list(desk.recorded.of_row("orders", again.key, NOW - DAY, NOW + 2 * DAY))) == 1


def test_of_one_conflict_twice_in_a_call_the_last_stays(desk: Desk) -> None:
    assert desk.journal.record([conflict(), conflict(at=NOW + 1), conflict("b")]) == 0
    assert sorted(each.at for each in desk.recorded.within(NOW, NOW + 2)) == [NOW, NOW + 1]


def test_every_arriving_version_and_every_replica_has_its_own(desk: Desk) -> None:
    desk.journal.record([conflict(), conflict(sequence=2), conflict(region=THERE), conflict("b")])
    assert len(list(desk.recorded.within(NOW, NOW + 1))) == 4


def test_many_at_once_are_all_on_record_newest_first(desk: Desk) -> None:
    made = [conflict(f"order-{number}", at=NOW + number * HOUR) for number in range(60)]
    assert desk.journal.record(made) == 0
    assert ids(desk.recorded.within(NOW, NOW + 60 * HOUR)) == [id_of(each) for each in reversed(made)]


def test_a_stretch_of_time_has_its_beginning_and_not_its_end(desk: Desk) -> None:
    desk.journal.record([conflict(str(at), at=NOW + at) for at in (-1, 0, 1, 2)])
    assert [each.at - NOW for each in desk.recorded.within(NOW, NOW + 2)] == [1, 0]


def test_the_conflicts_of_one_row_are_found(desk: Desk) -> None:
    mine = [conflict(sequence=number, at=NOW + number) for number in range(3)]
    desk.journal.record([*mine, conflict("another"), conflict(table="another")])
    found = list(desk.recorded.of_row("orders", {"pk": {"S": "order-1"}}, NOW, NOW + HOUR))
    assert [each.id for each in found] == [id_of(each) for each in reversed(mine)]
    assert ids(desk.recorded.of_row("orders", {"pk": {"S": "order-1"}}, NOW + 1, NOW + 2)) == [id_of(mine[1])]


def test_equal_numbers_are_one_key_however_they_are_written(desk: Desk) -> None:
    desk.journal.record([conflict(key={"pk": {"N": "1.50"}})])
    assert len(list(desk.recorded.of_row("orders", {"pk": {"N": "1.5"}}, NOW, NOW + 1))) == 1


def test_a_list_tells_all_but_the_images(desk: Desk) -> None:
    desk.journal.record([conflict()])
    whole = entry_of(conflict(), REDACTS_NOTHING, 30)
    sides = {side: replace(getattr(whole, side), image=None) for side in ("arriving", "present")}
    for found in (
        desk.recorded.within(NOW, NOW + 1),
        desk.recorded.of_row("orders", conflict().key, NOW, NOW + 1),
    ):
        assert list(found) == [replace(whole, **sides)]


def test_another_dataset_is_another_list(desk: Desk) -> None:
    desk.journal.record([conflict(dataset="carts")])
    assert list(desk.recorded.within(NOW, NOW + 1)) == []


def test_what_fails_is_counted_and_not_raised(desk: Desk) -> None:
    desk.fail()
    assert desk.journal.record([conflict(), conflict("b")]) == 2


# --- redaction


def test_redacted_values_are_kept_as_hashes_that_can_be_compared(new_desk: NewDesk) -> None:
    desk: Desk = new_desk(REDACTING)
    desk.journal.record([conflict()])
    entry = desk.recorded.find(id_of(conflict()))
    assert entry is not None
    assert entry.arriving.image is not None
    assert entry.present.image is not None
    card = entry.arriving.image["card"]["S"]
    assert card.startswith(HASHED)
    assert card == entry.present.image["card"]["S"]
    assert entry.arriving.image["total"] == ARRIVING["total"]
    assert entry.redacted == {"card"}
    assert "4929" not in str(entry)


def test_a_row_with_a_redacted_key_is_found_by_it(new_desk: NewDesk) -> None:
    desk: Desk = new_desk(Redaction(frozenset({"pk"}), b"secret"))
    desk.journal.record([conflict()])
    (entry,) = desk.recorded.of_row("orders", conflict().key, NOW, NOW + 1)
    assert entry.key["pk"]["S"].startswith(HASHED)
    assert entry.id != id_of(conflict())
    assert desk.recorded.find(entry.id) is not None


def test_without_a_secret_nothing_that_is_redacted_is_kept(new_desk: NewDesk) -> None:
    desk: Desk = new_desk(Redaction(frozenset({"card"})))
    assert desk.journal.record([conflict()]) == 1
    assert desk.recorded.find(id_of(conflict())) is None
