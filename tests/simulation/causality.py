"""What every write of a history was made on top of, told by what happened to the rows and never by a context.

A write is a bit of a number, a set of writes such a number. Of each row image and tombstone it is kept which writes
replication has merged into it. A write's past is what the row had merged, and all earlier writes of its region. Where
nothing could tell how much a writer had seen, two sets are kept: what is surely known, and what perhaps is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributary.domain.change import Change, StreamRecord
from distributary.domain.image import STAMP_ATTRIBUTE, Image, key_text
from distributary.domain.row import Row
from distributary.domain.stamp import Writer
from distributary.domain.version import Version
from tests.simulation.burials import Burials
from tests.simulation.known import NOTHING, Known

if TYPE_CHECKING:
    from tests.simulation.streams import StreamRegion, StreamWorld

Place = tuple[str, str]
"""A region and a row."""


@dataclass(eq=False)
class Causality:
    """Follows tables and tombstones.

    past: of each write, itself included. subject: of a step, what it is about. marked: of a tombstone that is about to
    note a removal, what the row that is to be removed knows.
    """

    world: StreamWorld
    past: dict[int, Known] = field(default_factory=dict)
    subject: Callable[[Any], Known] = lambda _: NOTHING
    marked: Callable[[Any], Known] = lambda _: NOTHING
    written: Callable[[StreamRegion, str, Image | None, Image | None, Any], None] = lambda *_: None
    _bits: dict[tuple[str, int], int] = field(default_factory=dict)
    _of: dict[int, tuple[Any, Known]] = field(default_factory=dict)
    _made: dict[int, tuple[Any, Image]] = field(default_factory=dict)
    _stamps: dict[str, Known] = field(default_factory=dict)
    _own: dict[Place, int] = field(default_factory=dict)
    _gone: dict[Place, Known] = field(default_factory=dict)
    _deletions: int = 0
    _step: Any = None

    def __post_init__(self) -> None:
        self.plain = self.world.dataset.policies_of().plain
        self.burials = Burials(self, self.subject, self.marked)
        for region in self.world.regions:
            self._follow_table(region)
            self.burials.follow(region)

    def of(self, place: Any) -> Known:
        """What is merged into a row image or a tombstone."""
        found = self._of.get(id(place))
        return found[1] if found is not None else NOTHING

    def learn(self, place: Any, known: Known) -> None:
        """Say what is merged into a row image or a tombstone."""
        self._of[id(place)] = (place, known)

    def made(self, step: Any) -> tuple[Image | None, Known]:
        """The row as a step of replication has left it, and what is merged into that."""
        _, image = self._made.get(id(step), (None, None))
        return image, self.of(image)

    def of_record(self, region: str, record: StreamRecord) -> Known:
        """What a record's write knows, itself included.

        A mixture that nobody wrote counts from its first mention, as a write of its region: what was written there
        later was made on top of it.
        """
        bit = self._bit(region, record.sequence)
        if bit not in self.past:
            rows = [self.of(row.image) for row in (record.old, record.new) if row is not None]
            own, later = self.own(region, record.row), self._later(region, record)
            seen = own & ~sum(later)
            known = Known(bit | seen, bit | seen, bit)
            for each in rows:
                known = known.joined(each)
            self.past[bit] = known
            self._own[(region, record.row)] = own | bit
            for write in later:
                self.past[write] = self.past[write].joined(Known(bit, bit))
        return self.past[bit]

    def _later(self, region: str, record: StreamRecord) -> list[int]:
        """The writes of a row that follow a record in its region."""
        stream = self.world.by_name[region].table.stream
        follow = [
            bit
            for (home, at), bit in self._bits.items()
            if home == region and at > record.sequence and stream[at - 1].row == record.row
        ]
        return [bit for bit in follow if bit in self.past]

    def of_version(self, version: Version | None) -> Known:
        """What a write knows that a record's version names."""
        bit = self._bits.get((version.region, version.sequence), 0) if version is not None else 0
        return self.past.get(bit, NOTHING)

    def own(self, region: str, row: str) -> int:
        """The writes of a row that were made in a region."""
        return self._own.get((region, row), 0)

    def deleted_since(self, region: str, row: str, known: Known) -> bool:
        """Whether an application has deleted a row in a region after a write that knows so much."""
        return bool(self.own(region, row) & self._deletions & ~(known.sure | known.perhaps))

    def is_deletion(self, head: int) -> bool:
        """Whether that write is an application's deletion."""
        return bool(head & self._deletions)

    def suspect(self, region: str, record: StreamRecord, known: Known) -> None:
        """A record's write may have known that."""
        past = self.of_record(region, record)
        self.past[past.head] = past.joined(known.doubted())

    def of_change(self, change: Change) -> Known:
        """What a change knows."""
        return self.of_record(change.home, self.world.by_name[change.home].table.stream[int(change.source) - 1])

    def closed(self, known: Known) -> Known:
        """With everything that may have been known to what may be known, which can turn out later."""
        perhaps, before = known.perhaps | known.sure, 0
        while perhaps != before:
            before = perhaps
            for bit, past in self.past.items():
                if perhaps & bit:
                    perhaps |= past.perhaps | past.sure
        return Known(known.sure, perhaps, known.head)

    def _bit(self, region: str, sequence: int) -> int:
        return self._bits.setdefault((region, sequence), 1 << len(self._bits))

    # --- what happens to a table ----------------------------------------------------------------------------------

    def _follow_table(self, region: StreamRegion) -> None:
        table = region.table
        write, write_if = table.write, table.write_if

        def writing(key: Image, image: Image | None, *, expired: bool = False) -> None:
            row, image = key_text(key), dict(image) if image is not None else None
            old, records = table.rows.get(row), len(table.stream)
            step, self._step = self._step, None
            if step is not None:
                self._replicated(region, row, old, image, step)
            write(key, image, expired=expired)
            if step is None and len(table.stream) > records:
                self._applied(region, table.stream[-1])
            elif step is None and image is not None:
                self.learn(image, self.of(old))

        def writing_if(key: Image, step: Any) -> bool:
            self._step = step
            try:
                return write_if(key, step)
            finally:
                self._step = None

        table.write, table.write_if = writing, writing_if  # type: ignore[method-assign,assignment]

    def _applied(self, region: StreamRegion, record: StreamRecord) -> None:
        """An application has written."""
        place, bit = (region.name, record.row), self._bit(region.name, record.sequence)
        before = self.of(record.old.image) if record.old is not None else self._absent(region, record)
        if record.old is not None and not before.head:
            before = before.doubted()
        if (
            record.old is not None and record.old.marked and not self.plain
        ):  # it is taken with the row, whatever it knows
            before = before.doubted()
        own = self._own.get(place, 0) | bit
        self._own[place] = own
        text = _stamp(record.new)
        copied = self._stamps.get(text, NOTHING) if text else NOTHING
        if not self.plain:  # what a copy of a row that was changed then had merged is not merged into it
            copied = copied.doubted()
        # Under policies a row that came back over a deletion of its region is not on top of that.
        surely = own if self.plain else own & ~self._deletions | bit
        seen = Known(before.sure | surely | copied.sure, before.perhaps | own | copied.perhaps, bit)
        self.past[bit] = seen
        if record.new is None:
            self._deletions |= bit
            self._gone[place] = Known(before.sure, before.perhaps, bit)
            return
        here = self.of(record.old.image) if record.old is not None else before
        self.learn(record.new.image, self._stamped(record.new, record.old, text, here, seen))

    def _stamped(self, new: Row, old: Row | None, text: str, before: Known, seen: Known) -> Known:
        """What a row knows by its stamp as an application has left it; its record tells the rest."""
        if text == _stamp(old) or not text:
            return Known(before.sure, before.perhaps, before.head if text else 0)
        if text in self._stamps:
            copied = self._stamps[text]
            return Known(copied.sure & before.sure, before.perhaps | copied.perhaps, copied.head)
        drawn = new.stamp is not None and new.stamp.writer is Writer.APPLICATION
        if not drawn:
            return Known(before.sure, before.perhaps)
        blind = new.stamp is not None and len(new.stamp.context.entries) == 1
        # The version that its writer drew may not stand: its clock lags.
        self._stamps[text] = Known(0 if blind else before.sure, seen.perhaps, seen.head)
        return self._stamps[text]

    def _absent(self, region: StreamRegion, record: StreamRecord) -> Known:
        """What an insert is made on top of: what took the row before, and the tombstone if it was there first."""
        place = (region.name, record.row)
        tombstone = dict.get(region.replica.tombstones, record.row)
        self.burials.inserts.setdefault(place, []).append(record)
        gone = self._gone.get(place, NOTHING)
        if gone.head & self._own.get(place, 0):
            gone = gone.doubted()  # its deletion may not be captured yet
        if tombstone is None:
            return gone
        both = gone.joined(self.of(tombstone))
        return both if tombstone.arrived_at <= record.created_at + record.granularity else both.doubted()

    def _replicated(self, region: StreamRegion, row: str, old: Image | None, image: Image | None, step: Any) -> None:
        """Replication has written."""
        about = self.subject(step)
        self.written(region, row, old, image, step)
        before = self.of(old) if old is not None else NOTHING
        if image is None:
            self._gone[(region.name, row)] = before
            return
        # A row without a stamp tells nothing of what it has merged; what its writer had seen is about him.
        new = Row(image)
        if new.marked and self.plain:  # whoever removes a row does so for the deletion that the mark names
            about = self.of_version(new.version)
        known = (before if before.head else before.doubted()).joined(about)
        tombstone = dict.get(region.replica.tombstones, row)
        if tombstone is not None:
            known = known.joined(self.of(tombstone).doubted())
        known = known.joined(self.burials.ledgers.get((region.name, row), NOTHING).doubted())
        head = before.head if old is not None and Row(old).version == new.version else about.head
        if new.stamp is not None and new.version is None:
            known, head = before.doubted(), 0
        if not before.head and before.sure & ~about.sure and not new.as_stamped:
            head = 0  # the stamp of a record that was told again says less than what its writer saw
        if new.marked and not self.plain:  # who writes over a mark has not seen the deletion, which takes it
            known, head = before.joined(about.doubted()), before.head
        known = Known(known.sure, known.perhaps, head)
        self.learn(image, known)
        self._made[id(step)] = (step, image)
        text = _stamp(new)
        if text:
            self._stamps[text] = known


def _stamp(row: Row | None) -> str:
    value = row.image.get(STAMP_ATTRIBUTE) if row is not None else None
    return value.get("S", "") if value else ""
