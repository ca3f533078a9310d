"""Apply: changes in the inbox of this region are merged into the local rows.

A message that has to wait comes again later, whole (`delivered`): a merge is a comparison of versions, so changes that
come again do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from distributary.domain.change import TRUSTED_AGE, Change
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset, Engine
from distributary.domain.delivery import Received
from distributary.domain.errors import (
    ClockDrift,
    DistributaryError,
    NotSettled,
    OutOfTime,
    ParentMissing,
    RejectedByDatabase,
    SchemaDiffers,
    StaleChange,
    UniqueClash,
)
from distributary.domain.facts import ApplyReport
from distributary.domain.hanging import keeps
from distributary.domain.image import Image
from distributary.domain.merge import Merged, merge
from distributary.domain.message import unpack, unpack_blocks
from distributary.domain.patience import CONCURRENT_AFTER
from distributary.domain.place import Place
from distributary.domain.steps import Decision
from distributary.domain.version import MICROSECONDS
from distributary.ports import Clashes, Dependents, Journal, Parking, Replica, Waiting
from distributary.services.bulk_merge import BulkMerge
from distributary.services.clashing import Clashing
from distributary.services.delivered import Batch, Task
from distributary.services.rounds import run

CHUNK = 400
"""Changes between two looks at the deadline."""

RESERVE = 10_000
"""Milliseconds that must be left to take a chunk."""

UNSETTLED_TRUST = 15 * 60 * MICROSECONDS
"""How long a change waits for a local write to be captured before it takes the row's stamp as it is, and how long for
a parent row or a column before it is parked."""

SHORT_PAUSES = (0.05, 0.1, 0.2)
"""Seconds between tries, within one call, to merge what may be possible in a moment."""

AT_LAST = (SHORT_PAUSES[-1], None)
"""The last of these tries."""

SOON = (NotSettled, ParentMissing)
"""What may be over in a moment: a local write is captured, or the parent is merged beside."""


@dataclass(frozen=True)
class Apply:
    """The apply service of one replica. clock: microseconds. unique: a fresh text each call. sleep: seconds.

    table: DynamoDB's one. replica_of: the rows of a table; raises UnknownTable. decide: see `deciding`. clashes: none
    where no column but the key is unique. chunk: changes merged side by side. bulk: merges what is plain beforehand,
    for messages that hold blocks. journal: none where conflicts are counted only. concurrent_after: see
    `patience`. dependents: none where no row hangs on another.
    """

    dataset: Dataset
    table: str
    region: str
    replica_of: Callable[[str], Replica]
    parking: Parking
    waiting: Waiting
    clock: Callable[[], int]
    unique: Callable[[], str]
    sleep: Callable[[float], None]
    decide: Callable[..., Decision[Merged]] = merge
    clashes: Clashes | None = None
    chunk: int = CHUNK
    bulk: BulkMerge | None = None
    journal: Journal | None = None
    concurrent_after: int = CONCURRENT_AFTER
    dependents: Dependents | None = None

    def run(self, messages: Sequence[Received], remaining: Callable[[], int]) -> ApplyReport:
        """Work off a batch. remaining: milliseconds until the function's deadline."""
        batch = Batch(messages, self.dataset, self.parking, self.clock, ApplyReport(messages=len(messages)))
        tasks = self._open(batch, remaining)
        for start in range(0, len(tasks), self.chunk):
            chunk = tasks[start : start + self.chunk]
            if remaining() < RESERVE:
                batch.blame(chunk, OutOfTime(f"{remaining()} ms left"))
            else:
                self._take(chunk, batch)
        batch.postpone(self.waiting)
        return batch.report

    def _open(self, batch: Batch, remaining: Callable[[], int]) -> list[Task]:
        """All changes that take a decision, newest first, so that older states cost no write."""
        if self.bulk is None:
            tasks = [Task(at, change) for at, change in batch.read(unpack)]
        else:
            left = self.bulk.run(list(batch.read(unpack_blocks)), lambda: remaining() >= RESERVE, batch.report)
            tasks = [Task(at, change) for at, change in left]
        return sorted(tasks, key=lambda task: task.change.version, reverse=True)

    def _take(self, chunk: Sequence[Task], batch: Batch) -> None:
        pending = [task for task in chunk if self._may_enter(task, batch)]
        for pause in (*SHORT_PAUSES, None):
            soon: list[Task] = []
            for wave in _waves(pending):
                merged = self._merge(wave, batch)
                clash = any(isinstance(each, UniqueClash) for each in merged)
                unclash = partial(self._settle_clash, batch, _newest(pending) if clash else {}, pause in AT_LAST)
                for task, each in zip(wave, merged, strict=True):
                    result = unclash(task, each) if isinstance(each, UniqueClash) else each
                    if isinstance(result, SOON) and pause is not None:
                        soon.append(task)
                    else:
                        batch.conclude(task, self._patience(task, result, batch))
            if not soon or pause is None:
                break
            self.sleep(pause)
            pending = soon

    def _settle_clash(
        self, batch: Batch, beside: Mapping[str, Mapping[str, Change]], again: bool, task: Task, clash: UniqueClash
    ) -> Merged | DistributaryError:
        """What becomes of a change in whose way another row stands; NotSettled: none does, or not for long any more."""
        if self.clashes is None:
            return clash
        change, now = task.change, self.clock()
        try:
            replica, record = self.replica_of(change.table), partial(self._keep, batch.report)
            clashing = Clashing(self.dataset, self.clashes, replica, record, beside[change.table])
            place, waited = self._place(change.table, now), batch.waited(task, now)
            expecting = batch.expects(task, now, self.concurrent_after)
            return clashing.settle(change, clash, place, waited, expecting=expecting, again=again)
        except DistributaryError as error:
            return error

    def _patience(self, task: Task, result: Merged | DistributaryError, batch: Batch) -> Merged | DistributaryError:
        """A parent or a column that has not come for too long is not waited for any more."""
        waited = batch.waited(task, self.clock())
        if isinstance(result, ParentMissing | SchemaDiffers) and waited > UNSETTLED_TRUST:
            return RejectedByDatabase(f"{type(result).__name__}: {result}")
        return result

    def _may_enter(self, task: Task, batch: Batch) -> bool:
        now, change = self.clock(), task.change
        if change.version.timestamp > now + self.dataset.max_clock_drift:
            ahead = (change.version.timestamp - now) // MICROSECONDS
            batch.park(task, ClockDrift(f"the version is {ahead} s ahead of this region"))
        elif change.captured_at < now - TRUSTED_AGE:
            days = (now - change.captured_at) // (86_400 * MICROSECONDS)
            batch.park(task, StaleChange(f"captured {days} days ago"))
        else:
            return True
        return False

    def _merge(self, wave: Sequence[Task], batch: Batch) -> list[Merged | DistributaryError]:
        now = self.clock()
        results: dict[int, Merged | DistributaryError] = {}
        tables: dict[str, list[int]] = {}
        for at, task in enumerate(wave):
            tables.setdefault(task.change.table, []).append(at)
        for table, places in tables.items():
            results.update(self._hung_on(table, wave, places, batch, now))
            left = [at for at in places if at not in results]
            decisions = []
            for task in (wave[at] for at in left):
                place, impatient = self._place(table, now), batch.waited(task, now) > UNSETTLED_TRUST
                decisions.append((task.change.key, self.decide(task.change, place, take_unsettled=impatient)))
            results.update(zip(left, self._run(table, decisions, batch.report), strict=True))
        return [results[at] for at in range(len(wave))]

    def _hung_on(
        self, table: str, wave: Sequence[Task], places: Sequence[int], batch: Batch, now: int
    ) -> dict[int, DistributaryError]:
        """The deletions that would take rows along which may be about to go, or to move, by changes of their own."""
        deletions = [at for at in places if wave[at].change.image is None]
        if self.dependents is None or not deletions:
            return {}
        try:
            hanging = self.dependents.hanging(table, [wave[at].change for at in deletions])
        except DistributaryError as error:
            return dict.fromkeys(deletions, error)
        return {
            at: NotSettled("rows that hang on it may be about to go, or to move")
            for at, each in zip(deletions, hanging, strict=True)
            if keeps(each, batch.waited(wave[at], now), expecting=batch.expects(wave[at], now, self.concurrent_after))
        }

    def _run(
        self, table: str, decisions: Sequence[tuple[Image, Decision[Merged]]], report: ApplyReport
    ) -> Sequence[Merged | DistributaryError]:
        try:
            return run(self.replica_of(table), decisions, partial(self._keep, report))
        except DistributaryError as error:
            return [error] * len(decisions)

    def _place(self, table: str, now: int) -> Place:
        """Of DynamoDB's one table the name here counts, whatever the region that wrote calls it."""
        here = table if self.dataset.engine is Engine.AURORA else self.table
        return Place(self.dataset.name, here, self.region, now, self.dataset.max_clock_drift, self.unique())

    def _keep(self, report: ApplyReport, conflicts: Sequence[Conflict]) -> None:
        report.unjournaled += self.journal.record(conflicts) if self.journal is not None else 0


def _newest(tasks: Sequence[Task]) -> dict[str, dict[str, Change]]:
    """The newest change of each row that changes are there for, by table. Of a row the newest is the first."""
    newest: dict[str, dict[str, Change]] = {}
    for change in (task.change for task in tasks):
        newest.setdefault(change.table, {}).setdefault(change.row, change)
    return newest


def _waves(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks of different rows side by side, those of one row in their order."""
    waves: list[list[Task]] = []
    seen: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        row = (task.change.table, task.change.row)
        turn = seen[row]
        seen[row] += 1
        if turn == len(waves):
            waves.append([])
        waves[turn].append(task)
    return waves
