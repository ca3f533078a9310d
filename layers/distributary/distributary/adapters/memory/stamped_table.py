"""A table whose triggers stamp every write, its transactions and its log, in memory, with PostgreSQL's semantics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from distributary.adapters.memory import stamped_states
from distributary.domain.image import STAMP_ATTRIBUTE, Image, content_of, key_text
from distributary.domain.row import Row, Tombstone
from distributary.domain.row_state import StateLattice
from distributary.domain.stamp import Stamp, Writer, stamp_of, stamped
from distributary.domain.steps import Remember, Write
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, Version


class Aborted(Exception):
    """The database takes a transaction back: a key is there already, or two wait for each other."""


@dataclass(frozen=True, slots=True)
class Committed:
    """One write in the log: a row's new state with its stamp or, without an image, a deletion.

    inserted: its key is new. missing: large columns that did not change, which a log leaves out.
    """

    key: Image
    image: Image | None
    stamp: Stamp
    inserted: bool = False
    missing: tuple[str, ...] = ()


@dataclass
class StampedTable:
    """Rows, tombstones and the log of what was committed, in that order. clock, max_clock_drift: microseconds.

    As in PostgreSQL (read committed): what a transaction has written nobody else sees before its commit, and who is
    to write the same row waits for it. waiting: called, at times more than once, until that transaction is over; by
    default waiting makes it commit. told: called with what each commit adds to the log. large: columns of large values.
    lattice: of a table whose triggers keep the state of its rows too. unique: a column of which replication may not
    write a value twice, if any.
    """

    region: str
    clock: Callable[[], int]
    max_clock_drift: int = 60 * MICROSECONDS
    large: frozenset[str] = frozenset()
    waiting: Callable[[Transaction], None] = lambda holder: holder.commit()
    told: Callable[[Sequence[Committed]], None] = lambda _: None
    lattice: StateLattice | None = None
    unique: str = ""
    rows: dict[str, Image] = field(default_factory=dict)
    tombstones: dict[str, Tombstone] = field(default_factory=dict)
    log: list[Committed] = field(default_factory=list)
    open: dict[str, Transaction] = field(default_factory=dict)
    begun: int = 0

    def get(self, key: Image) -> Image | None:
        """The whole row, as everybody sees it."""
        return self.rows.get(key_text(key))

    def begin(self) -> Transaction:
        """A transaction of an application."""
        self.begun += 1
        return Transaction(self, self.begun)

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
        current = self.get(key)
        expected = write.expected.image.get(STAMP_ATTRIBUTE) if write.expected else None
        if (current is None) != (write.expected is None) or (current or {}).get(STAMP_ATTRIBUTE) != expected:
            return False
        image = {**content_of(current or {}), **write.image} if write.image is not None else None
        self.show(key_text(key), image, Writer.REPLICATION)
        stamp = stamp_of(write.image) if write.image is not None else None
        if stamp is not None:
            self.append([Committed(key, image, stamp, current is None)])
        return True

    def rivals(self, key: Image, image: Image) -> list[Image]:
        """Rows of other keys that have the image's value of the unique column."""
        value = image.get(self.unique)
        others = [row for name, row in self.rows.items() if name != key_text(key)]
        return [row for row in others if value is not None and "NULL" not in value and row.get(self.unique) == value]

    def note(self, key: Image, note: Remember) -> bool:
        """Write the tombstone as replication does."""
        row = key_text(key)
        while (other := self.open.get(row)) is not None and row in other.tombstones:
            self.waiting(other)
        if self.tombstones.get(row) != note.expected:
            return False
        self.tombstones[row] = note.tombstone
        return True

    def show(self, row: str, image: Image | None, writer: Writer) -> None:
        """What everybody sees of a row from now on. writer: who has written, or deleted, it."""
        del writer
        self.rows.pop(row, None)
        if image is not None:
            self.rows[row] = image

    def append(self, writes: Sequence[Committed]) -> None:
        """What one commit adds to the log."""
        self.log += writes
        self.told(writes)

    def wait(self, key: Image, waiter: Transaction | None = None) -> None:
        """Wait for the transaction that has written the row, if another one has; raises Aborted."""
        row = key_text(key)
        while (holder := self.open.get(row)) is not None and holder is not waiter:
            if waiter is not None:
                waiter.wait_for(holder)
            else:
                self.waiting(holder)

    def believes(self, stamp: Stamp | None, clock: int) -> bool:
        """Whether a stamp is one that is not too far ahead of the clock."""
        return stamp is not None and stamp.version.timestamp <= clock + self.max_clock_drift

    def stamp_over(self, clock: int, old: Stamp | None, tombstone: Tombstone | None, number: int = 0) -> Stamp:
        """The stamp of a write on top of both, as far as their times can be believed. number: of the transaction."""
        latest = clock + self.max_clock_drift
        below, seen = [], NOTHING_SEEN
        if old is not None and self.believes(old, clock):
            below.append(old.version.timestamp)
            seen = old.context
        if tombstone is not None and tombstone.deletion is not None and tombstone.deletion.timestamp <= latest:
            below.append(tombstone.deletion.timestamp)
            seen = seen.merge(tombstone.context)
        version = Version(max([clock, *(each + 1 for each in below)]), number, self.region)
        return Stamp(version, seen.including(version), Writer.APPLICATION)


@dataclass(eq=False)
class Transaction:
    """What one transaction of an application has written, and holds locked, until it is over.

    rows, tombstones: as only it sees them. Each statement reads the clock as it begins, before it waits for anybody;
    read_at: what the last one has read.
    """

    table: StampedTable
    number: int
    rows: dict[str, Image | None] = field(default_factory=dict)
    tombstones: dict[str, Tombstone] = field(default_factory=dict)
    log: list[Committed] = field(default_factory=list)
    over: bool = False
    read_at: int = 0
    waits_for: Transaction | None = None

    def get(self, key: Image) -> Image | None:
        """The row as the transaction sees it."""
        row = key_text(key)
        return self.rows[row] if row in self.rows else self.table.rows.get(row)

    def put(self, key: Image, image: Image, *, only_new: bool = False) -> None:
        """Insert a whole row or, unless only_new, write over the one that is there."""
        clock = self.read_at = self.table.clock()
        beneath = self._beneath(key)  # the trigger fires before the key is waited for
        old = self._lock(key)
        if old is not None and only_new:
            raise Aborted("the key is there already")
        self._write(key, image, self._stamp(clock, old, beneath, self.number), old, beneath=beneath)

    def update(self, key: Image, columns: Image | Callable[[Image], Image]) -> None:
        """Set columns of a row if it is there. columns: or what an expression makes of the row that it finds."""
        clock = self.read_at = self.table.clock()
        if self.get(key) is not None and (old := self._lock(key)) is not None:
            new = columns(old) if callable(columns) else columns
            beneath = self._beneath(key)
            self._write(key, {**old, **new}, self._stamp(clock, old, beneath), old, beneath=beneath)

    def delete(self, key: Image) -> None:
        """Delete a row if it is there; the trigger writes its tombstone now."""
        clock = self.read_at = self.table.clock()
        if self.get(key) is not None and (old := self._lock(key)) is not None:
            self._bury(key, old, clock)
            self.rows[key_text(key)] = None

    def move(self, key: Image, to: Image) -> None:
        """Give a row another key: the trigger deletes the one and inserts the other."""
        clock = self.read_at = self.table.clock()
        if self.get(key) is None or (old := self._lock(key)) is None:
            return
        self._bury(key, old, clock)
        beneath = self._beneath(to)
        if self._lock(to) is not None:
            raise Aborted("the key is there already")
        self.rows[key_text(key)] = None
        # What was seen under the old key must not be taken for something of the new one.
        stamp = self.table.stamp_over(clock, None, beneath, self.number)
        self._write(to, {**old, **to}, stamp, old, beneath=beneath, moved=True)

    def commit(self) -> None:
        """Let everybody see it; a second time does nothing."""
        table, writes = self.table, self.log
        table.tombstones.update(self.tombstones)
        for row, image in self.rows.items():
            table.show(row, image, Writer.APPLICATION)
        self.rollback()
        if writes:
            table.append(writes)

    def rollback(self) -> None:
        """Take back what is not committed, and let others have the rows."""
        self.over, self.rows, self.tombstones, self.log = True, {}, {}, []
        self.table.open = {row: other for row, other in self.table.open.items() if other is not self}

    def wait_for(self, holder: Transaction) -> None:
        """Wait until the other is over; raises Aborted where it waits for this one in turn."""
        other: Transaction | None = holder
        while other is not None:
            if other is self:
                raise Aborted("two wait for each other")
            other = other.waits_for
        self.waits_for = holder
        try:
            self.table.waiting(holder)
        finally:
            self.waits_for = None

    def _lock(self, key: Image) -> Image | None:
        """The row as it is once no other transaction holds it."""
        self.table.wait(key, self)
        if self.over:
            raise Aborted("the connection is gone")
        self.table.open[key_text(key)] = self
        return self.get(key)

    def _beneath(self, key: Image) -> Tombstone | None:
        row = key_text(key)
        return self.tombstones.get(row) or self.table.tombstones.get(row)

    def _stamp(self, clock: int, old: Image | None, beneath: Tombstone | None, number: int = 0) -> Stamp:
        """The stamp of a write of a row; the tombstone is looked at where nothing else tells what it is on top of."""
        seen = stamp_of(old) if old is not None else None
        unknown = old is None or (self.table.lattice is not None and not self.table.believes(seen, clock))
        return self.table.stamp_over(clock, seen, beneath if unknown else None, number)

    def _bury(self, key: Image, old: Image, clock: int) -> None:
        stamp = self.table.stamp_over(clock, stamp_of(old), self._beneath(key), self.number)
        self.tombstones[key_text(key)] = Tombstone(stamp.version, stamp.context)
        self.log.append(Committed(key, None, stamp))

    def _write(
        self,
        key: Image,
        image: Image,
        stamp: Stamp,
        old: Image | None,
        *,
        beneath: Tombstone | None,
        moved: bool = False,
    ) -> None:
        new = stamped(content_of(image), stamp)
        if self.table.lattice is not None:
            latest = self.read_at + self.table.max_clock_drift
            before = Row(old, latest) if old is not None and not moved else None
            beneath = beneath.trusting(latest) if beneath is not None else None
            new = stamped_states.written(before, image, stamp, beneath, self.table.lattice)
        unchanged = sorted(name for name in self.table.large & new.keys() if old and old.get(name) == new[name])
        self.rows[key_text(key)] = new
        self.log.append(Committed(key, new, stamp, moved or old is None, tuple(unchanged)))
