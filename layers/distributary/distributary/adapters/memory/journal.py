"""The journal in memory, to be written and to be read, for tests and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from distributary.adapters.memory.replica import proceed
from distributary.domain.conflict import Conflict
from distributary.domain.errors import DistributaryError
from distributary.domain.image import Image
from distributary.domain.journal import REDACTS_NOTHING, Entry, Redaction, Trace, entry_of, row_of


@dataclass
class MemoryJournal:
    """`ports.Journal` and `ports.Recorded` of one dataset. pause: called before and after each call; it may raise."""

    dataset: str = ""
    redaction: Redaction = REDACTS_NOTHING
    days: int = 90
    pause: Callable[[str], None] = proceed
    entries: dict[str, Entry] = field(default_factory=dict)

    def record(self, conflicts: Sequence[Conflict]) -> int:
        """See `ports.Journal`."""
        try:
            self.pause("record")
            kept = [entry_of(each, self.redaction, self.days) for each in conflicts]
            self.entries |= {each.id: each for each in kept}
            self.pause("recorded")
        except DistributaryError:
            return len(conflicts)
        return 0

    def find(self, name: str) -> Entry | None:
        """See `ports.Recorded`."""
        return self.entries.get(name)

    def within(self, since: int, until: int) -> Iterator[Entry]:
        """See `ports.Recorded`."""
        found = [each for each in self.entries.values() if since <= each.at < until and each.dataset == self.dataset]
        return map(_listed, sorted(found, key=lambda each: each.at, reverse=True))

    def of_row(self, table: str, key: Image, since: int, until: int) -> Iterator[Entry]:
        """See `ports.Recorded`."""
        row = row_of(self.dataset, table, self.redaction.of(key))
        return (each for each in self.within(since, until) if each.row == row)


def _listed(entry: Entry) -> Entry:
    return replace(entry, arriving=_bare(entry.arriving), present=_bare(entry.present))


def _bare(trace: Trace) -> Trace:
    return replace(trace, image=None, digest="", lost=frozenset())
