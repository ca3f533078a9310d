"""The log of a stamping database in memory: transactions in the order of their commits, for tests and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from distributary.adapters.memory.replica import proceed
from distributary.domain.alert import Alert
from distributary.domain.errors import SlotLost, Unavailable
from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.logged import Holding, Logged, Portion


@dataclass
class Committed:
    """A transaction: what it wrote, how many of its writes were replication's own, and what it did beside."""

    writes: Sequence[Logged] = ()
    echoes: int = 0
    alerts: tuple[Alert, ...] = ()


@dataclass
class MemoryLog:
    """`ports.ChangeLog` and `ports.Source` over a list of transactions, each of which is a position.

    rows: the table's rows as they are now, by `Change.row`. size: writes of a portion. pause: called at each access,
    it may raise. position: of the slot, checkpoint: ours; a slot that is ahead of it was consumed by somebody else.
    """

    committed: list[Committed] = field(default_factory=list)
    rows: Mapping[str, Image] = field(default_factory=dict)
    size: int = 2
    pause: Callable[[str], None] = proceed
    position: int = 0
    checkpoint: int = 0
    within: str = ""
    there: bool = True
    held_elsewhere: bool = False
    open_readings: int = 0

    def hold(self) -> Holding | None:
        """See `ports.ChangeLog`."""
        self.pause("hold")
        if self.held_elsewhere:
            return None
        if not self.there or self.position > self.checkpoint:
            raise SlotLost("the slot is gone, or was consumed by somebody else")
        return Holding((), len(self.committed) - self.position)

    def read(self, limit: int) -> Generator[Portion, None, None]:
        """See `ports.ChangeLog`; one reading at a time, as a connection has."""
        self.pause("read")
        if self.open_readings:
            raise Unavailable("the connection is busy with a reading that was not closed")
        self.open_readings += 1
        try:
            yield from self._portions(limit)
        finally:
            self.open_readings -= 1

    def advance(self, end: int | None, within: str = "") -> None:
        """See `ports.ChangeLog`: the checkpoint before the slot."""
        self.pause("note")
        if end is None and within:
            self.within = within
            return
        to = len(self.committed) if end is None else end
        if to > self.checkpoint or within:
            self.checkpoint, self.within = max(self.checkpoint, to), within
        self.pause("advance")
        self.position = max(self.position, to)

    def release(self) -> None:
        """See `ports.ChangeLog`."""

    def complete(self, writes: Sequence[Logged]) -> Sequence[Logged]:
        """See `ports.Source`."""
        self.pause("complete")
        found = []
        for each in writes:
            row = self.rows.get(each.change.row)
            if row is not None and row[STAMP_ATTRIBUTE]["S"] == each.stamp:
                image = {**(each.change.image or {}), **{name: row[name] for name in each.missing}}
                found.append(replace(each, change=replace(each.change, image=image), missing=()))
        return found

    def _portions(self, limit: int) -> Generator[Portion, None, None]:
        count = 0
        for at in range(self.position, len(self.committed)):
            transaction = self.committed[at]
            of, _, done = self.within.partition(" ")
            start = int(done) if of == str(at) else 0
            while True:
                writes = tuple(transaction.writes[start : start + self.size])
                start += len(writes)
                self.pause("portion")
                if start < len(transaction.writes):
                    yield Portion(writes, within=f"{at} {start}")
                else:
                    yield Portion(writes, transaction.echoes, transaction.alerts, end=at + 1)
                    break
            count += len(transaction.writes)
            if count >= limit:
                return
