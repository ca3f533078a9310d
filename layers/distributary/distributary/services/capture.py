"""Capture: stream records of this region become versioned changes in the inbox of every peer.

A batch is worked off in order. What comes before the first failure has been handed over durably when `run` returns;
the failure's position is the checkpoint, and everything from there on is delivered again and minted the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset, TtlDeletes
from distributary.domain.delivery import Arrival, Failure
from distributary.domain.errors import DistributaryError, Misconfigured, OutOfTime, RetryLater, Unacceptable
from distributary.domain.facts import CaptureReport
from distributary.domain.parcel import Parcel, parcel
from distributary.domain.place import Place
from distributary.domain.settlement import Settled, settle
from distributary.domain.steps import Decision
from distributary.ports import Inboxes, Journal, Outbox, Parking, Replica
from distributary.services.handover import HandOver
from distributary.services.rounds import run

CHUNK = 400
"""Records between two looks at the deadline; they are settled together and handed over together."""

RESERVE = 15_000
"""Milliseconds that must be left to take a chunk: its calls and a hand-over through the outbox."""

T = TypeVar("T")


@dataclass(frozen=True)
class Capture:
    """The capture service of one replica.

    clock: microseconds. unique: a fresh text each call. spread: maps a function over the peers, in parallel
    where the platform has threads. settle: `settle`, or `settle_states` where a policy needs memory. journal: none
    where conflicts are counted only.
    """

    dataset: Dataset
    table: str
    region: str
    replica: Replica
    inboxes: Inboxes
    outbox: Outbox
    parking: Parking
    clock: Callable[[], int]
    unique: Callable[[], str]
    spread: Callable[[Callable[[str], T], Sequence[str]], Iterable[T]] = map
    settle: Callable[..., Decision[Settled]] = settle
    journal: Journal | None = None

    def run(self, arrivals: Sequence[Arrival], remaining: Callable[[], int]) -> CaptureReport:
        """Work off a batch. remaining: milliseconds until the function's deadline."""
        report = CaptureReport()
        for start in range(0, len(arrivals), CHUNK):
            chunk = arrivals[start : start + CHUNK]
            if remaining() < RESERVE:
                report.failure = Failure(chunk[0].position, OutOfTime(f"{remaining()} ms left"))
            else:
                self._take(chunk, report)
            if report.failure is not None:
                break
        return report

    def _take(self, chunk: Sequence[Arrival], report: CaptureReport) -> None:
        results = self._settle(chunk, report)
        stop = next((at for at, result in enumerate(results) if _must_wait(result)), len(chunk))
        if stop < len(chunk):
            error = results[stop]
            assert isinstance(error, DistributaryError)  # noqa: S101
            report.failure = Failure(chunk[stop].position, error)
        done = list(zip(chunk[:stop], results[:stop], strict=True))
        try:
            self._park(
                [self._parcel(arrival, each) for arrival, each in done if isinstance(each, Unacceptable)], report
            )
            self._ship([each.change for _, each in done if isinstance(each, Settled) and each.change], report)
        except (RetryLater, Misconfigured) as error:
            report.failure = Failure(chunk[0].position, error)
            return
        report.records += len(done)
        settled = [each for _, each in done if isinstance(each, Settled)]
        report.origins.update(each.origin for each in settled)
        report.conflicts += sum(each.conflict for each in settled)

    def _settle(self, chunk: Sequence[Arrival], report: CaptureReport) -> list[Settled | DistributaryError]:
        """Settle all records, those of one row one after the other, those of different rows side by side."""

        def keep(conflicts: Sequence[Conflict]) -> None:
            report.unjournaled += self.journal.record(conflicts) if self.journal is not None else 0

        results: list[Settled | DistributaryError] = [RetryLater("not reached")] * len(chunk)
        waves: list[list[int]] = []
        seen: Counter[str] = Counter()
        for at, arrival in enumerate(chunk):
            if isinstance(arrival.record, Unacceptable):
                results[at] = arrival.record
                continue
            turn = seen[arrival.record.row]
            seen[arrival.record.row] += 1
            if turn == len(waves):
                waves.append([])
            waves[turn].append(at)
        blocked: set[str] = set()
        for wave in waves:
            free = [at for at in wave if self._record(chunk[at]).row not in blocked]
            ignore_expired = self.dataset.ttl_deletes is TtlDeletes.IGNORE
            records = [self._record(chunk[at]) for at in free]
            decisions = [(r.key, self.settle(r, self._place(), ignore_expired=ignore_expired)) for r in records]
            for at, record, result in zip(free, records, run(self.replica, decisions, keep), strict=True):
                results[at] = result
                if _must_wait(result):
                    blocked.add(record.row)
        return results

    def _ship(self, changes: Sequence[Change], report: CaptureReport) -> None:
        told = HandOver(self.dataset, self.region, self.inboxes, self.outbox, self.spread).ship(changes)
        report.shipped.update(told.shipped)
        report.held.update(told.held)

    def _park(self, parcels: list[Parcel], report: CaptureReport) -> None:
        if parcels:
            self.parking.park(parcels)
            report.parked.extend(parcels)

    def _parcel(self, arrival: Arrival, error: Unacceptable) -> Parcel:
        payload = json.dumps(arrival.raw, default=str)
        return parcel(self.dataset.name, error, payload, redrivable=False, parked_at=self.clock())

    def _place(self) -> Place:
        drift = self.dataset.max_clock_drift
        return Place(self.dataset.name, self.table, self.region, self.clock(), drift, self.unique())

    @staticmethod
    def _record(arrival: Arrival) -> StreamRecord:
        assert isinstance(arrival.record, StreamRecord)  # noqa: S101
        return arrival.record


def _must_wait(result: Settled | DistributaryError) -> bool:
    return isinstance(result, DistributaryError) and not isinstance(result, Unacceptable)
