"""What a replica over DynamoDB does at the limits of the service, and with what the service refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from distributary.adapters.dynamodb.replica import DynamoReplica
from distributary.domain.errors import ItemTooLarge, MissingResource, RejectedByDatabase
from distributary.domain.image import STAMP_ATTRIBUTE, AttributeValue, Image, key_text
from distributary.domain.row import Row
from distributary.domain.steps import Write
from tests.contract.places import DynamoPlace, deviates, new_key, now
from tests.contract.test_replica import NEW, OLD, row, same

WIDE = 600


def wide_row(key: Image, stamp: AttributeValue, value: str, prefix: str = "attribute") -> Row:
    return Row({**key, STAMP_ATTRIBUTE: stamp, **{f"{prefix}{i}": {"S": value} for i in range(WIDE)}})


@pytest.mark.parametrize("prefix", ["a", "an attribute with a name as long as some do have ", "#"])
def test_a_row_of_600_attributes_is_written_read_and_deleted(dynamo: DynamoPlace, prefix: str) -> None:
    key = new_key()
    old, new = wide_row(key, OLD, "old", prefix), wide_row(key, NEW, "new", prefix)
    restamped = Row({**new.image, STAMP_ATTRIBUTE: OLD})
    bare = row(key, NEW)
    assert dynamo.replica.write([(key, Write(None, old.image))]) == [True]
    assert dynamo.replica.write([(key, Write(None, old.image))]) == [False]
    assert dynamo.replica.write([(key, Write(new, old.image))]) == [False]
    assert dynamo.replica.write([(key, Write(old, new.image))]) == [True]
    assert same(dynamo.get(key), new.image)
    assert dynamo.replica.write([(key, Write(new, restamped.image))]) == [True]
    assert dynamo.replica.write([(key, Write(restamped, bare.image))]) == [True]
    assert same(dynamo.get(key), bare.image)
    assert dynamo.replica.write([(key, Write(bare, new.image))]) == [True]
    assert dynamo.replica.write([(key, Write(old, None))]) == [False]
    assert dynamo.replica.write([(key, Write(new, None))]) == [True]
    assert dynamo.replica.write([(key, Write(new, None))]) == [False]


@pytest.mark.parametrize("prefix", ["a", "#"])
def test_of_a_wide_row_the_attributes_that_change_are_compared(dynamo: DynamoPlace, prefix: str) -> None:
    key = new_key()
    old = wide_row(key, OLD, "old", prefix)
    name = f"{prefix}{WIDE - 1}"
    dynamo.put({**old.image, name: {"S": "written meanwhile"}})
    changes_it: Image = {**old.image, STAMP_ATTRIBUTE: NEW, name: {"S": "new"}}
    removes_it: Image = {other: value for other, value in changes_it.items() if other != name}
    assert dynamo.replica.write([(key, Write(old, changes_it))]) == [False]
    assert dynamo.replica.write([(key, Write(old, removes_it))]) == [False]


@pytest.mark.parametrize("prefix", ["a", "#"])
def test_of_a_wide_row_what_was_neither_compared_nor_changed_stays(dynamo: DynamoPlace, prefix: str) -> None:
    key = new_key()
    old = wide_row(key, OLD, "old", prefix)
    name = f"{prefix}99"
    present: Image = {**old.image, name: {"S": "written meanwhile"}}
    dynamo.put(present)
    assert dynamo.replica.write([(key, Write(old, {**old.image, STAMP_ATTRIBUTE: NEW}))]) == [True]
    found = dynamo.get(key)
    assert found is not None
    assert found[name] == {"S": "written meanwhile"}


def test_rows_of_390_kb_are_written_many_at_once(dynamo: DynamoPlace) -> None:
    keys = [new_key() for _ in range(30)]
    old, new = {"S": "o" * 390_000}, {"S": "n" * 390_000}
    assert dynamo.replica.write([(k, Write(None, row(k, OLD, v=old).image)) for k in keys]) == [True] * 30
    states = dynamo.replica.look(keys)
    assert all(states[key_text(k)].row is not None for k in keys)
    replaced = [(k, Write(row(k, OLD, v=old), row(k, NEW, v=new).image)) for k in keys]
    assert dynamo.replica.write(replaced) == [True] * 30
    assert dynamo.replica.write(replaced) == [False] * 30
    assert dynamo.replica.write([(k, Write(row(k, NEW, v=new), None)) for k in keys]) == [True] * 30


def test_a_large_row_in_a_costly_script_still_fits_a_request(dynamo: DynamoPlace) -> None:
    keys = [new_key() for _ in range(12)]
    text = {"S": "水" * 130_000}
    assert dynamo.replica.write([(k, Write(None, row(k, OLD, v=text).image)) for k in keys]) == [True] * 12


@pytest.mark.parametrize("name", ["v", "#v"])
def test_a_row_that_only_the_stamp_makes_too_large_is_reported_alone(dynamo: DynamoPlace, name: str) -> None:
    small, large = new_key(), new_key()
    content: Image = {**large, name: {"S": "v" * (400 * 1024 - 60)}}
    dynamo.put(content)
    stamped: Image = {**content, STAMP_ATTRIBUTE: {"S": "s" * 100}}
    outcomes = dynamo.replica.write([
        (small, Write(None, row(small, NEW).image)),
        (large, Write(Row(content), stamped)),
    ])  # fmt: skip
    assert outcomes[0] is True
    assert isinstance(outcomes[1], ItemTooLarge)
    assert same(dynamo.get(large), content)
    other = new_key()
    outcome = dynamo.replica.write([(other, Write(None, {**stamped, **other}))])[0]
    assert isinstance(outcome, ItemTooLarge)


def deep(levels: int) -> Any:
    value: Any = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        deep(33),
        {"N": "no number"},
        {"X": "no type"},
        {"S": "two", "N": "1"},
        {},
        {"B": "no base64!"},
        {"S": 5},
        {"BOOL": "true"},
        {"SS": "ab"},
        {"NS": [1]},
        {"BS": [5]},
        {"L": {"S": "x"}},
        {"M": ["x"]},
        {"M": {"x": {"N": 1}}},
    ],
)
@pytest.mark.parametrize("name", ["v", "#v"])
def test_a_value_that_dynamodb_refuses_fails_alone(dynamo: DynamoPlace, name: str, value: Any) -> None:
    keys = [new_key() for _ in range(5)]
    writes = [(k, Write(None, row(k, OLD, n={"N": "1"}).image)) for k in keys]
    writes[2] = (keys[2], Write(None, {**keys[2], STAMP_ATTRIBUTE: OLD, name: value}))
    outcomes = dynamo.replica.write(writes)
    assert isinstance(outcomes[2], RejectedByDatabase)
    assert [outcome for outcome in outcomes if outcome is not outcomes[2]] == [True] * 4


@pytest.mark.parametrize(
    "refused",
    [
        {"pk": {"S": ""}, "sk": {"N": "1"}},
        {"pk": {"S": "k" * 2049}, "sk": {"N": "1"}},
        {"pk": {"N": "1"}, "sk": {"N": "1"}},
        {"pk": {"S": "k"}, "sk": {"S": "1"}},
        {"pk": {"S": 5}, "sk": {"N": "1"}},
    ],
    ids=["empty", "too long", "wrong type", "wrong type of sort key", "no text"],
)
def test_a_key_that_dynamodb_refuses_is_absent_and_cannot_be_written(dynamo: DynamoPlace, refused: Image) -> None:
    keys = [new_key() for _ in range(4)]
    for key in keys:
        dynamo.put(key)
    states = dynamo.replica.look([*keys[:2], refused, *keys[2:]])
    assert states[key_text(refused)].row is None
    assert all(states[key_text(key)].row for key in keys)
    deviates(dynamo, "ministack", "puts keys of the wrong type and of any length")
    outcomes = dynamo.replica.write([(k, Write(None, k)) for k in (refused, keys[0])])
    assert isinstance(outcomes[0], RejectedByDatabase)
    assert outcomes[1] is False


def test_a_table_that_is_not_there_stops_the_work(dynamo: DynamoPlace) -> None:
    key = new_key()
    replica = DynamoReplica(dynamo.client, table="no-such-table", tombstones=dynamo.tombstones, now=now)
    with pytest.raises(MissingResource):
        replica.look([key])
    (outcome,) = replica.write([(key, Write(None, key))])
    assert isinstance(outcome, MissingResource)


def test_of_many_writers_at_once_one_wins(dynamo: DynamoPlace) -> None:
    keys = [new_key() for _ in range(10)]
    images = [{key_text(key): row(key, {"S": f"writer {writer}"}).image for key in keys} for writer in range(6)]
    with ThreadPoolExecutor(6) as threads:
        inserts = [[(key, Write(None, image[key_text(key)])) for key in keys] for image in images]
        inserted = list(threads.map(dynamo.replica.write, inserts))
        found = dynamo.replica.look(keys)
        rows = {name: state.row for name, state in found.items() if state.row}
        replaces = [[(k, Write(rows[key_text(k)], row(k, {"S": f"again {w}"}).image)) for k in keys] for w in range(6)]
        replaced = list(threads.map(dynamo.replica.write, replaces))
        deletes = [[(k, Write(Row(dynamo.get(k) or {}), None)) for k in keys]] * 6
        deleted = list(threads.map(dynamo.replica.write, deletes))
    for outcomes in (inserted, replaced, deleted):
        assert [column.count(True) for column in zip(*outcomes, strict=True)] == [1] * len(keys)
