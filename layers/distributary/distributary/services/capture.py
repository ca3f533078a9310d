"""Capture: stream records of this region become versioned changes in the inbox of every peer.

A batch is worked off in order. What comes before the first failure has been handed over durably when `run` returns;
the failure's position is the checkpoint, and everything from there on is delivered again and minted the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset, TtlDeletes
from distributary.domain.delivery import Arrival, Failure
from distributary.domain.errors import (
    DistributaryError,
    InvalidSettings,
    Misconfigured,
    OutOfTime,
    RetryLater,
    Unacceptable,
)
from distributary.domain.facts import CaptureReport
from distributary.domain.origin import overwritten
from distributary.domain.parcel import Parcel, parcel
from distributary.domain.place import Place
from distributary.domain.settlement import Settled
from distributary.domain.steps import Decision
from distributary.ports import Inboxes, Journal, Outbox, Parking, Replica
from distributary.services.deciding import ONE_BY_ONE, Settling
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
    where the platform has threads. settling: how records become changes. journal: none where conflicts are only
    counted.
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
    settling: Settling = ONE_BY_ONE
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
        """Settle all records, those of one row in their order, those of different rows side by side."""

        def keep(conflicts: Sequence[Conflict]) -> None:
            report.unjournaled += self.journal.record(conflicts) if self.journal is not None else 0

        results: list[Settled | DistributaryError] = [RetryLater("not reached")] * len(chunk)
        groups = self._groups(chunk, results)
        while groups:
            turn, groups = self._first_of_each_row(chunk, groups)
            decisions = [(self._record(chunk[group[0]]).key, self._decision(chunk, group)) for group in turn]
            for group, result in zip(turn, run(self.replica, decisions, keep), strict=True):
                if isinstance(result, Unacceptable) and len(group) > 1:
                    groups = [*([at] for at in group), *groups]  # only the one at fault is to be parked
                elif isinstance(result, DistributaryError):
                    results[group[0]] = result
                    row = self._record(chunk[group[0]]).row
                    if _must_wait(result):
                        groups = [each for each in groups if self._record(chunk[each[0]]).row != row]
                else:
                    for at, settled in zip(group, result, strict=True):
                        results[at] = settled
        return results

    def _groups(self, chunk: Sequence[Arrival], results: list[Settled | DistributaryError]) -> list[list[int]]:
        """The places of records that are settled by one decision; what is unreadable is told at once.

        A row that is written faster than it can be settled would hold up all others, were each of its records settled.
        """
        groups: list[list[int]] = []
        newest: dict[str, list[int]] = {}
        for at, arrival in enumerate(chunk):
            if isinstance(arrival.record, Unacceptable):
                results[at] = arrival.record
                continue
            if arrival.record.key.keys() != self.dataset.key.names:  # every peer would park every change
                results[at] = self._other_key(arrival.record)
                continue
            group = newest.get(arrival.record.row)
            if group and (self.settling.together or overwritten(self._record(chunk[group[-1]]), arrival.record)):
                group.append(at)
            else:
                newest[arrival.record.row] = [at]
                groups.append(newest[arrival.record.row])
        return groups

    def _other_key(self, record: StreamRecord) -> InvalidSettings:
        told, found = sorted(self.dataset.key.names), sorted(record.key)
        where = f"replication.toml: datasets.{self.dataset.name}.key"
        return InvalidSettings(f"{where}: names {', '.join(told)}; the table's key is {', '.join(found)}")

    def _first_of_each_row(
        self, chunk: Sequence[Arrival], groups: list[list[int]]
    ) -> tuple[list[list[int]], list[list[int]]]:
        turn: dict[str, list[int]] = {}
        later = [group for group in groups if turn.setdefault(self._record(chunk[group[0]]).row, group) is not group]
        return list(turn.values()), later

    def _decision(self, chunk: Sequence[Arrival], group: Sequence[int]) -> Decision[list[Settled]]:
        records = [self._record(chunk[at]) for at in group]
        ignore_expired = self.dataset.ttl_deletes is TtlDeletes.IGNORE
        return self.settling.decide(records, self._place(), ignore_expired=ignore_expired)

    def _ship(self, changes: Sequence[Change], report: CaptureReport) -> None:
        told = HandOver(self.dataset, self.region, self.inboxes, self.outbox, self.spread).ship(changes)
        report.shipped.update(told.shipped)
        report.held.update(told.held)

    def _park(self, parcels: list[Parcel], report: CaptureReport) -> None:
        if parcels:
            self.parking.park(parcels)
            report.parked.extend(parcels)

    def _parcel(self, arrival: Arrival, error: Unacceptable) -> Parcel:
        # As ASCII a letter takes six bytes or twelve, which deflate worse than its two to four: it may fit no message.
        payload = json.dumps(arrival.raw, default=str, ensure_ascii=False)
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
