"""What every replica does with rows: the contract of `ports.Replica`."""

from __future__ import annotations

import pytest

from distributary.domain.image import STAMP_ATTRIBUTE, AttributeValue, Image, digest_of, key_text
from distributary.domain.row import Row, State
from distributary.domain.steps import Write
from tests.contract.places import Place, deviates, new_key

OLD, NEW = {"S": "stamp of old"}, {"S": "stamp of new"}


def row(key: Image, stamp: AttributeValue | None, **attributes: AttributeValue) -> Row:
    """A row with that stamp (a typed value) and those attributes."""
    return Row({**key, **({STAMP_ATTRIBUTE: stamp} if stamp else {}), **attributes})


def same(left: Image | None, right: Image | None) -> bool:
    """Whether two images hold equal values, stamps included."""
    return left is not None and right is not None and digest_of(left) == digest_of(right)


def test_a_row_that_is_not_there_is_absent(place: Place) -> None:
    key = new_key()
    assert place.replica.look([key]) == {key_text(key): State()}


def test_what_an_application_wrote_is_read(place: Place) -> None:
    key = new_key()
    place.put({**key, "n": {"N": "1"}})
    state = place.replica.look([key])[key_text(key)]
    assert state.row is not None
    assert same(state.row.image, {**key, "n": {"N": "1"}})


def test_an_insert_writes_an_absent_row_only(place: Place) -> None:
    key = new_key()
    first, second = row(key, OLD, n={"N": "1"}), row(key, NEW, n={"N": "2"})
    assert place.replica.write([(key, Write(None, first.image))]) == [True]
    assert place.replica.write([(key, Write(None, second.image))]) == [False]
    assert same(place.get(key), first.image)


def test_a_replacement_takes_the_row_as_expected_whole(place: Place) -> None:
    key = new_key()
    old = row(key, OLD, stays={"S": "s"}, goes={"S": "g"}, changes={"S": "old"})
    new = row(key, NEW, stays={"S": "s"}, changes={"S": "new"}, comes={"L": [{"S": "c"}]})
    place.put(old.image)
    assert place.replica.write([(key, Write(old, new.image))]) == [True]
    assert same(place.get(key), new.image)


@pytest.mark.parametrize(
    "present",
    [
        pytest.param({STAMP_ATTRIBUTE: NEW, "n": {"N": "1"}}, id="another stamp"),
        pytest.param({"n": {"N": "1"}}, id="no stamp"),
        pytest.param({STAMP_ATTRIBUTE: {"N": "1"}, "n": {"N": "1"}}, id="a stamp of another type"),
        pytest.param({STAMP_ATTRIBUTE: OLD, "n": {"N": "2"}}, id="another value"),
        pytest.param({STAMP_ATTRIBUTE: OLD, "n": {"S": "1"}}, id="another type"),
        pytest.param({STAMP_ATTRIBUTE: OLD, "n": {"NULL": True}}, id="null"),
        pytest.param({STAMP_ATTRIBUTE: OLD}, id="an attribute less"),
        pytest.param(None, id="absent"),
    ],
)
@pytest.mark.parametrize("deletes", [False, True])
def test_a_write_of_a_row_that_is_not_as_expected_changes_nothing(
    place: Place, present: Image | None, deletes: bool
) -> None:
    key = new_key()
    if present is not None:
        place.put({**key, **present})
    before = place.get(key)
    new = None if deletes else row(key, NEW, n={"N": "9"}).image
    assert place.replica.write([(key, Write(row(key, OLD, n={"N": "1"}), new))]) == [False]
    assert place.get(key) == before


def test_a_row_without_stamp_is_expected_as_such(place: Place) -> None:
    key = new_key()
    unstamped = row(key, None, n={"N": "1"})
    place.put(unstamped.image)
    assert place.replica.write([(key, Write(unstamped, row(key, NEW, n={"N": "1"}).image))]) == [True]
    assert place.replica.write([(key, Write(unstamped, None))]) == [False]
    assert same(place.get(key), row(key, NEW, n={"N": "1"}).image)


@pytest.mark.parametrize("stamp", [OLD, None])
def test_a_deletion_removes_the_row_once(place: Place, stamp: AttributeValue | None) -> None:
    key = new_key()
    old = row(key, stamp, n={"N": "1"})
    place.put(old.image)
    assert place.replica.write([(key, Write(old, None))]) == [True]
    assert place.get(key) is None
    assert place.replica.write([(key, Write(old, None))]) == [False]


def test_a_row_of_nothing_but_its_key_can_be_stamped_and_deleted(place: Place) -> None:
    key = new_key()
    place.put(key)
    assert place.replica.write([(key, Write(Row(key), row(key, NEW).image))]) == [True]
    assert place.replica.write([(key, Write(row(key, NEW), None))]) == [True]
    assert place.replica.write([(key, Write(Row(key), None))]) == [False]


@pytest.mark.parametrize("stamp", [OLD, None])
def test_a_replacement_by_the_same_row_only_checks_it(place: Place, stamp: AttributeValue | None) -> None:
    key = new_key()
    old = row(key, stamp, n={"N": "1"})
    assert place.replica.write([(key, Write(old, old.image))]) == [False]
    place.put(old.image)
    assert place.replica.write([(key, Write(old, old.image))]) == [True]
    assert same(place.get(key), old.image)


def test_an_attribute_that_was_added_unseen_does_not_break_a_condition(place: Place) -> None:
    key = new_key()
    old = row(key, OLD, n={"N": "1"})
    place.put({**old.image, "unseen": {"S": "u"}})
    new = row(key, NEW, n={"N": "2"})
    assert place.replica.write([(key, Write(old, new.image))]) == [True]
    found = place.get(key)
    assert same(found, new.image) or same(found, {**new.image, "unseen": {"S": "u"}})
    assert place.replica.write([(key, Write(new, None))]) == [True]
    assert place.get(key) is None


def test_a_lost_condition_leaves_its_neighbours_alone(place: Place) -> None:
    keys = [new_key() for _ in range(60)]
    for key in keys[::2]:
        place.put(row(key, OLD).image)
    outcomes = place.replica.write([(key, Write(None, row(key, NEW).image)) for key in keys])
    assert outcomes == [False, True] * 30


def test_many_rows_are_read_at_once(place: Place) -> None:
    keys = [new_key() for _ in range(130)]
    for number, key in enumerate(keys[:-1]):
        place.put({**key, "n": {"N": str(number)}})
    states = place.replica.look(keys)
    assert states.keys() == {key_text(key) for key in keys}
    for number, key in enumerate(keys[:-1]):
        found = states[key_text(key)].row
        assert found is not None
        assert same(found.image, {**key, "n": {"N": str(number)}})
    assert states[key_text(keys[-1])].row is None


def test_no_key_no_answer(place: Place) -> None:
    assert place.replica.look([]) == {}
    assert place.replica.look_back([]) == {}
    assert place.replica.write([]) == []
    assert place.replica.remember([]) == []


def test_a_key_may_be_written_in_another_notation(place: Place) -> None:
    deviates(place, "ministack", "finds keys by their notation")
    key = new_key()
    place.put({**key, "n": {"N": "1"}})
    other: Image = {"sk": {"N": "1.00"}, "pk": key["pk"]}
    assert place.replica.look([other])[key_text(key)].row is not None
    assert place.replica.write([(other, Write(row(key, None, n={"N": "1"}), None))]) == [True]
