"""Apply: changes in the inbox of this region are merged into the local rows.

A message is done when each of its changes has been merged or parked. One that has to wait comes again later, whole: a
merge is a comparison of versions, so changes that come again do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from distributary.domain.change import TRUSTED_AGE, Change
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset, Engine
from distributary.domain.delivery import Received
from distributary.domain.errors import (
    ClockDrift,
    DistributaryError,
    Misconfigured,
    NotSettled,
    OutOfTime,
    ParentMissing,
    RejectedByDatabase,
    RetryLater,
    SchemaDiffers,
    StaleChange,
    Unacceptable,
    UniqueClash,
)
from distributary.domain.facts import ApplyReport
from distributary.domain.image import Image
from distributary.domain.merge import Effect, Merged, merge
from distributary.domain.message import pack, unpack, unpack_blocks
from distributary.domain.parcel import parcel
from distributary.domain.patience import pause_before
from distributary.domain.place import Place
from distributary.domain.steps import Decision
from distributary.domain.version import MICROSECONDS
from distributary.ports import Clashes, Journal, Parking, Replica, Waiting
from distributary.services.bulk_merge import BulkMerge
from distributary.services.clashing import Clashing
from distributary.services.rounds import run

T = TypeVar("T")

CHUNK = 400
"""Changes between two looks at the deadline."""

RESERVE = 10_000
"""Milliseconds that must be left to take a chunk."""

UNSETTLED_TRUST = 15 * 60 * MICROSECONDS
"""How long a change waits for a local write to be captured before it takes the row's stamp as it is, and how long for
a parent row or a column before it is parked."""

SHORT_PAUSES = (0.05, 0.1, 0.2)
"""Seconds between tries, within one call, to merge what may be possible in a moment."""

SOON = (NotSettled, ParentMissing)
"""What may be over in a moment: a local write is captured, or the parent is merged beside."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A change of the message at index `message`."""

    message: int
    change: Change


@dataclass(frozen=True)
class Apply:
    """The apply service of one replica. clock: microseconds. unique: a fresh text each call. sleep: seconds.

    table: DynamoDB's one. replica_of: the rows of a table; raises UnknownTable. decide: see `deciding`. clashes: none
    where no column but the key is unique. chunk: changes merged side by side. bulk: merges what is plain beforehand,
    for messages that hold blocks. journal: none where conflicts are counted only.
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

    def run(self, messages: Sequence[Received], remaining: Callable[[], int]) -> ApplyReport:
        """Work off a batch. remaining: milliseconds until the function's deadline."""
        report = ApplyReport(messages=len(messages))
        troubles: dict[int, DistributaryError] = {}
        tasks = self._open(messages, remaining, troubles, report)
        for start in range(0, len(tasks), self.chunk):
            chunk = tasks[start : start + self.chunk]
            if remaining() < RESERVE:
                self._blame(chunk, OutOfTime(f"{remaining()} ms left"), troubles)
            else:
                self._take(chunk, messages, troubles, report)
        self._postpone(messages, troubles, report)
        return report

    def _open(
        self,
        messages: Sequence[Received],
        remaining: Callable[[], int],
        troubles: dict[int, DistributaryError],
        report: ApplyReport,
    ) -> list[_Task]:
        """All changes that take a decision, newest first, so that older states cost no write."""
        if self.bulk is None:
            opened = self._readable(unpack, messages, troubles, report)
            tasks = [_Task(at, change) for at, changes in opened for change in changes]
        else:
            read = self._readable(unpack_blocks, messages, troubles, report)
            blocks = [(at, block) for at, blocks in read for block in blocks]
            left = self.bulk.run(blocks, lambda: remaining() >= RESERVE, report)
            tasks = [_Task(at, change) for at, change in left]
        return sorted(tasks, key=lambda task: task.change.version, reverse=True)

    def _readable(
        self,
        reader: Callable[[str, Dataset], list[T]],
        messages: Sequence[Received],
        troubles: dict[int, DistributaryError],
        report: ApplyReport,
    ) -> Iterator[tuple[int, list[T]]]:
        """The content of each message, with its index. What cannot be read is parked, or comes again by itself."""
        for at, message in enumerate(messages):
            try:
                yield at, reader(message.body, self.dataset)
            except Unacceptable as error:
                self._park(at, error, message.body, troubles, report)
            except RetryLater as error:
                troubles[at] = error

    def _take(
        self,
        chunk: Sequence[_Task],
        messages: Sequence[Received],
        troubles: dict[int, DistributaryError],
        report: ApplyReport,
    ) -> None:
        pending = [task for task in chunk if self._may_enter(task, troubles, report)]
        for pause in (*SHORT_PAUSES, None):
            soon: list[_Task] = []
            for wave in _waves(pending):
                for task, merged in zip(wave, self._merge(wave, messages, report), strict=True):
                    result = self._settle_clash(task, merged, report) if isinstance(merged, UniqueClash) else merged
                    if isinstance(result, SOON) and pause is not None:
                        soon.append(task)
                    else:
                        self._conclude(task, self._patience(task, result, messages), troubles, report)
            if not soon or pause is None:
                break
            self.sleep(pause)
            pending = soon

    def _settle_clash(self, task: _Task, clash: UniqueClash, report: ApplyReport) -> Merged | DistributaryError:
        """What becomes of a change in whose way another row stands; NotSettled: none does any more."""
        if self.clashes is None:
            return clash
        change = task.change
        try:
            replica = self.replica_of(change.table)
            clashing = Clashing(self.dataset, self.clashes, replica, partial(self._keep, report))
            return clashing.settle(change, clash, self._place(change.table, self.clock()))
        except DistributaryError as error:
            return error

    def _patience(
        self, task: _Task, result: Merged | DistributaryError, messages: Sequence[Received]
    ) -> Merged | DistributaryError:
        """A parent or a column that has not come for too long is not waited for any more."""
        waited = self.clock() - messages[task.message].first_received_at
        if isinstance(result, ParentMissing | SchemaDiffers) and waited > UNSETTLED_TRUST:
            return RejectedByDatabase(f"{type(result).__name__}: {result}")
        return result

    def _may_enter(self, task: _Task, troubles: dict[int, DistributaryError], report: ApplyReport) -> bool:
        now, change = self.clock(), task.change
        if change.version.timestamp > now + self.dataset.max_clock_drift:
            ahead = (change.version.timestamp - now) // MICROSECONDS
            self._park_change(task, ClockDrift(f"the version is {ahead} s ahead of this region"), troubles, report)
        elif change.captured_at < now - TRUSTED_AGE:
            days = (now - change.captured_at) // (86_400 * MICROSECONDS)
            self._park_change(task, StaleChange(f"captured {days} days ago"), troubles, report)
        else:
            return True
        return False

    def _merge(
        self, wave: Sequence[_Task], messages: Sequence[Received], report: ApplyReport
    ) -> list[Merged | DistributaryError]:
        now = self.clock()
        results: list[Merged | DistributaryError] = [RetryLater("not reached")] * len(wave)
        tables: dict[str, list[int]] = {}
        for at, task in enumerate(wave):
            tables.setdefault(task.change.table, []).append(at)
        for table, places in tables.items():
            decisions = []
            for task in (wave[at] for at in places):
                place = self._place(table, now)
                impatient = now - messages[task.message].first_received_at > UNSETTLED_TRUST
                decisions.append((task.change.key, self.decide(task.change, place, take_unsettled=impatient)))
            for at, result in zip(places, self._run(table, decisions, report), strict=True):
                results[at] = result
        return results

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

    def _conclude(
        self,
        task: _Task,
        result: Merged | DistributaryError,
        troubles: dict[int, DistributaryError],
        report: ApplyReport,
    ) -> None:
        if isinstance(result, Unacceptable):
            self._park_change(task, result, troubles, report)
        elif isinstance(result, DistributaryError):
            self._blame([task], result, troubles)
        else:
            change = task.change
            report.effects[result.effect] += 1
            report.homes[change.home] += 1
            report.conflicts[change.home] += result.conflict
            if result.effect in (Effect.INSERTED, Effect.REPLACED, Effect.DELETED):
                report.lags.append(max(0, self.clock() - change.version.timestamp))

    def _park_change(
        self, task: _Task, error: Unacceptable, troubles: dict[int, DistributaryError], report: ApplyReport
    ) -> None:
        (payload,) = pack(self.dataset, task.change.home, [task.change])
        self._park(task.message, error, payload, troubles, report)

    def _park(
        self,
        message: int,
        error: Unacceptable,
        payload: str,
        troubles: dict[int, DistributaryError],
        report: ApplyReport,
    ) -> None:
        parked = parcel(self.dataset.name, error, payload, redrivable=True, parked_at=self.clock())
        try:
            self.parking.park([parked])
        except (RetryLater, Misconfigured) as trouble:
            troubles.setdefault(message, trouble)
        else:
            report.parked.append(parked)

    @staticmethod
    def _blame(tasks: Sequence[_Task], error: DistributaryError, troubles: dict[int, DistributaryError]) -> None:
        for task in tasks:
            troubles.setdefault(task.message, error)

    def _postpone(
        self, messages: Sequence[Received], troubles: dict[int, DistributaryError], report: ApplyReport
    ) -> None:
        for at, error in troubles.items():
            report.failed[messages[at].id] = error
            try:
                self.waiting.postpone(messages[at].receipt, pause_before(error, messages[at].receive_count))
            except (RetryLater, Misconfigured):
                report.not_postponed += 1  # it comes again all the same, after the queue's own visibility timeout


def _waves(tasks: Sequence[_Task]) -> list[list[_Task]]:
    """Tasks of different rows side by side, those of one row in their order."""
    waves: list[list[_Task]] = []
    seen: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        row = (task.change.table, task.change.row)
        turn = seen[row]
        seen[row] += 1
        if turn == len(waves):
            waves.append([])
        waves[turn].append(task)
    return waves
