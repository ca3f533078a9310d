"""Draws the stamps of an application that orders its own writes by the microsecond."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from distributary.adapters.dynamodb.values import image_from_sdk
from distributary.domain.errors import MalformedStamp
from distributary.domain.image import content_of, digest_of
from distributary.domain.stamp import UNKNOWN, Stamp, Writer, parse
from distributary.domain.version import NOTHING_SEEN, STAMPING_SEQUENCE, Version

RANDOM_BITS = 64
"""Of a sequence: two writers of one region that draw the same microsecond still draw different versions."""


def microseconds() -> int:
    """The machine's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Stamper:
    """Draws versions from a clock (microseconds since 1970) and a source of random bits (how many: a number)."""

    clock: Callable[[], int] = microseconds
    random_bits: Callable[[int], int] = secrets.randbits

    def draw(self, loaded: str | None, region: str, digest: str = UNKNOWN) -> Stamp:
        """A fresh stamp, above the one that the row had when it was loaded, however far back the clock stands.

        loaded: none for a row that was not read. One that cannot be read either counts as none. region: where the
        write is sent. digest: of the row's content after the write, where the writer knows all of it.
        """
        seen = _readable(loaded)
        context, timestamp = NOTHING_SEEN, self.clock()
        if seen is not None:
            context = seen.context
            newest = max(seen.version.instant, context.of(region) or seen.version.instant)
            timestamp = max(timestamp, newest.timestamp + 1)
        version = Version(timestamp, STAMPING_SEQUENCE + self.random_bits(RANDOM_BITS), region)
        return Stamp(version, context.including(version), Writer.APPLICATION, digest)


def digest_of_item(item: Mapping[str, Mapping[str, Any]]) -> str:
    """The digest of an item as the SDK takes it; unknown where a value is of no form that we know.

    Such a value is DynamoDB's to take or to refuse; when it is taken, the capture function gives the row its version.
    """
    try:
        return digest_of(content_of(image_from_sdk(item)))
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return UNKNOWN


def _readable(text: str | None) -> Stamp | None:
    try:
        return parse(text) if text else None
    except MalformedStamp:
        return None
