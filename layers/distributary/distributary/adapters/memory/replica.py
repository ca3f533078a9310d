"""A table with a change stream, and a replica over it, in memory, with DynamoDB's semantics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from distributary.domain.change import StreamRecord
from distributary.domain.image import STAMP_ATTRIBUTE, Image, content_of, key_text, same_content
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.steps import Remember, Write
from distributary.domain.version import MICROSECONDS
from distributary.ports import Outcome


def proceed(access: str) -> None:
    """The pause that neither waits nor fails."""
    del access


@dataclass
class MemoryTable:
    """Rows and their change stream. clock: microseconds. granularity: of the records' creation times.

    wide: too much changes for one condition, so that a replacement's covers the stamp alone; replaces_whole: a
    replacement drops attributes that the condition could not see, as a put does, instead of leaving them as an
    update does.

    As in DynamoDB: sequence numbers grow, creation times are floored, and a write that changes nothing emits no record.
    """

    clock: Callable[[], int]
    granularity: int = MICROSECONDS
    wide: bool = False
    replaces_whole: bool = False
    rows: dict[str, Image] = field(default_factory=dict)
    stream: list[StreamRecord] = field(default_factory=list)

    def get(self, key: Image) -> Image | None:
        """The whole row."""
        return self.rows.get(key_text(key))

    def write(self, key: Image, image: Image | None, *, expired: bool = False) -> None:
        """Put the whole row, or delete it, unconditionally."""
        row = key_text(key)
        old = self.rows.pop(row, None)
        if image is not None:
            self.rows[row] = image
        if old == image or (old is not None and image is not None and same_content(old, image)):
            return
        created_at = self.clock() // self.granularity * self.granularity
        self.stream.append(
            StreamRecord(
                key=key,
                old=Row(old) if old is not None else None,
                new=Row(image) if image is not None else None,
                sequence=len(self.stream) + 1,
                created_at=created_at,
                granularity=self.granularity,
                expired=expired,
            )
        )

    def write_if(self, key: Image, write: Write) -> bool:
        """Write conditionally, as a PartiQL statement or an expression would."""
        current = self.get(key)
        if write.expected is None:
            if current is not None or write.image is None:
                return False
            self.write(key, write.image)
            return True
        if current is None or not self._holds(
            current, write.expected.image, wide=self.wide and write.image is not None
        ):
            return False
        old, new = write.expected.image, write.image
        if new is None or write.whole or (self.replaces_whole and not same_content(content_of(old), content_of(new))):
            self.write(key, new)
        else:
            left = {name: value for name, value in current.items() if name in new or name not in old}
            self.write(key, {**left, **{name: value for name, value in new.items() if old.get(name) != value}})
        return True

    @staticmethod
    def _holds(current: Image, expected: Image, *, wide: bool) -> bool:
        if current.get(STAMP_ATTRIBUTE) != expected.get(STAMP_ATTRIBUTE):
            return False
        return wide or all(
            name in current and same_content({name: current[name]}, {name: value}) for name, value in expected.items()
        )


@dataclass
class MemoryReplica:
    """`ports.Replica` over a table and a dictionary of tombstones.

    pause: called before and after each access to one item; it may raise, as a network does.
    """

    table: MemoryTable
    tombstones: dict[str, Tombstone] = field(default_factory=dict)
    pause: Callable[[str], None] = proceed

    def look(self, keys: Sequence[Image], *, whole: bool = False) -> Mapping[str, State]:
        """See `ports.Replica`: row and tombstone are read one after the other, and others may write between."""
        del whole  # always
        found: dict[str, State] = {}
        for key in keys:
            row = key_text(key)
            self.pause("look")
            tombstone = self.tombstones.get(row)
            self.pause("look")
            image = self.table.get(key)
            found[row] = State(Row(image) if image is not None else None, tombstone)
        return found

    def look_back(self, keys: Sequence[Image]) -> Mapping[str, Tombstone | None]:
        """See `ports.Replica`."""
        found: dict[str, Tombstone | None] = {}
        for key in keys:
            self.pause("look_back")
            found[key_text(key)] = self.tombstones.get(key_text(key))
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
            row = key_text(key)
            holds = self.tombstones.get(row) == note.expected
            if holds:
                self.tombstones[row] = note.tombstone
            outcomes.append(holds)
            self.pause("remembered")
        return outcomes
