"""The ports: what the services need of the world, with the delivery contract of each in its docstring."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from distributary.domain.alert import Alert
from distributary.domain.block import Block, Taken
from distributary.domain.change import Change
from distributary.domain.conflict import Conflict
from distributary.domain.errors import DistributaryError, UniqueClash
from distributary.domain.hanging import Hanging
from distributary.domain.image import Image
from distributary.domain.journal import Entry
from distributary.domain.logged import Holding, Logged, Portion
from distributary.domain.parcel import Parcel
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.steps import Remember, Write

Outcome: TypeAlias = bool | DistributaryError
"""True: written. False: the condition did not hold. An error: this item failed, its neighbours may not have."""


class Replica(Protocol):
    """The rows and tombstones of one replica.

    Reads are strongly consistent for each row and each tombstone, but not across the two. Writes are atomic for one
    row, not across rows; a call may have had its effect although it raised. One key appears once a call.
    All methods raise RetryLater or Misconfigured when the whole call failed; keys are named by `key_text`.
    """

    def look(self, keys: Sequence[Image], *, whole: bool = False) -> Mapping[str, State]:
        """Read rows and tombstones; every key is in the answer.

        whole: with the rows' content. Without it a replica may tell our own attributes only.
        """
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


class Bulk(Protocol):
    """The rows and tombstones of one table of a database that stamps its writes, many at a time.

    For what is plain: the writer of a change had seen all that this replica knows of the row, the row itself and its
    tombstone, so it replaces both and its stamp stands as it is, and its state. `domain.stamped_merge`, or where states
    are joined `domain.stamped_states`, would do the same. There a put is plain over a tombstone only if its state says
    that it was made on top of that deletion or a newer one: its context may cover one that it could not see.
    """

    def take(self, block: Block) -> Taken:
        """Merge what is plain, and tell what is left: all else, what was refused, and any of it that was not sure.

        A row is in the block once. Raises RetryLater or Misconfigured when the whole call failed; it may have had a
        part of its effect then, and does no harm when it is made again.
        """
        ...

    def outlived(self, block: Block) -> Sequence[int]:
        """The places of changes that a tombstone covers; where states are joined, of all that may not be on top."""
        ...


class ChangeLog(Protocol):
    """What applications have written to one replica, in the order of commits, since what was handed over last.

    At least once: what was read and not confirmed by `advance` is read again. Raises RetryLater when the database is
    not ready (after a failover, for a while), SlotLost, MalformedStream, NotInstalled.
    """

    def hold(self) -> Holding | None:
        """Keep the log for this process until `release`, and look at the database. None: another process holds it."""
        ...

    def read(self, limit: int) -> Generator[Portion, None, None]:
        """What is new, up to the end of the transaction in which `limit` changes are passed; nothing if nothing is.

        All of it is committed, also where a portion ends within a transaction. To be closed if it is left early.
        """
        ...

    def advance(self, end: int | None, within: str = "") -> None:
        """Remember that all up to a portion's end was handed over, and of the transaction behind it all up to `within`.

        Without an end the log is kept from where it was; without both it need not be kept up to where it told nothing.
        Never goes back, and never past what was handed over.
        """
        ...

    def release(self) -> None:
        """Let another process hold the log, also where this one is put to sleep and not ended."""
        ...


class Source(Protocol):
    """The rows that a log tells of, as they are now."""

    def complete(self, writes: Sequence[Logged]) -> Sequence[Logged]:
        """The writes with the columns that the log left out, read from the rows; without those overtaken meanwhile.

        Where states are joined, a row that replication has joined the write into since stands for it from then on, with
        its image, version, context and state as they are. One whose row cannot be read any more comes back as it was,
        with columns missing.
        """
        ...


class Announcements(Protocol):
    """Where automation hears of what replication will not guess at."""

    def announce(self, alerts: Sequence[Alert]) -> None:
        """Tell of alerts; raises RetryLater or Misconfigured."""
        ...


class Journal(Protocol):
    """Where each conflict that this replica resolves is on record."""

    def record(self, conflicts: Sequence[Conflict]) -> int:
        """Write conflicts, each over an earlier record of its name; returns how many of them were missed.

        Never raises and never waits for long: a journal that fails or is throttled does not hold replication up.
        """
        ...


class Recorded(Protocol):
    """A journal as an operator reads it. Times are microseconds, of when conflicts were resolved.

    Lists begin with the newest and leave images out. What was recorded a moment ago may be missing from them. All
    methods raise RetryLater or Misconfigured.
    """

    def find(self, name: str) -> Entry | None:
        """The entry of that id, with its images."""
        ...

    def within(self, since: int, until: int) -> Iterator[Entry]:
        """What was resolved from `since` on and before `until`."""
        ...

    def of_row(self, table: str, key: Image, since: int, until: int) -> Iterator[Entry]:
        """The same of one row. key: as an application knows it; InvalidSettings where hashing it lacks a secret."""
        ...


class Clashes(Protocol):
    """Rows of different keys that cannot both be there, since a column is unique; see `domain.clash`."""

    def rivals(self, change: Change, clash: UniqueClash) -> Sequence[tuple[Image, str | None]]:
        """Keys and stamps of the rows in the change's way; none if none is there any more.

        Raises the clash where they cannot be told, RetryLater or Misconfigured, as the others do.
        """
        ...

    def remove(self, table: str, rows: Sequence[tuple[Image, Row]]) -> None:
        """Delete rows as an application of this region would, those that still carry their stamps."""
        ...

    def make_way(self, change: Change, clash: UniqueClash, rows: Sequence[tuple[Image, Row]]) -> None:
        """Take rows out of the change's way for a moment, those that still carry their stamps; nobody is told of it.

        For rows of which a newer state is at hand. Raises NotSettled where that would cost more than the moment.
        """
        ...

    def renounce(self, change: Change) -> None:
        """Write the tombstone of the change's key as if an application of this region had deleted it."""
        ...


class Dependents(Protocol):
    """Rows that the database would delete or change beside another, since a foreign key of theirs says so."""

    def hanging(self, table: str, deletions: Sequence[Change]) -> Sequence[Hanging]:
        """Of each deletion, what hangs on its row, of replicated tables; nothing if the row is not there, or newer.

        Raises RetryLater or Misconfigured, UnknownTable, and nothing that is the fault of one of them.
        """
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

    def put_back(self, receipt: str) -> None:
        """Let a parcel that was taken be taken again at once."""
        ...


class Waiting(Protocol):
    """The queue that a function consumes, as far as it decides when a message comes again."""

    def postpone(self, receipt: str, seconds: int) -> None:
        """Let the message come again after so many seconds (0 to 43,200); raises RetryLater or Misconfigured."""
        ...
