"""What is kept of a conflict: one name for a repetition, both states, and no value that nobody may read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given

from distributary.domain.conflict import Resolution, Side
from distributary.domain.errors import InvalidSettings
from distributary.domain.image import Image
from distributary.domain.journal import DAY, HASHED, REDACTS_NOTHING, Redaction, entry_of, row_of
from distributary.domain.stamp import context_text, parse_context
from distributary.domain.version import NOTHING_SEEN, Context, Version
from tests.unit import strategies
from tests.unit.conflicts import ARRIVING, HERE, HOUR, NOW, PRESENT, REDACTING, THERE, conflict

ON_KEY = Redaction(frozenset({"pk"}), b"secret")


@pytest.fixture(params=["EAST-14", "WEST+11"])
def _elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process takes itself to be in another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def test_an_entry_tells_all_of_its_conflict() -> None:
    made = conflict()
    entry = entry_of(made, REDACTS_NOTHING, 30)
    assert (entry.dataset, entry.table, entry.key) == ("orders", "orders", {"pk": {"S": "order-1"}})
    assert (entry.policy, entry.resolution, entry.region) == ("last_writer_wins", Resolution.ARRIVED, HERE)
    assert (entry.at, entry.expires) == (NOW, NOW + 30 * DAY)
    assert (entry.arriving.version, entry.arriving.context) == (made.arriving.version, made.arriving.context)
    assert (entry.present.version, entry.present.context) == (made.present.version, made.present.context)
    assert (entry.arriving.image, entry.present.image) == (ARRIVING, PRESENT)
    assert (entry.redacted, entry.note) == (frozenset(), "")


def test_an_entry_tells_which_attributes_of_each_state_are_lost() -> None:
    made = conflict()
    sides = [
        replace(side, lost=frozenset({name})) for side, name in ((made.arriving, "total"), (made.present, "state"))
    ]
    entry = entry_of(conflict(arriving=sides[0], present=sides[1], resolution=Resolution.PARTLY), REDACTS_NOTHING, 30)
    assert (sorted(entry.arriving.lost), sorted(entry.present.lost)) == (["total"], ["state"])


@pytest.mark.parametrize(
    ("resolution", "loses"),
    [(Resolution.ARRIVED, True), (Resolution.KEPT, True), (Resolution.MERGED, False), (Resolution.PARTLY, True)],
)
def test_something_is_lost_unless_the_row_shows_both_states_whole(resolution: Resolution, loses: bool) -> None:
    assert entry_of(conflict(resolution=resolution), REDACTS_NOTHING, 30).loses is loses


def test_an_id_begins_with_the_day_of_the_arriving_version_so_that_a_repetition_has_it_too() -> None:
    midnight = Side(Version(DAY * 20_000, 1, THERE), NOTHING_SEEN, None)
    before = Side(Version(DAY * 20_000 - 1, 1, THERE), NOTHING_SEEN, None)
    assert entry_of(conflict(arriving=midnight), REDACTS_NOTHING, 1).id.startswith("20241004-")
    assert entry_of(conflict(arriving=before), REDACTS_NOTHING, 1).id.startswith("20241003-")
    later = entry_of(conflict(at=NOW + 5 * DAY), REDACTS_NOTHING, 1)
    assert later.id == entry_of(conflict(), REDACTS_NOTHING, 1).id


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("hour", [1, 23])
def test_the_day_is_the_same_wherever_the_machine_takes_itself_to_be(hour: int) -> None:
    arriving = Side(Version(DAY * 20_000 + hour * HOUR, 1, THERE), NOTHING_SEEN, None)
    assert entry_of(conflict(arriving=arriving), REDACTS_NOTHING, 1).id.startswith("20241004-")


@pytest.mark.parametrize(
    ("redaction", "id_", "row"),
    [
        (REDACTS_NOTHING, "20261125-C3yBBAOyp6xHt63MdwAf", "nQWutGxAOcZkWZsG0sJQ"),
        (ON_KEY, "20261125-dRckBxmHzxhKzxKyfZ7u", "EvTcBV5piG5PAySOoTC4"),
    ],
    ids=["plain", "redacted"],
)
def test_entries_of_earlier_releases_keep_their_names(redaction: Redaction, id_: str, row: str) -> None:
    entry = entry_of(conflict(), redaction, 1)
    assert (entry.id, entry.row) == (id_, row)


@pytest.mark.parametrize(
    ("resolution", "loser"),
    [(Resolution.ARRIVED, "present"), (Resolution.KEPT, "arriving"), (Resolution.MERGED, None)],
)
def test_who_has_lost_is_told_by_the_resolution(resolution: Resolution, loser: str | None) -> None:
    entry = entry_of(conflict(resolution=resolution), REDACTS_NOTHING, 1)
    assert entry.losing == (getattr(entry, loser) if loser else None)


def test_a_deletion_is_told_from_an_image() -> None:
    entry = entry_of(conflict(arriving=replace(conflict().arriving, image=None)), REDACTING, 1)
    assert (entry.arriving.deleted, entry.present.deleted) == (True, False)


# --- redaction


def test_only_what_is_redacted_is_hashed() -> None:
    hashed = REDACTING.of(ARRIVING)
    assert {name for name in ARRIVING if hashed[name] != ARRIVING[name]} == {"card"}
    assert hashed["card"]["S"].startswith(HASHED)
    assert len(hashed["card"]["S"]) == len(HASHED) + 24


@given(strategies.images, strategies.images)
def test_equal_values_have_equal_hashes_and_others_have_not(one: Image, other: Image) -> None:
    every = Redaction(frozenset({*one, *other}), b"secret")
    left, right = every.of(one), every.of(other)
    for name in one.keys() & other.keys():
        same = row_of("", "", {name: one[name]}) == row_of("", "", {name: other[name]})
        assert (left[name] == right[name]) == same


def test_equal_numbers_have_one_hash_however_they_are_written() -> None:
    redaction = Redaction(frozenset({"n"}), b"secret")
    assert redaction.of({"n": {"N": "1.50"}}) == redaction.of({"n": {"N": "15e-1"}})
    assert redaction.of({"n": {"N": "1"}}) != redaction.of({"n": {"S": "1"}})


def test_a_value_has_the_hash_that_earlier_releases_gave_it() -> None:
    assert REDACTING.of(ARRIVING)["card"] == {"S": f"{HASHED}5HCrppe5U8GwrHZ0hm4FYadP"}


def test_another_secret_gives_other_hashes() -> None:
    assert REDACTING.of(ARRIVING) != Redaction(REDACTING.attributes, b"another").of(ARRIVING)


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(Redaction(frozenset(), b"secret"))


def test_without_a_secret_nothing_that_is_redacted_passes() -> None:
    without = Redaction(frozenset({"card"}))
    assert without.of({"pk": {"S": "a"}}) == {"pk": {"S": "a"}}
    with pytest.raises(InvalidSettings, match="Redact=true"):
        without.of(ARRIVING)


def test_neither_id_nor_row_of_a_redacted_key_can_be_told_without_the_secret() -> None:
    entry = entry_of(conflict(), ON_KEY, 1)
    plain = entry_of(conflict(), REDACTS_NOTHING, 1)
    another = entry_of(conflict(), Redaction(ON_KEY.attributes, b"another"), 1)
    assert len({entry.id, plain.id, another.id}) == len({entry.row, plain.row, another.row}) == 3
    assert entry.row == row_of("orders", "orders", ON_KEY.of(conflict().key))
    assert "order-1" not in repr(entry)


@pytest.mark.parametrize(
    ("redacted", "told"), [({"born"}, set()), ({"card"}, {"card"}), ({"pk", "open", "tags"}, {"pk", "open", "tags"})]
)
def test_what_is_redacted_is_told_where_it_occurs(redacted: set[str], told: set[str]) -> None:
    assert entry_of(conflict(), Redaction(frozenset(redacted), b"secret"), 1).redacted == told


def test_a_redacted_key_is_told_where_neither_state_has_a_row() -> None:
    made = conflict()
    deletions = replace(made, arriving=replace(made.arriving, image=None), present=replace(made.present, image=None))
    assert entry_of(deletions, ON_KEY, 1).redacted == {"pk"}


# --- rows and contexts


def test_rows_of_other_tables_and_datasets_have_other_names() -> None:
    key = conflict().key
    assert len({row_of("a", "t", key), row_of("b", "t", key), row_of("a", "u", key), row_of("a", "t", {})}) == 4


@given(strategies.contexts)
def test_a_context_is_read_as_it_was_written(context: Context) -> None:
    assert parse_context(context_text(context)) == context
