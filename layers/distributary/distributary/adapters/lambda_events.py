"""Lambda's events into deliveries, and what a function answers so that only unfinished work comes again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from distributary.adapters.dynamodb.stream import record_from
from distributary.domain.delivery import Arrival, Failure, Received
from distributary.domain.errors import Unacceptable

Answer = dict[str, list[dict[str, str]]]


def arrivals(event: Mapping[str, Any]) -> list[Arrival]:
    """The records of a DynamoDB stream event, in order; an unreadable one carries its error."""
    return [_arrival(raw) for raw in event.get("Records") or ()]


def received(event: Mapping[str, Any]) -> list[Received]:
    """The messages of an SQS event."""
    return [_received(raw) for raw in event.get("Records") or ()]


def checkpoint(failure: Failure | None, *, raising: bool) -> Answer:
    """The answer of a stream's function: everything before the failure is done, the rest comes again.

    raising: raise the failure's error instead, so that the whole batch comes again. That is for emulators that do not
    understand the answer, and for a record without a position.
    """
    if failure is not None and (raising or not failure.position):
        raise failure.error
    return failures([] if failure is None else [failure.position])


def failures(identifiers: Iterable[str]) -> Answer:
    """The answer of a queue's function: these messages are not done."""
    return {"batchItemFailures": [{"itemIdentifier": each} for each in identifiers]}


def _arrival(raw: Mapping[str, Any]) -> Arrival:
    position = str((raw.get("dynamodb") or {}).get("SequenceNumber", ""))
    try:
        return Arrival(position, record_from(raw), raw)
    except Unacceptable as error:
        return Arrival(position, error, raw)


def _received(raw: Mapping[str, Any]) -> Received:
    attributes = raw.get("attributes") or {}
    return Received(
        id=raw["messageId"],
        receipt=raw["receiptHandle"],
        body=raw["body"],
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        first_received_at=1000 * int(attributes.get("ApproximateFirstReceiveTimestamp", 0)),
        attributes={
            name: str(value.get("stringValue", "")) for name, value in (raw.get("messageAttributes") or {}).items()
        },
    )
