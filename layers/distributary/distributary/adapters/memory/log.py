"""The log of a stamping database in memory: transactions in the order of their commits, for tests and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from distributary.adapters.memory.replica import proceed
from distributary.domain.alert import Alert
from distributary.domain.block import blocks_of
from distributary.domain.change import Change
from distributary.domain.errors import SlotLost, Unavailable
from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.logged import Holding, Logged, LoggedBlock, Portion, last_states
from distributary.domain.row import Row
from distributary.domain.stamp import Writer
from distributary.domain.state_texts import document_of_row


@dataclass
class Committed:
    """A transaction: what it wrote, how many of its writes were replication's own, and what it did beside.

    arrived: rows among those that replication has inserted.
    """

    writes: Sequence[Logged] = ()
    echoes: int = 0
    alerts: tuple[Alert, ...] = ()
    arrived: Sequence[Change] = ()


@dataclass
class Slot:
    """What the database keeps of a log: transactions, each of which is a position, and how far they were handed over.

    rows: the rows as they are now, by `Change.row`. position: of the slot; checkpoint, within: ours. A slot that
    is ahead of the checkpoint was consumed by somebody else. holder: whose session has the lock.
    """

    committed: list[Committed] = field(default_factory=list)
    rows: Mapping[str, Image] = field(default_factory=dict)
    position: int = 0
    checkpoint: int = 0
    within: str = ""
    there: bool = True
    holder: object | None = None

    def note(self, to: int, within: str) -> None:
        """Write the checkpoint, which never goes back; the place is the last that was told."""
        self.checkpoint, self.within = max(self.checkpoint, to), within


@dataclass(eq=False)
class MemoryLog:
    """`ports.ChangeLog` and `ports.Source` over a slot, as one function sees it.

    size: writes of a portion. pause: called before and after each access, it may raise. in_blocks: whole rows are told
    in blocks, as PostgreSQL's are. broken: the server has ended the session that reads, so that another may take the
    lock; what is noted goes another way.
    """

    slot: Slot = field(default_factory=Slot)
    size: int = 2
    pause: Callable[[str], None] = proceed
    in_blocks: bool = False
    open_readings: int = 0
    broken: bool = False
    _within: str = ""
    _seen: int = 0

    def hold(self) -> Holding | None:
        """See `ports.ChangeLog`."""
        self._ask("hold")
        if self.slot.holder not in {None, self}:
            return None
        if not self.slot.there or self.slot.position > self.slot.checkpoint:
            raise SlotLost("the slot is gone, or was consumed by somebody else")
        self.slot.holder, self._within = self, self.slot.within
        return Holding((), len(self.slot.committed) - self.slot.position)

    def read(self, limit: int) -> Generator[Portion, None, None]:
        """See `ports.ChangeLog`; one reading at a time, as a connection has."""
        end = len(self.slot.committed)
        self._ask("read")
        if self.open_readings:
            raise Unavailable("the connection is busy with a reading that was not closed")
        self.open_readings += 1
        told = False
        try:
            for portion in self._portions(limit):
                told = True
                yield _in_blocks(portion) if self.in_blocks else portion
        finally:
            self.open_readings -= 1
        if not told:
            self._seen = end

    def advance(self, end: int | None, within: str = "") -> None:
        """See `ports.ChangeLog`: the checkpoint before the slot."""
        self.pause("note")
        if end is None and within:
            self.slot.within = within
            self.pause("noted")
            return
        to = self._seen if end is None else end
        if to > self.slot.checkpoint or end is not None:
            self.slot.note(to, within)
        self._ask("advance")
        self.slot.position = max(self.slot.position, to)
        self.pause("advanced")

    def release(self) -> None:
        """See `ports.ChangeLog`."""
        if self.slot.holder is self:
            self.slot.holder = None

    def complete(self, writes: Sequence[Logged]) -> Sequence[Logged]:
        """See `ports.Source`."""
        self.pause("complete")
        found = []
        for each in writes:
            row = self.slot.rows.get(each.change.row)
            if row is not None and row[STAMP_ATTRIBUTE]["S"] == each.stamp:
                image = {**(each.change.image or {}), **{name: row[name] for name in each.missing}}
                found.append(replace(each, change=replace(each.change, image=image), missing=()))
            elif row is not None and (merged := _merged(each, Row(row))) is not None:
                found.append(merged)
        return found

    def _portions(self, limit: int) -> Generator[Portion, None, None]:
        count = 0
        for at in range(self.slot.position, len(self.slot.committed)):
            transaction = self.slot.committed[at]
            of, _, done = self._within.partition(" ")
            start = int(done) if of == str(at) else 0
            while True:
                writes = tuple(transaction.writes[start : start + self.size])
                start += len(writes)
                self._ask("portion")
                if start < len(transaction.writes):
                    yield Portion(writes, within=f"{at} {start}")
                else:
                    arrived = tuple(blocks_of(transaction.arrived))
                    yield Portion(writes, transaction.echoes, transaction.alerts, end=at + 1, arrived=arrived)
                    break
            count += len(transaction.writes)
            if count >= limit:
                return

    def _ask(self, access: str) -> None:
        """Something of the session that reads."""
        self.pause(access)
        if self.broken:
            raise Unavailable("the connection is gone")


def _merged(write: Logged, row: Row) -> Logged | None:
    """What replication has made of the write by joining it with others; none where it is not in there.

    Nobody else tells of it, since the log does not tell what replication has written.
    """
    state, stamp = document_of_row(row.image), row.stamp
    if state is None or stamp is None or stamp.writer is not Writer.REPLICATION:
        return None
    if not stamp.context.covers(write.change.version):
        return None
    change = replace(write.change, image=row.content, version=stamp.version, context=stamp.context, state=state)
    return replace(write, change=change, stamp=stamp.text(), missing=())


def _in_blocks(portion: Portion) -> Portion:
    """The same portion, the last states of whole rows in blocks."""
    plain = [each for each in portion.writes if each.change.image is not None and not each.missing]
    kinds: dict[tuple[object, ...], list[Logged]] = {}
    for each in last_states(plain):
        kinds.setdefault((each.change.table, *(each.change.image or ())), []).append(each)
    blocks = [
        LoggedBlock(block, tuple(at for at, each in enumerate(some) if each.inserted))
        for some in kinds.values()
        for block in blocks_of([each.change for each in some])
    ]
    rest = tuple(each for each in portion.writes if each not in plain)
    overtaken = len(plain) - sum(len(each.block) for each in blocks)
    return replace(portion, writes=rest, overtaken=overtaken, blocks=tuple(blocks))
