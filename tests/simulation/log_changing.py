"""Stamping databases whose policies are replaced by others, in one region after the other: functions and triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from distributary.adapters.memory.stamped_states import state_of
from distributary.domain.image import Image, content_of, key_text
from distributary.domain.row import Row
from distributary.domain.row_state import RowState
from distributary.domain.stamp import Writer
from distributary.domain.state_documents import generation_in
from distributary.domain.state_texts import document_of_row
from distributary.services.deciding import stamped_lattice
from tests.simulation.deploying import Changes, Deployed
from tests.simulation.log_merging import LogMergingWorld, drawn_rules
from tests.simulation.log_merging_witness import LogMergingWitness
from tests.simulation.logs import TABLE, LogRegion
from tests.simulation.witness import Fault

TRIGGERS = "triggers"


class LogChangingWorld(Changes, LogMergingWorld):
    """Such a world, whose triggers are replaced by a command of their own."""

    FUNCTIONS = ("capture", "apply", TRIGGERS)
    drawn = staticmethod(drawn_rules)

    def region(self, name: str, skew: int) -> LogChangingRegion:
        """See `World`."""
        return LogChangingRegion(name, skew, self)


@dataclass(eq=False)
class LogChangingRegion(Deployed, LogRegion):
    """One such replica."""

    def deploy(self) -> bool:
        """See `Deployed`."""
        deployed = super().deploy()
        if deployed:
            self.table.lattice = stamped_lattice(self.dataset_of(TRIGGERS), TABLE)
        return deployed

    def at_work(self, functions: set[str]) -> bool:
        """See `Deployed`; who replaces triggers waits for the table's writers."""
        return super().at_work(functions) or (TRIGGERS in functions and bool(self.table.open))


class LogChangingWitness(LogMergingWitness):
    """Knows that regions decide differently for a while, so that only what they come to at last can be compared."""

    changing = True

    def _watching(self, region: LogRegion, show: Callable[..., None]) -> Callable[..., None]:
        """Triggers never write on what was decided by later policies than theirs."""
        watched = super()._watching(region, show)

        def watch(row: str, image: Image | None, writer: Writer) -> None:
            beneath, lattice = region.table.rows.get(row), region.table.lattice
            document = document_of_row(beneath or {})
            assert lattice is not None  # a table with policies
            local = writer is Writer.APPLICATION and image is not None and document is not None
            if local and generation_in(document or {}) > lattice.policies.generation:
                self.faults.append(("written on what later policies have decided", region.name, row))
            watched(row, image, writer)

        return watch

    def _compare(self, region: LogRegion, row: str, before: Row | None, after: Row | None) -> None:
        """What replication makes of a row has seen all that it had seen."""
        if before is None or after is None or before.version is None:
            return
        if after.context.merge(before.context) != after.context:
            self.faults.append(("a merged row forgets what was seen", region.name, row, before.version))

    def _disagreements(self, key: Image) -> Iterator[Fault]:
        row, regions = key_text(key), self.world.regions
        images = [region.table.get(key) for region in regions]
        states = [_told(state_of(Row(image), self.lattice)) if image is not None else None for image in images]
        if any(state != states[0] for state in states):
            yield ("diverged", key, states)
        if any(content_of(image or {}) != content_of(images[0] or {}) for image in images):
            yield ("rows look different", key, images)
        if images[0] is not None and self.world.counting:
            yield from self._miscounted(row, images[0])

    def _not_the_newest(self, row: str, image: Image) -> Iterator[Fault]:
        """What stands was decided by two policies."""
        del row, image
        yield from ()


def _told(state: RowState | None) -> RowState | None:
    return replace(state, disputes=0) if state is not None else None
