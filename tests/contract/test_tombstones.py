"""What every replica does with tombstones: the contract of `ports.Replica`."""

from __future__ import annotations

import json

import pytest

from distributary.domain.change import TOMBSTONE_AGE
from distributary.domain.errors import Misconfigured
from distributary.domain.image import key_text
from distributary.domain.row import Ledger, Row, Tombstone
from distributary.domain.steps import Remember, Write
from distributary.domain.version import MICROSECONDS, STAMPING_SEQUENCE, Context, Instant, Version
from tests.contract.places import DynamoPlace, Place, new_key, now

VERSION = Version(1_700_000_000_000_000, 10**39, "eu-west-1")
FIRST = Tombstone(removed="a-_Z09", arrived_at=17)
SECOND = Tombstone(
    deletion=VERSION,
    context=Context({"eu-west-1": VERSION.instant, "us-east-1": Instant(1, STAMPING_SEQUENCE)}),
    arrived_at=1_700_000_000_000_001,
    removing=Version(2, 3, "us-east-1"),
    removed="abc",
)


def test_what_was_not_remembered_is_absent(place: Place) -> None:
    key = new_key()
    assert place.replica.look_back([key]) == {key_text(key): None}


def test_a_tombstone_is_read_as_it_was_written(place: Place) -> None:
    key = new_key()
    assert place.replica.remember([(key, Remember(None, SECOND))]) == [True]
    assert place.replica.look_back([key]) == {key_text(key): SECOND}
    state = place.replica.look([key])[key_text(key)]
    assert (state.row, state.tombstone) == (None, SECOND)


def test_a_tombstone_is_replaced_only_as_expected(place: Place) -> None:
    key = new_key()
    assert place.replica.remember([(key, Remember(FIRST, SECOND))]) == [False]
    assert place.replica.remember([(key, Remember(None, FIRST))]) == [True]
    assert place.replica.remember([(key, Remember(None, SECOND))]) == [False]
    assert place.replica.remember([(key, Remember(SECOND, SECOND))]) == [False]
    assert place.replica.look_back([key])[key_text(key)] == FIRST
    assert place.replica.remember([(key, Remember(FIRST, SECOND))]) == [True]
    read = place.replica.look_back([key])[key_text(key)]
    assert place.replica.remember([(key, Remember(read, FIRST))]) == [True]


def test_tombstone_and_row_do_not_touch_each_other(place: Place) -> None:
    key = new_key()
    place.put(key)
    assert place.replica.remember([(key, Remember(None, FIRST))]) == [True]
    state = place.replica.look([key])[key_text(key)]
    assert state.row is not None
    assert state.tombstone == FIRST
    assert place.replica.write([(key, Write(Row(key), None))]) == [True]
    assert place.replica.look_back([key])[key_text(key)] == FIRST


def test_many_tombstones_are_written_and_read_at_once(place: Place) -> None:
    keys = [new_key() for _ in range(130)]
    place.replica.remember([(key, Remember(None, FIRST)) for key in keys[::2]])
    outcomes = place.replica.remember([(key, Remember(None, SECOND)) for key in keys])
    assert outcomes == [False, True] * 65
    found = place.replica.look_back(keys)
    assert [found[key_text(key)] for key in keys] == [FIRST, SECOND] * 65


def test_a_tombstone_expires_some_time_after_no_change_can_be_under_way(dynamo: DynamoPlace) -> None:
    key = new_key()
    dynamo.replica.remember([(key, Remember(None, FIRST))])
    dynamo.replica.remember([(key, Remember(FIRST, SECOND))])
    (item,) = [item for item in dynamo.tombstone_items() if item["key"]["S"] == key_text(key)]
    assert item.keys() == {"row", "key", "entry", "expires"}
    assert abs(int(item["expires"]["N"]) - (now() + TOMBSTONE_AGE) // MICROSECONDS) < 60


def test_a_key_as_long_as_dynamodb_takes_has_a_tombstone(dynamo: DynamoPlace) -> None:
    key = {"pk": {"S": "k" * 2048}, "sk": {"N": "1"}}
    dynamo.replica.remember([(key, Remember(None, FIRST))])
    assert dynamo.replica.look([key])[key_text(key)].tombstone is not None


def test_an_entry_that_is_not_ours_stops_the_work_instead_of_counting_as_none(dynamo: DynamoPlace) -> None:
    key = new_key()
    dynamo.replica.remember([(key, Remember(None, FIRST))])
    (item,) = [item for item in dynamo.tombstone_items() if item["key"]["S"] == key_text(key)]
    dynamo.client.put_item(TableName=dynamo.tombstones, Item={**item, "entry": {"S": "garbled"}})
    with pytest.raises(Misconfigured, match="cannot be read"):
        dynamo.replica.look_back([key])
    with pytest.raises(Misconfigured, match="cannot be read"):
        dynamo.replica.look([key])


@pytest.mark.parametrize("letter", ["я", "あ", "é", "x"])
def test_a_ledger_takes_a_row_of_380_kb_whatever_its_script(dynamo: DynamoPlace, letter: str) -> None:
    key, size = new_key(), 380_000
    image = {**key, "text": {"S": letter * (size // len(letter.encode()))}}
    first = Tombstone(ledger=Ledger(7, VERSION, image))
    second = Tombstone(deletion=VERSION, ledger=Ledger(8, VERSION, image))
    assert dynamo.replica.remember([(key, Remember(None, first))]) == [True]
    assert dynamo.replica.look_back([key]) == {key_text(key): first}
    assert dynamo.replica.remember([(key, Remember(first, second))]) == [True]
    assert dynamo.replica.look_back([key]) == {key_text(key): second}


@pytest.mark.parametrize("letter", ["я", "x"])
def test_an_entry_that_fits_as_ascii_is_written_so(dynamo: DynamoPlace, letter: str) -> None:
    """What earlier releases have stored is compared with the text that this one writes."""
    key = new_key()
    noted = Tombstone(ledger=Ledger(7, VERSION, {**key, "text": {"S": letter * 1000}}))
    assert dynamo.replica.remember([(key, Remember(None, noted))]) == [True]
    stored = [
        item["entry"]["S"]
        for page in dynamo.client.get_paginator("scan").paginate(TableName=dynamo.tombstones, ConsistentRead=True)
        for item in page["Items"]
        if item["key"]["S"] == key_text(key)
    ]
    assert stored == [json.dumps(noted.document(), separators=(",", ":"), sort_keys=True)]
