"""What every journal does: the contracts of `ports.Journal` and `ports.Recorded`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from distributary.adapters.journal_items import ITEM_LIMIT
from distributary.domain.conflict import Conflict, Resolution, Side
from distributary.domain.image import Image, digest_of
from distributary.domain.journal import HASHED, REDACTS_NOTHING, Redaction, entry_of
from distributary.domain.version import NOTHING_SEEN, Version
from tests.contract.conflicts import (
    ARRIVING,
    HOUR,
    NOW,
    PRESENT,
    REDACTING,
    THERE,
    Desk,
    MemoryDesk,
    TableDesk,
    conflict,
    id_of,
    moto_client,
)
from tests.contract.engines import dynamodb_client

DAY = 24 * HOUR
TABLES = [
    "moto",
    pytest.param("ministack", marks=pytest.mark.xdist_group("ministack")),
    pytest.param("dynamodb_local", marks=pytest.mark.xdist_group("dynamodb_local")),
]
NewDesk = Callable[..., Any]


@pytest.fixture
def tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewDesk]:
    """Makes journals in the tables of an engine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    if request.param == "moto":
        with mock_aws():
            yield lambda redaction=REDACTS_NOTHING: TableDesk(moto_client(), redaction)
        return
    endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    yield lambda redaction=REDACTS_NOTHING: TableDesk(dynamodb_client(endpoint), redaction)


@pytest.fixture(params=["memory", *TABLES])
def new_desk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewDesk]:
    """Makes journals of every kind."""
    if request.param == "memory":
        yield MemoryDesk
        return
    yield from tables.__wrapped__(request, monkeypatch)  # type: ignore[attr-defined]


@pytest.fixture
def desk(new_desk: NewDesk) -> Desk:
    made: Desk = new_desk()
    return made


on_tables = pytest.mark.parametrize("tables", TABLES, indirect=True)


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


# --- what only a table has


@on_tables
def test_an_item_is_of_native_values(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    desk.journal.record([conflict()])
    item = desk.item(id_of(conflict()))
    assert item["arriving_image"]["M"]["photo"] == {"B": b"\x00\x01\x02\xff"}
    assert item["arriving_image"]["M"]["lines"]["L"][0]["M"]["raw"] == {"B": b"\xff"}
    assert (item["arriving_region"], item["present_region"]) == ({"S": THERE}, {"S": "us-east-1"})
    assert item["expires"] == {"N": str((NOW + 30 * DAY) // 1_000_000)}


def large(size: int, **changes: Any) -> Image:
    return {"pk": {"S": "order-1"}, "blob": {"S": "x" * size}, **changes}


def between(arriving: Image, present: Image) -> Conflict:
    made = conflict()
    return conflict(arriving=replace(made.arriving, image=arriving), present=replace(made.present, image=present))


@on_tables
def test_of_a_conflict_over_the_limit_the_losing_image_is_kept(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    made = between(large(300_000), large(200_000))
    assert desk.journal.record([made]) == 0
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert (entry.arriving.image, entry.arriving.digest) == (None, digest_of(large(300_000)))
    assert not entry.arriving.deleted
    assert entry.present.image == large(200_000)
    assert "digest" in entry.note


@on_tables
def test_of_images_over_the_limit_digests_are_kept(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    full = large(ITEM_LIMIT)
    made = between(full, full)
    assert desk.journal.record([made]) == 0
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert entry.arriving.image is entry.present.image is None
    assert (entry.arriving.digest, entry.present.digest) == (digest_of(full),) * 2


@on_tables
def test_as_much_as_fits_is_kept_whole(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    image = large(ITEM_LIMIT - 6_000)  # some emulators' limit is lower by 4,600
    made = between(image, {"pk": {"S": "order-1"}})
    assert desk.journal.record([made]) == 0
    entry = desk.recorded.find(id_of(made))
    assert entry is not None
    assert entry.arriving.image == image


@on_tables
def test_what_the_table_refuses_alone_is_written_with_fewer_images_and_keeps_no_other_back(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    twice = replace(conflict("twice").arriving, image={"pk": {"S": "twice"}, "tags": {"SS": ["a", "a"]}})
    assert desk.journal.record([conflict("twice", arriving=twice), conflict()]) == 0
    assert desk.recorded.find(id_of(conflict())) is not None
    assert desk.recorded.find(id_of(conflict("twice"))) is not None


@on_tables
def test_what_is_no_value_of_dynamodb_is_missed_and_keeps_no_other_back(tables: NewDesk) -> None:
    desk: TableDesk = tables()
    odd = replace(conflict("odd").arriving, image={"pk": {"S": "odd"}, "x": {"B": "no base64"}})
    assert desk.journal.record([conflict("odd", arriving=odd), conflict()]) == 1
    assert desk.recorded.find(id_of(conflict())) is not None
    assert [type(error).__name__ for error in desk.told] == ["RejectedByDatabase"]
