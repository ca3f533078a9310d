"""Bulk merge: what is plain in many messages for an SQL database goes in by a few statements, before all else.

Plain is a change whose writer had seen all that this replica knows of the row; in quiet times that is every change.
What is left over takes a decision of its own, see `services.apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from distributary.domain.block import Block, joined
from distributary.domain.change import TRUSTED_AGE, Change
from distributary.domain.crdt import ALWAYS
from distributary.domain.errors import DistributaryError
from distributary.domain.facts import ApplyReport
from distributary.domain.merge import Effect
from distributary.domain.stamp import parse
from distributary.domain.state_documents import incarnation_in
from distributary.domain.state_texts import document_in, told_later
from distributary.domain.version import TIMESTAMP_DIGITS, Version
from distributary.ports import Bulk

SIZE = 5_000
"""Rows of one statement: below it the price of a statement shows, far above it other transactions wait for locks."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes of one kind, and for each the index of the message that it came in.

    captured_at: microseconds, by message; the block knows the oldest of all only.
    """

    block: Block
    messages: Sequence[int]
    captured_at: Mapping[int, int]

    def pick(self, places: Sequence[int]) -> Batch:
        """The changes at these places."""
        return Batch(self.block.pick(places), [self.messages[at] for at in places], self.captured_at)

    def slices(self, size: int) -> Iterator[Batch]:
        """The batch in parts."""
        for start in range(0, len(self.messages), size):
            messages = self.messages[start : start + size]
            yield Batch(self.block.slice(start, start + size), messages, self.captured_at)

    def tasks(self, places: Iterable[int]) -> Iterator[tuple[int, Change]]:
        """The changes at these places, each with its message."""
        for at in places:
            message = self.messages[at]
            yield message, replace(self.block.change(at), captured_at=self.captured_at[message])


@dataclass(frozen=True)
class BulkMerge:
    """Merges blocks into one replica. bulk_of: the rows of a table; raises UnknownTable. clock: microseconds.

    generation: of the policies that hold here; rows of later ones are not for this function.
    """

    bulk_of: Callable[[str], Bulk]
    clock: Callable[[], int]
    max_clock_drift: int
    generation: int = 1

    def run(
        self, opened: Sequence[tuple[int, Block]], enough_time: Callable[[], bool], report: ApplyReport
    ) -> Iterator[tuple[int, Change]]:
        """Merge what is plain of blocks, each given with its message's index; gives what is left, a change each."""
        for batch in batches(opened):
            newest = _newest(batch, report)
            for part in newest.slices(SIZE):
                places: Sequence[int] = range(len(part.messages))
                if enough_time() and self._credible(part.block):
                    places = self._take(part, report)
                yield from part.tasks(places)

    def _credible(self, block: Block) -> bool:
        """Whether no change is to be parked for its age, or for a time that is ahead of ours, or has to wait."""
        now = self.clock()
        if any(told_later(text, self.generation) for text in block.states or ()):
            return False
        latest = int(max(block.stamps)[:TIMESTAMP_DIGITS])
        return latest <= now + self.max_clock_drift and block.captured_at >= now - TRUSTED_AGE

    def _take(self, part: Batch, report: ApplyReport) -> Sequence[int]:
        """Merge a batch; the places of what is left."""
        block = part.block
        try:
            taken = self.bulk_of(block.table).take(block)
        except DistributaryError:
            return range(len(block))  # each change meets the same, and there it is known what becomes of it
        now, left = self.clock(), set(taken.left)
        counts = {Effect.INSERTED: taken.inserted, Effect.REPLACED: taken.replaced, Effect.DELETED: taken.deleted}
        report.effects.update({effect: count for effect, count in counts.items() if count})
        report.homes[block.home] += len(block) - len(left)
        lag_of = {stamp: max(0, now - int(stamp[:TIMESTAMP_DIGITS])) for stamp in set(block.stamps)}
        merged = [stamp for at, stamp in enumerate(block.stamps) if at not in left] if left else block.stamps
        report.lags.extend(map(lag_of.__getitem__, merged))
        return taken.left


def batches(opened: Sequence[tuple[int, Block]]) -> Iterator[Batch]:
    """Blocks of one kind as one, whatever messages they came in."""
    kinds: dict[tuple[object, ...], list[tuple[int, Block]]] = {}
    for message, block in opened:
        kinds.setdefault(block.kind, []).append((message, block))
    for some in kinds.values():
        messages = [message for message, block in some for _ in range(len(block))]
        captured_at: dict[int, int] = {}
        for message, block in some:
            captured_at[message] = min(block.captured_at, captured_at.get(message, block.captured_at))
        yield Batch(joined([block for _, block in some]), messages, captured_at)


def _newest(batch: Batch, report: ApplyReport) -> Batch:
    """The last state of each row; what came before it in its region is part of it.

    Writes of a row in one database follow each other, so the later one had seen the earlier one.
    """
    rows = list(batch.block.rows())
    if len(set(rows)) == len(rows):
        return batch
    last = {rows[at]: at for at in sorted(range(len(rows)), key=partial(_turn, batch.block))}
    report.effects[Effect.KEPT] += len(rows) - len(last)
    report.homes[batch.block.home] += len(rows) - len(last)
    return batch.pick(list(last.values()))


def _turn(block: Block, at: int) -> tuple[Version, str]:
    """A change's place among those of its row. Where states are joined, what it was made on top of comes first.

    A row that could not see the deletion of its key is removed without a trace, and a clock may step back after that.
    """
    stamp = block.stamps[at]
    if block.states is None:
        return ALWAYS, stamp
    incarnation, _ = incarnation_in(document_in(block.states[at]), parse(stamp).version)
    return incarnation, stamp
