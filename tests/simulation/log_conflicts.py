"""Sees every decision on stamping databases: which states it lets meet, and which conflicts it puts on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict, Side
from distributary.domain.image import Image, key_text
from distributary.domain.place import Place
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Writer, stamp_of
from distributary.domain.state_documents import incarnation_in
from distributary.domain.state_texts import document_of_row
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from distributary.domain.version import Version
from distributary.ports import Journal
from tests.simulation.known import NOTHING, Known
from tests.simulation.log_causality import LogCausality
from tests.simulation.log_meetings import Met, Sight, Told

if TYPE_CHECKING:
    from tests.simulation.logs import LogRegion, LogWorld


@dataclass(eq=False)
class LogConflicts:
    """met: states that met. told: what is on record, by region and row, in its order."""

    world: LogWorld
    plain: bool
    met: list[Met] = field(default_factory=list)
    told: dict[tuple[str, str], list[Told]] = field(default_factory=dict)
    _steps: dict[int, tuple[Write, Sight]] = field(default_factory=dict)
    _notes: dict[int, tuple[Tombstone, Known]] = field(default_factory=dict)
    _step: Write | None = None
    _by_capture: dict[tuple[str, str], Told] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.causality = LogCausality(self.world, self._noted)
        for region in self.world.regions:
            self._follow(region)
        self.world.observer = self

    # --- decisions

    def applying(self, region: LogRegion, decide: Callable[..., Decision[Any]]) -> Callable[..., Decision[Any]]:
        """The decision of apply, watched."""

        def watched(change: Change, place: Place, **options: Any) -> Decision[Any]:
            sight = Sight(self.causality.named(change.row, change.version, change.context))
            decision, answer = decide(change, place, **options), None
            while True:
                try:
                    step = decision.send(answer)
                except StopIteration as end:
                    self._ended(region, change, sight)
                    return end.value
                self._asked(region, change.row, step, sight)
                answer = yield step
                self._answered(change.row, step, answer, sight)

        return watched

    def _asked(self, region: LogRegion, row: str, step: Any, sight: Sight) -> None:
        if isinstance(step, Write):
            self._steps[id(step)] = (step, replace(sight))
        elif isinstance(step, Remember):
            self._notes[id(step.tombstone)] = (step.tombstone, sight.about)
        elif isinstance(step, Record):
            self._record(region.name, row, step.conflict, sight)

    def _answered(self, row: str, step: Any, answer: Any, sight: Sight) -> None:
        if isinstance(step, Look):
            state: State = answer
            sight.there, sight.row = state.row, self.causality.of_row(row, state.row)
            sight.tombstone, sight.buried = state.tombstone, self.causality.of(state.tombstone)
        elif isinstance(step, LookBack):
            sight.tombstone, sight.buried = answer, self.causality.of(answer)
        elif isinstance(step, Write) and answer is True and step.image is not None:
            sight.wrote, sight.replaced = True, step.expected is not None
            sight.there, sight.row = Row(step.image), self.causality.of_row(row, Row(step.image))

    def listening(self, region: LogRegion, journal: Journal) -> Journal:
        """The journal as capture is to have it."""
        return _Listening(self, region.name, journal)

    def recorded(self, region: str, conflicts: Sequence[Conflict]) -> None:
        """What capture puts on record."""
        for each in conflicts:
            row = key_text(each.key)
            self._record(region, row, each, Sight())
            self._by_capture[region, row] = self.told[region, row][-1]

    def _record(self, region: str, row: str, conflict: Conflict, sight: Sight) -> None:
        arriving, present = (self._of_side(row, side, sight) for side in (conflict.arriving, conflict.present))
        told = self.told.setdefault((region, row), [])
        told.append(Told(conflict, arriving, present))

    def _of_side(self, row: str, side: Side, sight: Sight) -> Known:
        if side.image is not None:
            return self.causality.named(row, side.version, side.context)
        head = self.causality.head(row, side.version)
        if head == sight.about.head:
            return sight.about
        past = self.causality.past.get(head, NOTHING)
        if head == sight.buried.head:
            return sight.buried
        return Known(past.sure, past.perhaps | sight.row.perhaps | sight.about.perhaps, head)

    # --- what happens to rows and tombstones

    def _noted(self, row: str, tombstone: Tombstone, before: Known) -> Known:
        """What a tombstone knows that replication writes."""
        head = self.causality.head(row, tombstone.deletion)
        past = self.causality.past.get(head, NOTHING)
        _, about = self._notes.get(id(tombstone), (None, past))
        if about.head & self.causality.deletions:
            return Known(before.sure | about.sure, before.perhaps | about.perhaps, head)
        # A row on top of it tells of it, which does not tell what it had seen.
        return Known(before.sure | head, before.perhaps | past.perhaps | about.perhaps, head)

    def _follow(self, region: LogRegion) -> None:
        table = region.table
        write_if, show = table.write_if, table.show

        def writing(key: Image, write: Write) -> bool:
            table.wait(key)  # so that nobody else has his turn between what follows
            self._step = write
            try:
                return write_if(key, write)
            finally:
                self._step = None

        def showing(row: str, image: Image | None, writer: Writer) -> None:
            old = table.rows.get(row)
            if writer is Writer.REPLICATION:
                self._shown(region, row, old, image)
            show(row, image, writer)

        table.write_if, table.show = writing, showing  # type: ignore[method-assign]

    def _shown(self, region: LogRegion, row: str, old: Image | None, image: Image | None) -> None:
        """Replication is about to write a row."""
        _, sight = self._steps.get(id(self._step), (None, None))
        before = self.causality.of(old)
        if image is None:
            self._removed(region, row, before, sight)
            return
        stamp = stamp_of(image)
        assert stamp is not None
        about = sight.about if sight is not None else self.causality.named(row, stamp.version, stamp.context)
        if old is not None:
            self._meet(region.name, row, about, before, "written")
        known = about.joined(before)
        if old is None and self.plain and sight is not None:
            known = known.joined(sight.buried)
        if stamp.writer is Writer.APPLICATION:
            known = self.causality.rewritten(region.name, row, known)
        head = self.causality.head(row, stamp.version) or known.head
        self.causality.learn(row, image, replace(known, head=head))

    def _removed(self, region: LogRegion, row: str, present: Known, sight: Sight | None) -> None:
        buried = self.causality.of(region.table.tombstones.get(row))
        told = self._by_capture.get((region.name, row))
        if sight is None and told is not None and told.present.head == present.head:
            buried = told.arriving  # that capture had read; another may have taken its place since
        if sight is not None:
            buried = sight.buried
            if not self.plain and not sight.about.head & self.causality.deletions:
                buried = replace(buried, perhaps=buried.perhaps | sight.about.perhaps)
        both = self.causality.at_home(region.name, buried.head) and self.causality.at_home(region.name, present.head)
        self._meet(region.name, row, buried, present, "removed", at_home=both)

    def _ended(self, region: LogRegion, change: Change, sight: Sight) -> None:
        """A change was merged: it has met what was there, also where that took no write."""
        name, row, about = region.name, change.row, sight.about
        deletion = sight.tombstone.deletion if sight.tombstone is not None else None
        if change.image is None:
            if self.plain and sight.there is not None and _is_newer(sight.there, deletion):
                self._meet(name, row, about, sight.row, "too late")
        elif self.plain:
            if deletion is not None and deletion >= change.version:
                self._meet(name, row, about, sight.buried, "stays deleted")
            elif deletion is not None and about.head == sight.row.head and not sight.replaced:
                self._meet(name, row, about if sight.wrote else sight.row, sight.buried, "beside")
            elif not sight.wrote and sight.there is not None:
                self._meet(name, row, about, sight.row, "kept")
        else:
            self._joined(name, change, sight)

    def _joined(self, region: str, change: Change, sight: Sight) -> None:
        row, deletion = change.row, sight.tombstone.deletion if sight.tombstone is not None else None
        known = sight.buried
        if sight.there is not None and sight.there.version is not None:
            beneath, from_plain = incarnation_in(document_of_row(sight.there.image), sight.there.version)
            if not from_plain and (deletion is None or beneath > deletion):
                head = self.causality.head(row, beneath)
                past = self.causality.past.get(head, NOTHING)
                known = Known(past.sure, past.perhaps | sight.row.perhaps | known.perhaps, head)
                deletion = beneath
        if deletion is not None and incarnation_in(change.state, change.version)[0] < deletion:
            self._meet(region, row, sight.about, known, "stays deleted")
        elif not sight.wrote and sight.there is not None:
            self._meet(region, row, sight.about, sight.row, "kept")

    def _meet(self, region: str, row: str, arriving: Known, present: Known, how: str, *, at_home: bool = False) -> None:
        if arriving.head and present.head and arriving.head != present.head:
            told = len(self.told.get((region, row), ()))
            self.met.append(Met(region, row, arriving, present, how, told, at_home))


@dataclass(frozen=True)
class _Listening:
    """`ports.Journal` that tells what is put into another one."""

    conflicts: LogConflicts
    region: str
    journal: Journal

    def record(self, conflicts: Sequence[Conflict]) -> int:
        """See `ports.Journal`."""
        self.conflicts.recorded(self.region, conflicts)
        return self.journal.record(conflicts)


def _is_newer(row: Row, deletion: Version | None) -> bool:
    return row.version is not None and (deletion is None or row.version > deletion)
