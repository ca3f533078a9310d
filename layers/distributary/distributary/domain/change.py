"""Changes and the stream records they come from: the words in which replicas talk about one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from distributary.domain.image import Image, key_text
from distributary.domain.row import Row
from distributary.domain.version import MICROSECONDS, Context, Version

TRUSTED_AGE = 28 * 24 * 3600 * MICROSECONDS
"""How long a change may be under way, in microseconds: 14 days in a queue and 14 parked."""

TOMBSTONE_AGE = 45 * 24 * 3600 * MICROSECONDS
"""How long tombstones are kept, in microseconds: longer than any change may be under way."""


@dataclass(frozen=True)
class Change:
    """One row's new state (image without stamp), or its deletion (no image), with its place in the order.

    dataset, table: what the row belongs to. home: the region where it was written. source: position of the
    record in the home's stream. captured_at: microseconds, clock of the capturing function. state: what the row's state
    knows beside its values (`state_documents`), where a policy needs memory.
    """

    dataset: str
    table: str
    key: Image
    image: Image | None
    version: Version
    context: Context
    home: str
    source: str
    captured_at: int
    state: Mapping[str, Any] | None = None

    @cached_property
    def row(self) -> str:
        """The key as canonical text."""
        return key_text(self.key)


@dataclass(frozen=True)
class StreamRecord:
    """One record of a DynamoDB change stream.

    old, new: images, none where the row was absent. sequence: grows for one row. created_at: microseconds, floored
    to `granularity`. expired: the service's time to live removed the row.
    """

    key: Image
    old: Row | None
    new: Row | None
    sequence: int
    created_at: int
    granularity: int = MICROSECONDS
    expired: bool = False

    @cached_property
    def row(self) -> str:
        """The key as canonical text."""
        return key_text(self.key)
