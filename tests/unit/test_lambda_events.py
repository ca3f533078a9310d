"""Lambda's events become deliveries, and the answer names exactly what has to come again."""

from __future__ import annotations

import pytest

from distributary.adapters.lambda_events import arrivals, checkpoint, failures, received
from distributary.domain.delivery import Failure
from distributary.domain.errors import MalformedRecord, Throttled

MESSAGE = {"messageId": "id", "receiptHandle": "receipt", "body": "text"}


def test_a_batch_that_is_done_has_no_failures() -> None:
    assert checkpoint(None, raising=False) == checkpoint(None, raising=True) == {"batchItemFailures": []}


def test_the_checkpoint_is_the_position_of_the_first_failure() -> None:
    answer = checkpoint(Failure("111", Throttled("x")), raising=False)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "111"}]}


def test_a_failure_is_raised_where_the_event_source_needs_it() -> None:
    with pytest.raises(Throttled):
        checkpoint(Failure("111", Throttled("x")), raising=True)


def test_a_failure_without_a_position_is_raised_since_an_empty_one_would_mean_something_else() -> None:
    with pytest.raises(Throttled):
        checkpoint(Failure("", Throttled("x")), raising=False)


def test_messages_that_come_again_are_named_by_their_ids() -> None:
    assert failures(["a", "b"]) == {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": None}], ids=str)
def test_an_event_without_records_is_empty(event: dict[str, None]) -> None:
    assert arrivals(event) == []
    assert received(event) == []


@pytest.mark.parametrize("raw", [{}, {"eventName": "INSERT"}, {"eventName": "X", "dynamodb": {}}, {"dynamodb": None}])
def test_an_unreadable_record_carries_its_error_and_all_of_itself(raw: dict[str, object]) -> None:
    (arrival,) = arrivals({"Records": [raw]})
    assert isinstance(arrival.record, MalformedRecord)
    assert (arrival.position, arrival.raw) == ("", raw)


def test_an_unreadable_record_keeps_its_position() -> None:
    (arrival,) = arrivals({"Records": [{"dynamodb": {"SequenceNumber": "111"}}]})
    assert arrival.position == "111"


def test_a_message_tells_when_and_how_often_it_came_and_where_it_is_to_go() -> None:
    attributes = {"ApproximateReceiveCount": "3", "ApproximateFirstReceiveTimestamp": "1795000000005"}
    destination = {"destination": {"stringValue": "eu-west-1", "dataType": "String"}}
    (message,) = received({"Records": [{**MESSAGE, "attributes": attributes, "messageAttributes": destination}]})
    assert (message.id, message.receipt, message.body) == ("id", "receipt", "text")
    assert (message.receive_count, message.first_received_at) == (3, 1_795_000_000_005_000)
    assert message.attributes == {"destination": "eu-west-1"}


def test_a_message_without_attributes_comes_for_the_first_time() -> None:
    (message,) = received({"Records": [MESSAGE]})
    assert (message.receive_count, message.attributes) == (1, {})
