"""Says whether stamping databases whose policies merge have kept every promise, on the way and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce

from distributary.adapters.memory.stamped_states import state_of
from distributary.adapters.memory.stamped_table import Committed
from distributary.domain.crdt import ALWAYS
from distributary.domain.image import Image, content_of, key_text
from distributary.domain.policies import AttributePolicy, Policy
from distributary.domain.row import Row
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.stamp import Writer, context_text
from distributary.domain.state_texts import document_of_row
from distributary.domain.unjoined import tells_of_unjoined
from distributary.domain.version import Version
from distributary.services.deciding import stamped_lattice
from tests.simulation.checks import Reader
from tests.simulation.log_merging import (
    BEST,
    LEAST,
    LONGEST,
    NUMBER,
    PLAIN,
    TAGS,
    LogMergingWorld,
    number_of,
    tags_of,
)
from tests.simulation.log_witness import LogWitness
from tests.simulation.logs import TABLE, LogRegion
from tests.simulation.merging import longest
from tests.simulation.witness import Fault


class LogMergingWitness(LogWitness):
    """shown: for each row what applications have made of it, a commit each: the row before and after."""

    world: LogMergingWorld
    changing = False

    def __init__(self, world: LogMergingWorld) -> None:
        lattice = stamped_lattice(world.dataset, TABLE)
        assert lattice is not None
        self.lattice: StateLattice = lattice
        self.shown: dict[str, list[tuple[Image | None, Image | None]]] = {}
        self.first = {row: image for region in world.regions for row, image in region.table.rows.items()}
        super().__init__(world)

    # --- on the way

    def _watching(self, region: LogRegion, show: Callable[..., None]) -> Callable[..., None]:
        watched = super()._watching(region, show)

        def watch(row: str, image: Image | None, writer: Writer) -> None:
            if writer is Writer.APPLICATION:
                self.shown.setdefault(row, []).append((region.table.rows.get(row), image))
            watched(row, image, writer)

        return watch

    def _compare(self, region: LogRegion, row: str, before: Row | None, after: Row | None) -> None:
        """What replication makes of a row has all of it; it removes what was not made on top of a deletion."""
        tombstone = region.table.tombstones.get(row)
        deletion = tombstone.deletion if tombstone is not None else None
        known = state_of(before, self.lattice) if before is not None else None
        state = state_of(after, self.lattice) if after is not None else None
        if known is not None and self._not_believed(known, state):
            return
        if known is None:
            if state is not None and deletion is not None and state.incarnation < deletion:
                self.vanished[Reader.DELETED] += 1
        elif state is None:
            if deletion is None or known.incarnation >= deletion:
                self.faults.append(("a row was removed that no deletion had taken", region.name, row, known.version))
        elif not _equal(self.lattice.join(known, state), state):
            self.faults.append(("a merged row forgets what it was", region.name, row, known.version, state.version))

    def _not_believed(self, known: RowState, state: RowState | None) -> bool:
        """Whether a state is from a clock that was ahead, or gives way to what that region wrote after the repair.

        Its insert over a deletion that is not believed says of itself that it has seen all of its region.
        """
        repaired = self.world.repaired
        again = state is not None and repaired is not None and state.version.region == repaired.name
        return again or not self.sane(known.version)

    # --- at the end

    def _invented(self) -> Iterator[Fault]:
        """What was shipped was written there, or is what replication made of that by joining it with others.

        Where a clock jumps between two statements, one version may stand for two states that nobody believes.
        """
        told: dict[object, list[Image | None]] = {}
        for region in self.world.regions:
            for each in region.table.log:
                state = (region.name, key_text(each.key), each.stamp.version, context_text(each.stamp.context))
                told.setdefault(state, []).append(each.image)
        for change in filter(lambda each: self.sane(each.version), self.shipped):
            images = told.get((change.home, change.row, change.version, context_text(change.context)), [])
            ways = [way for image in images for way in self._as_shipped(image)]
            if (change.image, change.state) not in ways:
                yield ("nobody wrote it", change)

    def _as_shipped(self, image: Image | None) -> Iterator[tuple[Image | None, object]]:
        """How a row travels: what was replaced in the function's column is joined with what is there."""
        if image is None:
            yield None, None
            return
        content, document = content_of(image), document_of_row(image)
        if not tells_of_unjoined(document):
            yield content, document
            return
        assert document is not None
        replaced = document["a"][LONGEST].pop("q")
        if not document["a"][LONGEST]:
            del document["a"][LONGEST]
        if not document["a"]:
            del document["a"]
        yield {**content, LONGEST: {"S": reduce(longest, [*replaced, content[LONGEST]["S"]])}}, document
        if self.changing:
            yield content, document  # by policies without the function

    def _disagreements(self, key: Image) -> Iterator[Fault]:
        row, regions = key_text(key), self.world.regions
        images = [region.table.get(key) for region in regions]
        states = [state_of(Row(image), self.lattice) if image is not None else None for image in images]
        if any(not _equal(state, states[0]) for state in states):
            yield ("diverged", key, states)
        if any(content_of(image or {}) != content_of(images[0] or {}) for image in images):
            yield ("rows look different", key, images)
        deletions = [self._deletion(region.table.tombstones.get(row)) for region in regions]
        known = [state.incarnation if state is not None and not state.from_plain else ALWAYS for state in states]
        newest = [max(deletion or ALWAYS, beneath) for deletion, beneath in zip(deletions, known, strict=True)]
        if any(each != newest[0] for each in newest):  # a row that came in bulk knows of the one beneath it by itself
            yield ("tombstones differ", key, deletions, known)
        expected = self._expected(row)
        if not _equal(states[0], expected):
            yield ("not all that was written", key, states[0], expected)
        if images[0] is not None and self.world.counting and self.world.setting.ahead is None:
            yield from self._miscounted(row, images[0])

    def _expected(self, row: str) -> RowState | None:
        """All states that were committed as one, but for those that a deletion has taken."""
        committed = [(each.stamp, each.image) for each in self._writes(row) if self.sane(each.stamp.version)]
        deletions = [stamp.version for stamp, image in committed if image is None]
        images = [image for _, image in committed if image is not None]
        images += [self.first[row]] if row in self.first else []
        states = [state for image in images if (state := state_of(Row(image), self.lattice)) is not None]
        newest = max(deletions, default=None)
        alive = [state for state in states if newest is None or state.incarnation >= newest]
        return reduce(self.lattice.join, alive) if alive else None

    def _miscounted(self, row: str, image: Image) -> Iterator[Fault]:
        """What is known without the rules: where nothing is deleted, nothing that anybody has added is lost."""
        shown, first = self.shown.get(row, []), self.first.get(row)
        own = {name: rule.policy for name, rule in self.world.own.items()}
        if own.get(NUMBER) is AttributePolicy.COUNTER:
            expected = number_of(first) + sum(number_of(after) - number_of(before) for before, after in shown)
            if number_of(image) != expected:
                yield ("miscounted", row, image, expected)
        if TAGS in own:
            put = tags_of(first).union(*(tags_of(after) - tags_of(before) for before, after in shown))
            taken = frozenset[str]().union(*(tags_of(before) - tags_of(after) for before, after in shown))
            if not put - taken <= tags_of(image) <= put:
                yield ("elements lost or invented", row, image, put, taken)
        yield from self._not_chosen(row, image)
        if self.world.base is Policy.LAST_WRITER_WINS:
            yield from self._not_the_newest(row, image)

    def _not_chosen(self, row: str, image: Image) -> Iterator[Fault]:
        """The greatest, the least, and what the function makes of all that any statement has written."""
        shown, first = self.shown.get(row, []), self.first.get(row)
        for name, choose in ((BEST, max), (LEAST, min)):
            values = [int(each[name]["S"]) for each in (first, *(after for _, after in shown)) if each is not None]
            if name in self.world.own and int(image[name]["S"]) != choose(values):
                yield ("not the outermost", row, name, image[name], values)
        written = [first, *(each.image for each in self._writes(row))]
        lengths = [each[LONGEST]["S"] for each in written if each is not None]
        if LONGEST in self.world.own and image[LONGEST]["S"] != reduce(longest, lengths):
            yield ("not what the function makes of all", row, image[LONGEST], lengths)

    def _not_the_newest(self, row: str, image: Image) -> Iterator[Fault]:
        """Of what has no policy of its own the last write stands whole. Each such write has values of its own."""
        plain = [name for name in (*PLAIN, NUMBER, BEST, LEAST, TAGS, LONGEST) if name not in self.world.own]
        written: dict[str, Version] = {}
        entries = [(each.stamp, each.image) for each in self._writes(row) if each.image is not None]
        first = self.first.get(row)
        entries += [(stamp, first) for stamp in [Row(first or {}).stamp] if first is not None and stamp is not None]
        for stamp, each in entries:
            values = repr([each[name] for name in plain])
            written[values] = min(stamp.version, written.get(values, stamp.version))
        newest = max(written, key=lambda values: written[values])
        if len(plain) == len(PLAIN) and repr([image[name] for name in plain]) != newest:
            yield ("not the newest", row, image, newest)

    def _writes(self, row: str) -> Iterator[Committed]:
        for region in self.world.regions:
            for each in region.table.log:
                if each.stamp.writer is Writer.APPLICATION and key_text(each.key) == row:
                    yield each


def _equal(one: RowState | None, other: RowState | None) -> bool:
    """Whether two states are one, whatever replicas have noted in their contexts."""
    return one == other
