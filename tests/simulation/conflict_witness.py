"""Sees every decision of a history: which states it lets meet, and which conflicts it puts on record."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict
from distributary.domain.errors import DistributaryError
from distributary.domain.image import Image
from distributary.domain.origin import Origin
from distributary.domain.place import Place
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from tests.simulation.causality import NOTHING, Causality, Known

if TYPE_CHECKING:
    from tests.simulation.streams import StreamRegion, StreamWorld


@dataclass(frozen=True)
class Meeting:
    """Two states that met in a replica. told: whether that was on record by then. how: what became of them."""

    region: str
    row: str
    arriving: Known
    present: Known
    how: str
    told: bool = False


@dataclass
class _Seen:
    """What a decision has read last, and what was known there then."""

    image: Image | None = None
    row: Known = NOTHING
    tombstone: Tombstone | None = None
    deletion: Known = NOTHING
    inserted: bool = False


@dataclass(eq=False)
class ConflictWitness:
    """meetings: of states. alarms: the meetings that are on record as conflicts. names: what was recorded by name."""

    world: StreamWorld
    origins: dict[tuple[str, int], Origin]
    meetings: list[Meeting] = field(default_factory=list)
    alarms: list[Meeting] = field(default_factory=list)
    names: dict[tuple[str, str], list[Conflict]] = field(default_factory=dict)
    _told: dict[tuple[str, str], set[tuple[int, int]]] = field(default_factory=dict)
    _about: dict[int, tuple[Any, Known]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plain = self.world.dataset.policies_of().plain
        self.causality = Causality(self.world, subject=self._subject, written=self._written)
        self.world.observer = self

    def _subject(self, place: Any) -> Known:
        found = self._about.get(id(place))
        return found[1] if found is not None else NOTHING

    # --- decisions ------------------------------------------------------------------------------------------------

    def applying(self, region: StreamRegion, decide: Callable[..., Decision[Any]]) -> Callable[..., Decision[Any]]:
        """The decision of apply, watched."""

        def watched(change: Change, place: Place, **options: Any) -> Decision[Any]:
            seen = _Seen()
            decision = decide(change, place, **options)
            result = yield from self._watch(
                region, change.row, decision, lambda: self.causality.of_change(change), seen
            )
            self._kept(region, change, seen)
            return result

        return watched

    def settling(self, region: StreamRegion, decide: Callable[..., Decision[Any]]) -> Callable[..., Decision[Any]]:
        """The decision of capture, watched."""

        def watched(records: Sequence[StreamRecord], place: Place, **options: Any) -> Decision[Any]:
            def about() -> Known:
                local = [each for each in records if self._is_local(region, each)]
                if local:
                    return self.causality.of_record(region.name, local[-1])
                new = records[-1].new
                return self.causality.of(new.image) if new is not None else NOTHING

            seen = _Seen()
            row = records[0].row
            results = yield from self._watch(region, row, decide(records, place, **options), about, seen)
            changes = [each.change for each in results if each.change is not None]
            if changes:
                self._settled(region, changes[-1], about(), seen)
            return results

        return watched

    def _is_local(self, region: StreamRegion, record: StreamRecord) -> bool:
        told = self.origins.get((region.name, record.sequence))
        return told is not None and told.local

    def _watch(
        self, region: StreamRegion, row: str, decision: Decision[Any], about: Callable[[], Known], seen: _Seen
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
            self._answered(region, row, step, answer, seen)

    def _asked(self, region: StreamRegion, row: str, step: Any, about: Known, seen: _Seen) -> None:
        """A decision wants something done."""
        if isinstance(step, Write):
            self._about[id(step)] = (step, about)
        elif isinstance(step, Remember):
            self._about[id(step.tombstone)] = (step.tombstone, about)
        elif isinstance(step, Record):
            self._record(region, row, step.conflict, about, seen)

    def _answered(self, region: StreamRegion, row: str, step: Any, answer: Any, seen: _Seen) -> None:
        """A decision has learnt something."""
        if isinstance(step, Look):
            self._look(answer, seen)
        elif isinstance(step, LookBack):
            seen.tombstone, seen.deletion = answer, self.causality.of(answer)
        elif isinstance(step, Write) and answer:
            seen.inserted = step.expected is None
            seen.image = region.table.rows.get(row)
            seen.row = self.causality.of(seen.image)

    def _look(self, state: State, seen: _Seen) -> None:
        seen.image = state.row.image if state.row is not None else None
        seen.row = self.causality.of(seen.image) if seen.image is not None else NOTHING
        seen.tombstone = state.tombstone
        seen.deletion = self.causality.of(state.tombstone)

    def _record(self, region: StreamRegion, row: str, conflict: Conflict, about: Known, seen: _Seen) -> None:
        deletion = seen.tombstone.deletion if seen.tombstone is not None else None
        arriving, present = about, seen.deletion if conflict.present.version == deletion else seen.row
        if conflict.late and not self.plain:
            arriving, present = seen.row, seen.deletion
        elif conflict.arriving.version == deletion and seen.deletion.head != about.head:
            arriving, present = seen.deletion, about  # found by looking back, and told as when it will come again
        self.alarms.append(Meeting(region.name, row, arriving, present, "recorded"))
        self._told.setdefault((region.name, row), set()).update([(arriving.head, present.head), (arriving.head, 0)])
        self.names.setdefault((region.name, conflict.id), []).append(conflict)

    # --- meetings -------------------------------------------------------------------------------------------------

    def _met(self, region: StreamRegion, row: str, arriving: Known, present: Known, how: str) -> None:
        told = self._told.get((region.name, row), set())
        known = (arriving.head, 0) in told or (present.head, arriving.head) in told
        self.meetings.append(Meeting(region.name, row, arriving, present, how, known))

    def _judged(self, region: StreamRegion, image: Image) -> bool:
        """Whether a row says whose state it shows. One that is not settled is judged when its write is captured."""
        return Row(image, region.clock() + self.world.dataset.max_clock_drift).settled

    def _written(self, region: StreamRegion, row: str, old: Image | None, image: Image | None, about: Known) -> None:
        """Replication is about to write a row: what it shows by then has met what is to come."""
        tombstone = dict.get(region.replica.tombstones, row)
        deletion = self.causality.of(tombstone) if tombstone is not None and tombstone.deletion else NOTHING
        if image is None:
            return
        if old is None:
            pass  # a deletion may have come between, which is told when the writer looks back
        elif self._judged(region, old):
            marked = Row(image).marked
            self._met(
                region, row, deletion if marked else about, self.causality.of(old), "removed" if marked else "written"
            )

    def _kept(self, region: StreamRegion, change: Change, seen: _Seen) -> None:
        """A change was merged; where that took no write, what was there has met it."""
        about, tombstone = self.causality.of_change(change), seen.tombstone
        if seen.inserted and tombstone is not None and tombstone.deletion is not None:
            self._met(region, change.row, about, _alone(seen.deletion), "inserted")
        deleted = change.image is not None and tombstone is not None and tombstone.deletion is not None
        if deleted and tombstone is not None and self._covers(tombstone, change, seen.deletion, about):
            self._met(region, change.row, about, _alone(seen.deletion), "stays deleted")
        elif seen.image is not None and self._judged(region, seen.image) and (self.plain or change.image is not None):
            self._met(region, change.row, about, seen.row, "kept")

    def _covers(self, tombstone: Tombstone, change: Change, deletion: Known, about: Known) -> bool:
        return tombstone.covers(change.version) if self.plain else not deletion.head & about.perhaps

    def _settled(self, region: StreamRegion, change: Change, about: Known, seen: _Seen) -> None:
        """A local write was settled: what is there has met it."""
        tombstone = seen.tombstone
        deleted = change.image is not None and tombstone is not None and tombstone.deletion is not None
        stands = seen.image is None or self._judged(region, seen.image)
        if stands and deleted and tombstone is not None and self._covers(tombstone, change, seen.deletion, about):
            self._met(region, change.row, about, _alone(seen.deletion), "deleted at home")
        if seen.image is not None and self._judged(region, seen.image):
            self._met(region, change.row, about, seen.row, "settled")
            if change.image is not None and region.table.rows.get(change.row) is seen.image:
                self.causality.learn(seen.image, seen.row.joined(about))


def _alone(deletion: Known) -> Known:
    """A deletion without what else its tombstone knows: only that one meets a row."""
    return Known(deletion.head, deletion.perhaps, deletion.head)
