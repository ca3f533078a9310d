"""Sees every decision of a history: which states it lets meet, and which conflicts it puts on record."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict
from distributary.domain.errors import DistributaryError
from distributary.domain.origin import Origin
from distributary.domain.place import Place
from distributary.domain.row import Row, State
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from tests.simulation.known import NOTHING, Known, bits
from tests.simulation.meeting_states import MeetingStates
from tests.simulation.meetings import Meeting, Seen

if TYPE_CHECKING:
    from tests.simulation.streams import StreamRegion


@dataclass(eq=False)
class ConflictWitness(MeetingStates):
    """origins: what each record was taken for. alarms: the meetings that are on record as conflicts.

    names: what was recorded by name. untold: writes that no context tells of. told_anew: writes that were shipped
    under another version once more, on top of a deletion that had seen them.
    """

    origins: dict[tuple[str, int], Origin] = field(default_factory=dict)
    alarms: list[Meeting] = field(default_factory=list)
    names: dict[tuple[str, str], list[Conflict]] = field(default_factory=dict)
    untold: int = 0
    told_anew: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world.observer = self

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
        about = self.causality.of_change(change)
        shipped = self.shipped.setdefault((change.home, change.row), {})
        before = shipped.get(int(change.source), change.version)
        shipped[int(change.source)] = change.version
        if any(version > change.version for source, version in shipped.items() if source < int(change.source)):
            self.untold |= about.head
        drawn = before.instant.by_stamping_writer and not change.version.instant.by_stamping_writer
        if drawn and change.version > before and self._seen_by_what_is_beneath(about):
            self.told_anew |= about.head

    def _seen_by_what_is_beneath(self, about: Known) -> bool:
        """Whether a deletion that a write was perhaps made on top of had surely seen that write.

        Only a stamping writer's insert that is captured again can look so, if its deletion by a peer was noted in the
        second of its creation, or the clock has stepped back. The version that was drawn names no record, so nothing
        tells the insert from a copy of it, stamp included, that its application has put back over the deletion.
        """
        beneath = [bit for bit in bits(about.perhaps) if self.causality.is_deletion(bit)]
        return any(about.head & self.causality.past[bit].sure for bit in beneath if bit != about.head)

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
                if change.image is None and not self.plain:
                    self.causality.burials.told_again(change.version, seen.deletion)
            if changes:
                self._settled(region, changes[-1], about(), seen)
            return results

        return watched

    def _guess(self, region: StreamRegion, records: Sequence[StreamRecord], seen: Seen) -> None:
        """What a write over a row without a stamp had seen is read from the row's stamp as it is now.

        That may tell of what came later if it is ours, or a copy from elsewhere that an application has put there.
        """
        here = Row(seen.image) if seen.image is not None else None
        if here is not None and here.version is not None and (here.version.region == region.name or not here.settled):
            latest = region.clock() + self.world.dataset.max_clock_drift
            for record in records:
                old = record.old.trusting(latest) if record.old is not None else None
                if old is not None and old.version is None and self._is_local(region, record):
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
            self.about[id(step)] = (step, about)
            deletion = seen.tombstone.deletion if seen.tombstone is not None else None
            own = seen.change is not None and seen.change.version == deletion
            self.against[id(step)] = about if own else seen.deletion if deletion is not None else NOTHING
        elif isinstance(step, Remember):
            self.about[id(step.tombstone)] = (step.tombstone, about)
            self.marks[id(step.tombstone)] = seen.row
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
        met = seen.deletions.get(conflict.present.version)
        if met is None:  # the mark of the row names it
            named = self.causality.of_version(conflict.present.version)
            met = named if self.causality.is_deletion(named.head) else seen.deletion
        arriving, present = about, seen.row if conflict.present.image is not None else met
        if conflict.late and not self.plain:
            taken = Row(seen.image).version if seen.image is not None else None
            arriving, present = met, seen.row if taken == conflict.arriving.version else about
        elif conflict.arriving.version == deletion and seen.deletion.head != about.head:
            arriving, present = seen.deletion, about  # found by looking back, and told as when it will come again
        self.record.tell(region.name, row, arriving, present, joined=conflict.late and not self.plain)
        self.alarms.append(Meeting(region.name, row, arriving, present, "recorded"))
        self.names.setdefault((region.name, conflict.id), []).append(conflict)
