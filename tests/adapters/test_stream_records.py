"""Records of a DynamoDB stream, as Lambda delivers them, become records of ours or are refused with a reason."""

from __future__ import annotations

import re
from typing import Any

import pytest

from distributary.adapters.dynamodb.stream import record_from
from distributary.domain.errors import MalformedRecord
from distributary.domain.row import Row

KEYS = {"pk": {"S": "a"}, "sk": {"N": "1"}}
OLD = {**KEYS, "n": {"N": "1"}, "b": {"B": "AP8="}}
NEW = {**KEYS, "n": {"N": "2"}}
IMAGES = {
    "INSERT": {"NewImage": NEW},
    "MODIFY": {"OldImage": OLD, "NewImage": NEW},
    "REMOVE": {"OldImage": OLD},
}
EXPIRY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def an_event(kind: str = "MODIFY", **body: Any) -> dict[str, Any]:
    """An event as Lambda delivers it; what is given as None is left out of its body."""
    whole = {
        "ApproximateCreationDateTime": 1_700_000_000,
        "Keys": KEYS,
        **IMAGES[kind],
        "SequenceNumber": "111100000000000000000000001",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        **body,
    }
    return {
        "eventID": "1",
        "eventName": kind,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {name: value for name, value in whole.items() if value is not None},
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000",
    }


@pytest.mark.parametrize(("kind", "old", "new"), [("INSERT", None, NEW), ("MODIFY", OLD, NEW), ("REMOVE", OLD, None)])
def test_each_kind_of_event_becomes_a_record(kind: str, old: Any, new: Any) -> None:
    record = record_from(an_event(kind))
    assert record.key == KEYS
    assert record.old == (Row(old) if old else None)
    assert record.new == (Row(new) if new else None)
    assert record.sequence == 111100000000000000000000001
    assert record.created_at == 1_700_000_000_000_000
    assert record.granularity == 1_000_000
    assert not record.expired


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [(1_700_000_000, 1_700_000_000_000_000), (1.7e9, 1_700_000_000_000_000), (1700000000.25, 1_700_000_000_250_000)],
)
def test_seconds_become_microseconds(seconds: float, microseconds: int) -> None:
    record = record_from(an_event(ApproximateCreationDateTime=seconds))
    assert record.created_at == microseconds
    assert isinstance(record.created_at, int)


@pytest.mark.parametrize(
    ("identity", "expired"),
    [
        (EXPIRY, True),
        (None, False),
        ({"type": "Service", "principalId": "replication.dynamodb.amazonaws.com"}, False),
        ({"type": "AWS", "principalId": "dynamodb.amazonaws.com"}, False),
        ("dynamodb.amazonaws.com", False),
    ],
)
def test_a_removal_by_time_to_live_is_known_by_who_removed(identity: Any, expired: bool) -> None:
    assert record_from({**an_event("REMOVE"), "userIdentity": identity}).expired is expired


def test_nothing_but_a_removal_is_an_expiry() -> None:
    assert not record_from({**an_event("MODIFY"), "userIdentity": EXPIRY}).expired


@pytest.mark.parametrize(
    ("kind", "part", "view"),
    [
        ("INSERT", "NewImage", "KEYS_ONLY"),
        ("MODIFY", "NewImage", "OLD_IMAGE"),
        ("MODIFY", "OldImage", "NEW_IMAGE"),
        ("REMOVE", "OldImage", "NEW_IMAGE"),
        ("INSERT", "Keys", "NEW_AND_OLD_IMAGES"),
    ],
)
def test_a_missing_image_is_named_with_the_streams_view_type(kind: str, part: str, view: str) -> None:
    event = an_event(kind, StreamViewType=view, **{part: None})
    with pytest.raises(MalformedRecord, match=f"{kind} without {part}; .* {view}"):
        record_from(event)


@pytest.mark.parametrize("sequence", [None, "", "abc", "-1", "1.5", 17, "١٢", "1" * 41, "0x11", " 1"])
def test_a_sequence_number_has_to_be_a_number(sequence: Any) -> None:
    with pytest.raises(MalformedRecord, match="sequence number"):
        record_from(an_event(SequenceNumber=sequence))


@pytest.mark.parametrize("seconds", [None, "1700000000", 0, -1, True, float("nan"), float("inf"), 1_700_000_000_000])
def test_a_creation_time_has_to_be_seconds_since_1970(seconds: Any) -> None:
    with pytest.raises(MalformedRecord, match="creation time"):
        record_from(an_event(ApproximateCreationDateTime=seconds))


@pytest.mark.parametrize("value", ["text", {}, {"S": "a", "N": "1"}, None, []])
def test_an_image_has_to_hold_typed_values(value: Any) -> None:
    with pytest.raises(MalformedRecord, match=re.escape("attribute 'odd'")):
        record_from(an_event(NewImage={**NEW, "odd": value}))


@pytest.mark.parametrize(
    "event",
    [{}, {"eventName": "INSERT"}, {"eventName": "INSERT", "dynamodb": []}, {**an_event(), "eventName": "TRUNCATE"}],
)
def test_what_is_no_record_at_all_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedRecord, match="not a record"):
        record_from(event)
