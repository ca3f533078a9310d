"""Sees every decision of a history: which states it lets meet, and which conflicts it puts on record."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict
from distributary.domain.errors import DistributaryError
from distributary.domain.image import Image
from distributary.domain.origin import Origin
from distributary.domain.place import Place
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Writer
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from distributary.domain.version import Version
from tests.simulation.causality import Causality
from tests.simulation.known import NOTHING, Known, bits
from tests.simulation.meetings import Meeting, OnRecord, Seen, alone

if TYPE_CHECKING:
    from tests.simulation.streams import StreamRegion, StreamWorld


@dataclass(eq=False)
class ConflictWitness:
    """meetings: of states. alarms: the meetings that are on record as conflicts. names: what was recorded by name.

    untold: writes that no context tells of.
    """

    world: StreamWorld
    origins: dict[tuple[str, int], Origin]
    meetings: list[Meeting] = field(default_factory=list)
    alarms: list[Meeting] = field(default_factory=list)
    names: dict[tuple[str, str], list[Conflict]] = field(default_factory=dict)
    untold: int = 0
    _about: dict[int, tuple[Any, Known]] = field(default_factory=dict)
    _shipped: dict[tuple[str, str], dict[int, Version]] = field(default_factory=dict)
    _against: dict[int, Known] = field(default_factory=dict)
    _marks: dict[int, Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plain = self.world.dataset.policies_of().plain
        self.causality = Causality(self.world, subject=self._subject, marked=self._marked, written=self._written)
        self.record = OnRecord(self.plain, self.causality.is_deletion)
        self.world.observer = self

    def _subject(self, place: Any) -> Known:
        found = self._about.get(id(place))
        return found[1] if found is not None else NOTHING

    def _marked(self, tombstone: Tombstone) -> Known:
        return self._marks.get(id(tombstone), NOTHING)

    # --- decisions ------------------------------------------------------------------------------------------------

    def applying(self, region: StreamRegion, decide: Callable[..., Decision[Any]]) -> Callable[..., Decision[Any]]:
        """The decision of apply, watched."""

        def watched(change: Change, place: Place, **options: Any) -> Decision[Any]:
            seen = Seen(change=change)
            decision = decide(change, place, **options)
            result = yield from self._watch(
                region, change.row, decision, lambda: self.causality.of_change(change), seen
            )
            self._kept(region, change, seen)
            return result

        return watched

    def _ship(self, change: Change) -> None:
        """A version that is not above all that its region has shipped of the row before is one that no context tells.

        A stamping writer's whose clock lags may be so, if a put behind it has dropped what was remembered.
        """
        shipped = self._shipped.setdefault((change.home, change.row), {})
        shipped[int(change.source)] = change.version
        if any(version > change.version for source, version in shipped.items() if source < int(change.source)):
            self.untold |= self.causality.of_change(change).head

    def settling(self, region: StreamRegion, decide: Callable[..., Decision[Any]]) -> Callable[..., Decision[Any]]:
        """The decision of capture, watched."""

        def watched(records: Sequence[StreamRecord], place: Place, **options: Any) -> Decision[Any]:
            def about() -> Known:
                local = [each for each in records if self._is_local(region, each)]
                if local:
                    return self.causality.of_record(region.name, local[-1])
                new = records[-1].new
                return self.causality.of(new.image) if new is not None else NOTHING

            seen = Seen()
            row = records[0].row
            decision = decide(records, place, **options)
            results = yield from self._watch(region, row, decision, about, seen, partial(self._guess, region, records))
            changes = [each.change for each in results if each.change is not None]
            for change in changes:
                self._ship(change)
            if changes:
                self._settled(region, changes[-1], about(), seen)
            return results

        return watched

    def _guess(self, region: StreamRegion, records: Sequence[StreamRecord], seen: Seen) -> None:
        """What a write over a row without a stamp had seen is read from the row's stamp as it is now, if ours."""
        version = Row(seen.image).version if seen.image is not None else None
        if version is not None and version.region == region.name:
            for record in records:
                if record.old is not None and record.old.version is None and self._is_local(region, record):
                    self.causality.suspect(region.name, record, seen.row)

    def _is_local(self, region: StreamRegion, record: StreamRecord) -> bool:
        told = self.origins.get((region.name, record.sequence))
        return told is not None and told.local

    def _watch(
        self,
        region: StreamRegion,
        row: str,
        decision: Decision[Any],
        about: Callable[[], Known],
        seen: Seen,
        looked: Callable[[Seen], None] = lambda _: None,
    ) -> Generator[Any, Any, Any]:
        answer: Any = None
        error: DistributaryError | None = None
        while True:
            try:
                step = decision.throw(error) if error is not None else decision.send(answer)
            except StopIteration as end:
                return end.value
            error = None
            self._asked(region, row, step, about(), seen)
            try:
                answer = yield step
            except DistributaryError as met:
                error = met
                continue
            self._answered(step, answer, seen)
            looked(seen)

    def _asked(self, region: StreamRegion, row: str, step: Any, about: Known, seen: Seen) -> None:
        """A decision wants something done."""
        if isinstance(step, Write):
            self._about[id(step)] = (step, about)
            deletion = seen.tombstone.deletion if seen.tombstone is not None else None
            own = seen.change is not None and seen.change.version == deletion
            self._against[id(step)] = about if own else seen.deletion if deletion is not None else NOTHING
        elif isinstance(step, Remember):
            self._about[id(step.tombstone)] = (step.tombstone, about)
            self._marks[id(step.tombstone)] = seen.row
        elif isinstance(step, Record):
            self._record(region, row, step.conflict, about, seen)

    def _answered(self, step: Any, answer: Any, seen: Seen) -> None:
        """A decision has learnt something."""
        if isinstance(step, Look):
            self._look(answer, seen)
        elif isinstance(step, LookBack):
            seen.read(answer, self.causality.of(answer))
        elif isinstance(step, Write) and answer:
            seen.inserted = step.expected is None
            seen.image, seen.row = self.causality.made(step)
            seen.shown = seen.image is not None and Row(seen.image).settled

    def _look(self, state: State, seen: Seen) -> None:
        seen.image = state.row.image if state.row is not None else None
        seen.row = self.causality.of(seen.image) if seen.image is not None else NOTHING
        seen.read(state.tombstone, self.causality.of(state.tombstone))

    def _record(self, region: StreamRegion, row: str, conflict: Conflict, about: Known, seen: Seen) -> None:
        deletion = seen.tombstone.deletion if seen.tombstone is not None else None
        met = seen.deletions.get(conflict.present.version, seen.deletion)
        arriving, present = about, seen.row if conflict.present.image is not None else met
        if conflict.late and not self.plain:
            taken = Row(seen.image).version if seen.image is not None else None
            arriving, present = met, seen.row if taken == conflict.arriving.version else about
        elif conflict.arriving.version == deletion and seen.deletion.head != about.head:
            arriving, present = seen.deletion, about  # found by looking back, and told as when it will come again
        self.record.tell(region.name, row, arriving, present, joined=conflict.late and not self.plain)
        self.alarms.append(Meeting(region.name, row, arriving, present, "recorded"))
        self.names.setdefault((region.name, conflict.id), []).append(conflict)

    # --- meetings -------------------------------------------------------------------------------------------------

    def _met(self, region: StreamRegion, row: str, arriving: Known, present: Known, how: str) -> None:
        meeting = Meeting(region.name, row, arriving, present, how)
        self.meetings.append(replace(meeting, told=self.record.tells(meeting)))

    def _judged(self, region: StreamRegion, row: str, image: Image) -> bool:
        """Whether a row says whose state it shows. One that is not settled is judged when its write is captured.

        So is one whose writer has drawn a version below what its region has shipped: his clock lags.
        """
        here = Row(image, region.clock() + self.world.dataset.max_clock_drift)
        drawn = here.version if here.stamp is not None and here.stamp.writer is Writer.APPLICATION else None
        shipped = self._shipped.get((region.name, row), {}).values()
        return here.settled and not (drawn is not None and any(version > drawn for version in shipped))

    def _written(self, region: StreamRegion, row: str, old: Image | None, image: Image | None, step: Any) -> None:
        """Replication is about to write a row: what it shows by then has met what is to come."""
        # A deletion may have come between where there was no row, which is told when the writer looks back.
        if image is not None and old is not None and self._judged(region, row, old):
            marked = Row(image).marked
            arriving = self._against.get(id(step), NOTHING) if marked else self._subject(step)
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
        """Whether the tombstone knows of a deletion that had surely seen the row, whichever the mark names."""
        noted = self.causality.of(dict.get(region.replica.tombstones, row)).sure
        deletions = [bit for bit in bits(noted) if self.causality.is_deletion(bit)]
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
        if seen.image is not None and self._judged(region, change.row, seen.image) and (self.plain or not covered):
            self._met(region, change.row, about, seen.row, "settled")
            # Where its application has put back an older stamp, capture of that tells the rest.
            covered = Row(seen.image).context.covers(change.version)
            if covered and change.image is not None and region.table.rows.get(change.row) is seen.image:
                self.causality.learn(seen.image, seen.row.joined(about))


def _ours(image: Image | None) -> bool:
    """Whether a row is as replication has left it."""
    row = Row(image) if image is not None else None
    return row is not None and row.stamp is not None and row.as_stamped and row.stamp.writer is not Writer.APPLICATION
