"""Tells which states a history lets meet in its replicas, where rows say whose state they show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from distributary.domain.change import Change
from distributary.domain.image import Image
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Writer
from distributary.domain.version import Version
from tests.simulation.causality import Causality
from tests.simulation.known import NOTHING, Known, bits
from tests.simulation.meetings import Meeting, OnRecord, Seen, alone

if TYPE_CHECKING:
    from tests.simulation.streams import StreamRegion, StreamWorld


@dataclass(eq=False)
class MeetingStates:
    """meetings: of states. about: what a step is about. against: of a mark, the deletion that it was made for.

    marks: of a tombstone that is about to note a removal, what the row knows.
    shipped: of each region and row the versions that it has shipped, by what they were captured from.
    """

    world: StreamWorld
    meetings: list[Meeting] = field(default_factory=list)
    about: dict[int, tuple[Any, Known]] = field(default_factory=dict)
    against: dict[int, Known] = field(default_factory=dict)
    marks: dict[int, Known] = field(default_factory=dict)
    shipped: dict[tuple[str, str], dict[int, Version]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plain = self.world.dataset.policies_of().plain
        self.causality = Causality(self.world, subject=self._subject, marked=self._marked, written=self._written)
        self.record = OnRecord(self.plain, self.causality.is_deletion)

    def _subject(self, place: Any) -> Known:
        found = self.about.get(id(place))
        return found[1] if found is not None else NOTHING

    def _marked(self, tombstone: Tombstone) -> Known:
        return self.marks.get(id(tombstone), NOTHING)

    def _met(self, region: StreamRegion, row: str, arriving: Known, present: Known, how: str) -> None:
        meeting = Meeting(region.name, row, arriving, present, how)
        self.meetings.append(replace(meeting, told=self.record.tells(meeting)))

    def _judged(self, region: StreamRegion, row: str, image: Image) -> bool:
        """Whether a row says whose state it shows. One that is not settled is judged when its write is captured.

        So is one whose writer has drawn a version below what its region has shipped: his clock lags.
        """
        here = Row(image, region.clock() + self.world.dataset.max_clock_drift)
        drawn = here.version if here.stamp is not None and here.stamp.writer is Writer.APPLICATION else None
        shipped = self.shipped.get((region.name, row), {}).values()
        return here.settled and not (drawn is not None and any(version > drawn for version in shipped))

    def _written(self, region: StreamRegion, row: str, old: Image | None, image: Image | None, step: Any) -> None:
        """Replication is about to write a row: what it shows by then has met what is to come."""
        # A deletion may have come between where there was no row, which is told when the writer looks back.
        if image is not None and old is not None and self._judged(region, row, old):
            marked = Row(image).marked
            arriving = self.against.get(id(step), NOTHING) if marked else self._subject(step)
            if marked and self.plain:  # the mark names the deletion
                arriving = self._deleting(region, row, Row(image).version)
                if self._taken_by_another(region, row, self.causality.of(old)):
                    return
            self._met(region, row, arriving, self.causality.of(old), "removed" if marked else "written")

    def _deleting(self, region: StreamRegion, row: str, version: Version | None) -> Known:
        """What a deletion may have seen: also what is remembered in its tombstone of this region's writes."""
        past, noted = self.causality.of_version(version), self.causality.of(dict.get(region.replica.tombstones, row))
        return replace(past, perhaps=past.perhaps | noted.perhaps & self.causality.own(region.name, row))

    def _taken_by_another(self, region: StreamRegion, row: str, present: Known) -> bool:
        """Whether the tombstone may know of a deletion that had surely seen the row, whichever the mark names."""
        noted = self.causality.of(dict.get(region.replica.tombstones, row))
        deletions = [bit for bit in bits(noted.sure | noted.perhaps) if self.causality.is_deletion(bit)]
        return any(present.head & self.causality.past[bit].sure for bit in deletions)

    def _kept(self, region: StreamRegion, change: Change, seen: Seen) -> None:
        """A change was merged; where that took no write, what was there has met it."""
        about, tombstone = self.causality.of_change(change), seen.tombstone
        if seen.shown and not self.plain and not _ours(seen.image):
            return  # an application has deleted or replaced what it saw before the look back
        if seen.inserted and tombstone is not None and tombstone.deletion is not None:
            self._met(region, change.row, about, alone(seen.deletion), "inserted")
        deleted = change.image is not None and tombstone is not None and tombstone.deletion is not None
        if deleted and tombstone is not None and self._covers(tombstone, change, seen.deletion, about):
            self._met(region, change.row, about, alone(seen.deletion), "stays deleted")
        elif seen.shown:
            pass  # it met what was there when it was written; what is there now came later
        elif (
            seen.image is not None
            and self._judged(region, change.row, seen.image)
            and (self.plain or change.image is not None)
        ):
            self._met(region, change.row, about, seen.row, "kept")

    def _covers(self, tombstone: Tombstone, change: Change, deletion: Known, about: Known) -> bool:
        return tombstone.covers(change.version) if self.plain else not deletion.head & about.sure

    def _settled(self, region: StreamRegion, change: Change, about: Known, seen: Seen) -> None:
        """A local write was settled: what is there has met it."""
        tombstone = seen.tombstone
        deleted = change.image is not None and tombstone is not None and tombstone.deletion is not None
        gone = seen.image is None and not self.plain and self.causality.deleted_since(region.name, change.row, about)
        stands = not gone if seen.image is None else self._judged(region, change.row, seen.image)
        covered = deleted and tombstone is not None and self._covers(tombstone, change, seen.deletion, about)
        if stands and covered:
            self._met(region, change.row, about, alone(seen.deletion), "deleted at home")
        # What the deletion had surely seen goes with it, and is met by it alone.
        met = not covered or (self.plain and not seen.row.head & seen.deletion.sure)
        if seen.image is not None and self._judged(region, change.row, seen.image) and met:
            self._met(region, change.row, about, seen.row, "settled")
            # Where its application has put back an older stamp, capture of that tells the rest.
            covered = Row(seen.image).context.covers(change.version)
            if covered and change.image is not None and region.table.rows.get(change.row) is seen.image:
                self.causality.learn(seen.image, seen.row.joined(about))


def _ours(image: Image | None) -> bool:
    """Whether a row is as replication has left it."""
    row = Row(image) if image is not None else None
    return row is not None and row.stamp is not None and row.as_stamped and row.stamp.writer is not Writer.APPLICATION
