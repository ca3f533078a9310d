"""What event sources deliver to a function: stream records and queue messages, before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from distributary.domain.change import StreamRecord
from distributary.domain.errors import DistributaryError, Unacceptable


@dataclass(frozen=True)
class Arrival:
    """A stream record as delivered. position: what the checkpoint names. record: the error where it is unreadable."""

    position: str
    record: StreamRecord | Unacceptable
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Received:
    """A message as a queue delivered it. first_received_at: microseconds. receive_count: this delivery included."""

    id: str
    receipt: str
    body: str
    receive_count: int
    first_received_at: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """The checkpoint: the position of the first record that was not handed over, and why."""

    position: str
    error: DistributaryError
