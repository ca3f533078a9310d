"""A table whose triggers stamp every write, its log, and a replica over it, in memory, with PostgreSQL's semantics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from distributary.adapters.memory.replica import proceed
from distributary.domain.image import STAMP_ATTRIBUTE, Image, content_of, key_text
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, stamp_of, stamped
from distributary.domain.steps import Remember, Write
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, Version
from distributary.ports import Outcome


@dataclass(frozen=True, slots=True)
class Committed:
    """One write in the log: a row's new state with its stamp or, without an image, a deletion."""

    key: Image
    image: Image | None
    stamp: Stamp
    inserted: bool = False


@dataclass
class StampedTable:
    """Rows, tombstones and the log of what was committed, in that order. clock, max_clock_drift: microseconds.

    As in PostgreSQL (read committed): what a transaction has written nobody else sees before its commit, and who is
    to write the same row waits for it. Here, waiting for a transaction makes it commit.
    """

    region: str
    clock: Callable[[], int]
    max_clock_drift: int = 60 * MICROSECONDS
    rows: dict[str, Image] = field(default_factory=dict)
    tombstones: dict[str, Tombstone] = field(default_factory=dict)
    log: list[Committed] = field(default_factory=list)
    open: dict[str, Transaction] = field(default_factory=dict)

    def get(self, key: Image) -> Image | None:
        """The whole row, as everybody sees it."""
        return self.rows.get(key_text(key))

    def begin(self) -> Transaction:
        """A transaction of an application."""
        return Transaction(self)

    def put(self, key: Image, image: Image) -> None:
        """Write the whole row as an application, in a transaction of its own."""
        transaction = self.begin()
        transaction.put(key, image)
        transaction.commit()

    def delete(self, key: Image) -> None:
        """Delete the row as an application, in a transaction of its own."""
        transaction = self.begin()
        transaction.delete(key)
        transaction.commit()

    def write_if(self, key: Image, write: Write) -> bool:
        """Write as replication does, with the stamp that the image carries."""
        self.wait(key)
        row, current = key_text(key), self.get(key)
        expected = write.expected.image.get(STAMP_ATTRIBUTE) if write.expected else None
        if (current is None) != (write.expected is None) or (current or {}).get(STAMP_ATTRIBUTE) != expected:
            return False
        if write.image is None:
            self.rows.pop(row, None)
            return True
        self.rows[row] = {**(current or {}), **write.image}
        stamp = stamp_of(write.image)
        if stamp is not None:
            self.log.append(Committed(key, self.rows[row], stamp, current is None))
        return True

    def note(self, key: Image, note: Remember) -> bool:
        """Write the tombstone as replication does."""
        row = key_text(key)
        other = self.open.get(row)
        if other is not None and row in other.deleted:
            other.commit()
        if self.tombstones.get(row) != note.expected:
            return False
        self.tombstones[row] = note.tombstone
        return True

    def wait(self, key: Image) -> None:
        """Wait for the transaction that has written the row, if one has."""
        other = self.open.get(key_text(key))
        if other is not None:
            other.commit()

    def stamp_over(self, old: Stamp | None, tombstone: Tombstone | None) -> Stamp:
        """The stamp of a write on top of both, as far as their times can be believed."""
        clock = self.clock()
        latest = clock + self.max_clock_drift
        below, seen = [], NOTHING_SEEN
        if old is not None and old.version.timestamp <= latest:
            below.append(old.version.timestamp)
            seen = old.context
        if tombstone is not None and tombstone.deletion is not None and tombstone.deletion.timestamp <= latest:
            below.append(tombstone.deletion.timestamp)
            seen = seen.merge(tombstone.context)
        version = Version(max([clock, *(each + 1 for each in below)]), 0, self.region)
        return Stamp(version, seen.including(version), Writer.APPLICATION)


@dataclass
class Transaction:
    """What one transaction of an application has written, and holds locked, until its commit."""

    table: StampedTable
    written: dict[str, Committed] = field(default_factory=dict)
    deleted: dict[str, Committed] = field(default_factory=dict)

    def put(self, key: Image, image: Image) -> None:
        """Insert or update a whole row; the trigger stamps it now."""
        old, tombstone = self._lock(key)
        row = key_text(key)
        stamp = self.table.stamp_over(
            stamp_of(old) if old is not None else None, None if old is not None else tombstone
        )
        again = row in self.written and self.written[row].inserted
        self.written[row] = Committed(key, stamped(content_of(image), stamp), stamp, old is None or again)

    def delete(self, key: Image) -> None:
        """Delete a row if it is there; the trigger writes its tombstone now."""
        old, tombstone = self._lock(key)
        if old is None:
            return
        row = key_text(key)
        self.written.pop(row, None)
        self.deleted[row] = Committed(key, None, self.table.stamp_over(stamp_of(old), tombstone))

    def commit(self) -> None:
        """Let everybody see it; a second time does nothing."""
        table = self.table
        for row, each in self.deleted.items():
            table.rows.pop(row, None)
            table.tombstones[row] = Tombstone(each.stamp.version, each.stamp.context)
            table.log.append(each)
        for row, each in self.written.items():
            if each.image is not None:
                table.rows[row] = each.image
            table.log.append(each)
        self.deleted, self.written = {}, {}
        table.open = {row: other for row, other in table.open.items() if other is not self}

    def _lock(self, key: Image) -> tuple[Image | None, Tombstone | None]:
        """The row and its tombstone as the transaction sees them, once no other holds the row."""
        row = key_text(key)
        if self.table.open.get(row) is not self:
            self.table.wait(key)
            self.table.open[row] = self
        gone = self.deleted.get(row)
        tombstone = self.table.tombstones.get(row)
        if gone is not None:
            tombstone = Tombstone(gone.stamp.version, gone.stamp.context)
        if row in self.written:
            return self.written[row].image, tombstone
        return (None if gone is not None else self.table.get(key)), tombstone


@dataclass
class StampedReplica:
    """`ports.Replica` over such a table; rows are looked at by their stamps only, as the adapter of PostgreSQL does.

    pause: called before and after each access to one item; it may raise, as a network does.
    """

    table: StampedTable
    pause: Callable[[str], None] = proceed

    def look(self, keys: Sequence[Image]) -> Mapping[str, State]:
        """See `ports.Replica`: row and tombstone as of one instant."""
        found: dict[str, State] = {}
        for key in keys:
            self.pause("look")
            image, tombstone = self.table.get(key), self.table.tombstones.get(key_text(key))
            row = Row({STAMP_ATTRIBUTE: image[STAMP_ATTRIBUTE]} if STAMP_ATTRIBUTE in image else {}) if image else None
            found[key_text(key)] = State(row, tombstone, tombstone)
        return found

    def look_back(self, keys: Sequence[Image]) -> Mapping[str, Tombstone | None]:
        """See `ports.Replica`."""
        found: dict[str, Tombstone | None] = {}
        for key in keys:
            self.pause("look_back")
            found[key_text(key)] = self.table.tombstones.get(key_text(key))
        return found

    def write(self, writes: Sequence[tuple[Image, Write]]) -> Sequence[Outcome]:
        """See `ports.Replica`."""
        outcomes: list[Outcome] = []
        for key, write in writes:
            self.pause("write")
            outcomes.append(self.table.write_if(key, write))
            self.pause("written")
        return outcomes

    def remember(self, notes: Sequence[tuple[Image, Remember]]) -> Sequence[Outcome]:
        """See `ports.Replica`."""
        outcomes: list[Outcome] = []
        for key, note in notes:
            self.pause("remember")
            outcomes.append(self.table.note(key, note))
            self.pause("remembered")
        return outcomes
