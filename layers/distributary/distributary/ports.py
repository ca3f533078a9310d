"""The ports: what the services need of the world, with the delivery contract of each in its docstring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from distributary.domain.errors import DistributaryError
from distributary.domain.image import Image
from distributary.domain.parcel import Parcel
from distributary.domain.row import State, Tombstone
from distributary.domain.steps import Remember, Write

Outcome: TypeAlias = bool | DistributaryError
"""True: written. False: the condition did not hold. An error: this item failed, its neighbours may not have."""


class Replica(Protocol):
    """The rows and tombstones of one replica.

    Reads are strongly consistent for each row and each tombstone, but not across the two. Writes are atomic for one
    row, not across rows; a call may have had its effect although it raised. One key appears once a call.
    All methods raise RetryLater or Misconfigured when the whole call failed; keys are named by `key_text`.
    """

    def look(self, keys: Sequence[Image]) -> Mapping[str, State]:
        """Read rows and tombstones; every key is in the answer."""
        ...

    def look_back(self, keys: Sequence[Image]) -> Mapping[str, Tombstone | None]:
        """Read tombstones; every key is in the answer."""
        ...

    def write(self, writes: Sequence[tuple[Image, Write]]) -> Sequence[Outcome]:
        """Write rows conditionally; one outcome a write, in their order.

        The condition is that the row exists (or not, for an insert), carries the expected stamp attribute to the
        letter, and has each expected attribute with its value. Attributes beyond these cannot be seen; a
        replacement leaves such an attribute where it is, or drops it.
        """
        ...

    def remember(self, notes: Sequence[tuple[Image, Remember]]) -> Sequence[Outcome]:
        """Write tombstones on condition that they are still as expected; one outcome a note, in their order."""
        ...


class Inboxes(Protocol):
    """The inboxes of all replicas of the dataset, this region's own included.

    Delivery is at least once and in no order. When `send` returns, every message is stored durably; when it raises
    RetryLater or Misconfigured, none, some or all of them may have been stored.
    """

    def send(self, region: str, messages: Sequence[str]) -> None:
        """Put messages into the inbox of a region."""
        ...


class Outbox(Protocol):
    """Messages that wait, in this region, for a peer that could not be reached (hinted handoff, Dynamo, 2007)."""

    def hold(self, region: str, messages: Sequence[str]) -> None:
        """Keep messages for a region; durable on return, raises as `Inboxes.send` does."""
        ...


class Parking(Protocol):
    """Where payloads rest that cannot be taken, until an operator redrives or discards them."""

    def park(self, parcels: Sequence[Parcel]) -> None:
        """Keep parcels; durable on return, raises RetryLater or Misconfigured."""
        ...


class Parked(Protocol):
    """Parcels as an operator sees them. One that was taken comes back by itself unless it is discarded."""

    def take(self, limit: int) -> Sequence[tuple[str, Parcel]]:
        """Up to so many parcels, each with the receipt by which it can be discarded."""
        ...

    def discard(self, receipt: str) -> None:
        """Forget a parcel for good."""
        ...


class Waiting(Protocol):
    """The queue that a function consumes, as far as it decides when a message comes again."""

    def postpone(self, receipt: str, seconds: int) -> None:
        """Let the message come again after so many seconds (0 to 43,200); raises RetryLater or Misconfigured."""
        ...
