"""The journal's table is what the code writes and reads, and what it misses raises an alarm."""

from typing import Any

import pytest

from distributary.adapters.conflict_model import RecordedConflict
from distributary.adapters.journal_items import BY_ROW, BY_TIME, LISTED, item_of
from distributary.domain.journal import entry_of
from tests.template.stack import Stack, read
from tests.unit.conflicts import REDACTING, conflict


@pytest.fixture(scope="module")
def stack() -> Stack:
    return read()


def keys(described: dict[str, Any]) -> dict[str, str]:
    return {each["KeyType"]: each["AttributeName"] for each in described["KeySchema"]}


def test_the_indexes_are_those_that_are_asked(stack: Stack) -> None:
    table = stack.properties("Journal")
    assert keys(table) == {"HASH": "id"}
    found = {index["IndexName"]: index for index in table["GlobalSecondaryIndexes"]}
    assert {name: keys(index) for name, index in found.items()} == {
        BY_TIME: {"HASH": "period", "RANGE": "at"},
        BY_ROW: {"HASH": "row", "RANGE": "at"},
    }
    for index in found.values():
        assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(LISTED)}


def test_items_expire_by_the_attribute_that_says_so(stack: Stack) -> None:
    expires = stack.properties("Journal")["TimeToLiveSpecification"]
    assert expires == {"AttributeName": "expires", "Enabled": True}
    assert "expires" in item_of(entry_of(conflict(), REDACTING, 1))


def test_the_model_has_every_attribute_of_an_item_and_no_other() -> None:
    item = item_of(entry_of(conflict(), REDACTING, 1))
    of_large_and_odd = {"note", "arriving_digest", "present_digest", "arriving_lost", "present_lost"}
    assert RecordedConflict.get_attributes().keys() == item.keys() | of_large_and_odd


def test_a_list_lacks_nothing_but_images() -> None:
    item = item_of(entry_of(conflict(), REDACTING, 1))
    images = {f"{side}_{part}" for side in ("arriving", "present") for part in ("image", "digest")}
    assert {*LISTED, "id", "period", "at", "row"} == (item.keys() | {"note"}) - images


def test_one_miss_raises_the_alarm_on_stacks_of_both_engines(stack: Stack) -> None:
    alarm = stack.body["Resources"]["JournalMissedAlarm"]
    assert "Condition" not in alarm
    told = alarm["Properties"]
    assert (told["MetricName"], told["Statistic"], told["Threshold"]) == ("JournalMissed", "Sum", 0)
    assert told["ComparisonOperator"] == "GreaterThanThreshold"
