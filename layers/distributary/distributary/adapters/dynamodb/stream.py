"""Reads the records of a DynamoDB change stream as Lambda delivers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distributary.domain.change import StreamRecord
from distributary.domain.errors import MalformedRecord
from distributary.domain.image import Image
from distributary.domain.row import Row
from distributary.domain.version import MICROSECONDS

_IMAGES = {"INSERT": (False, True), "MODIFY": (True, True), "REMOVE": (True, False)}
"""Kind of event: whether it has an old and a new image."""

_TIME_TO_LIVE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def record_from(event: Mapping[str, Any]) -> StreamRecord:
    """One record of a Lambda event; raises MalformedRecord, naming what is missing or wrong.

    Creation times are whole seconds; whatever fraction an event shows is kept, but not relied upon.
    """
    kind, body = event.get("eventName"), event.get("dynamodb")
    if kind not in _IMAGES or not isinstance(body, Mapping):
        raise MalformedRecord(f"not a record of a DynamoDB stream: eventName {kind!r}")
    has_old, has_new = _IMAGES[kind]
    view = body.get("StreamViewType")
    return StreamRecord(
        key=_image(body, "Keys", kind, view),
        old=Row(_image(body, "OldImage", kind, view)) if has_old else None,
        new=Row(_image(body, "NewImage", kind, view)) if has_new else None,
        sequence=_sequence(body.get("SequenceNumber")),
        created_at=_microseconds(body.get("ApproximateCreationDateTime")),
        granularity=MICROSECONDS,
        expired=kind == "REMOVE" and _by_time_to_live(event.get("userIdentity")),
    )


def _image(body: Mapping[str, Any], part: str, kind: str, view: object) -> Image:
    image = body.get(part)
    if not isinstance(image, Mapping) or not image:
        raise MalformedRecord(f"{kind} without {part}; the stream's view type is {view}")
    for name, value in image.items():
        if not isinstance(value, Mapping) or len(value) != 1:
            raise MalformedRecord(f"{kind} whose {part} has no typed value for attribute {name!r}")
    return image


def _sequence(number: object) -> int:
    if not isinstance(number, str) or not (number.isascii() and number.isdigit()) or len(number) > 40:
        raise MalformedRecord(f"sequence number {number!r}: not 1 to 40 digits")
    return int(number)


def _microseconds(seconds: object) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e10:
        raise MalformedRecord(f"creation time {seconds!r}: not seconds since 1970")
    return seconds * MICROSECONDS if isinstance(seconds, int) else round(seconds * MICROSECONDS)


def _by_time_to_live(identity: object) -> bool:
    """Whether DynamoDB itself deleted the row because its time was over."""
    return isinstance(identity, Mapping) and _TIME_TO_LIVE.items() <= identity.items()
