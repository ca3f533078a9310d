"""A replica over a table whose triggers stamp every write, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distributary.adapters.memory.replica import proceed
from distributary.adapters.memory.stamped_table import StampedTable
from distributary.domain.errors import UniqueClash
from distributary.domain.image import OWN_ATTRIBUTES, Image, key_text
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.steps import Remember, Write
from distributary.ports import Outcome


@dataclass
class StampedReplica:
    """`ports.Replica` over such a table; as with PostgreSQL's, only a whole look tells more than our own attributes.

    pause: called before and after each access to one item; it may raise, as a network does.
    """

    table: StampedTable
    pause: Callable[[str], None] = proceed

    def look(self, keys: Sequence[Image], *, whole: bool = False) -> Mapping[str, State]:
        """See `ports.Replica`: row and tombstone as of one instant."""
        found: dict[str, State] = {}
        for key in keys:
            self.pause("look")
            image, tombstone = self.table.get(key), self.table.tombstones.get(key_text(key))
            told = image if whole else {name: value for name, value in (image or {}).items() if name in OWN_ATTRIBUTES}
            row = Row(told or {}) if image else None
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
            clashes = write.image is not None and self.table.rivals(key, write.image)
            outcomes.append(UniqueClash("a value is there already") if clashes else self.table.write_if(key, write))
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
