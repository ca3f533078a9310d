"""Capture from a log: what applications have committed becomes changes in the inbox of every peer.

One call follows the log until shortly before its deadline. What was read is handed over durably before the log is told
to go on, so a crash in between repeats changes and loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from distributary.domain.alert import Alert, AlertKind
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.errors import DistributaryError, MalformedRecord, Misconfigured, RetryLater, SlotLost
from distributary.domain.facts import LogReport
from distributary.domain.logged import Logged, Portion, last_states
from distributary.domain.parcel import parcel
from distributary.domain.place import Place
from distributary.domain.stamped_merge import settle_inserted
from distributary.ports import Announcements, ChangeLog, Parking, Replica, Source
from distributary.services.handover import HandOver
from distributary.services.rounds import run

LIMIT = 20_000
"""Changes of one reading, up to the end of the transaction that passes it."""

RESERVE = 15_000
"""Milliseconds that must be left to read on: a portion's calls and a hand-over through the outbox."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.05
"""Seconds between two looks at a log that tells nothing new; the pause doubles from the one to the other."""

TROUBLE_PAUSE = 1.0
"""Seconds before a database that was not ready is asked again."""

PERIOD = 10_000_000
"""Microseconds between two reports; after one without news the log is told to go on, lest it keep all."""


@dataclass(frozen=True)
class CaptureLog:
    """The capture service of a replica with a log. clock: microseconds. sleep: seconds."""

    dataset: Dataset
    region: str
    log: ChangeLog
    source: Source
    replica_of: Callable[[str], Replica]
    handover: HandOver
    parking: Parking
    announcements: Announcements
    clock: Callable[[], int]
    sleep: Callable[[float], None]

    def run(self, remaining: Callable[[], int]) -> Iterator[LogReport]:
        """Follow the log, and tell the facts of every period. remaining: milliseconds until the function's deadline."""
        told: set[Alert] = set()
        try:
            while remaining() > RESERVE:
                report = self._period(remaining, told)
                yield report
                if report.busy or isinstance(report.failure, Misconfigured):
                    return
        finally:
            self.log.release()

    def _period(self, remaining: Callable[[], int], told: set[Alert]) -> LogReport:
        report = LogReport()
        try:
            self._follow(remaining, report, told)
        except RetryLater as error:
            report.failure = error
            self.sleep(TROUBLE_PAUSE)
        except Misconfigured as error:
            report.failure = error
            if isinstance(error, SlotLost):
                self._announce([Alert(AlertKind.SLOT_LOST, self.dataset.name, str(error))], report, told)
        return report

    def _follow(self, remaining: Callable[[], int], report: LogReport, told: set[Alert]) -> None:
        """Read what comes for one period."""
        holding = self.log.hold()
        if holding is None:
            report.busy = True
            return
        report.retained = holding.retained
        self._announce(holding.alerts, report, told)
        pause, until, quiet = SHORTEST_PAUSE, self.clock() + PERIOD, True
        while self.clock() < until and remaining() > RESERVE:
            if self._read(remaining, report, told):
                pause, quiet = SHORTEST_PAUSE, False
            else:
                self.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
        if quiet:
            self.log.advance(None)

    def _read(self, remaining: Callable[[], int], report: LogReport, told: set[Alert]) -> bool:
        """Hand one reading over; whether there was any."""
        end: int | None = None
        portions = self.log.read(LIMIT)
        read = False
        for portion in portions:
            read = True
            self._take(portion, report, told)
            end = portion.end if portion.end is not None else end
            if remaining() < RESERVE:
                break
        _close(portions)
        if end is not None:
            self.log.advance(end)
        return read

    def _take(self, portion: Portion, report: LogReport, told: set[Alert]) -> None:
        writes = last_states(portion.writes)
        whole = [each for each in writes if not each.missing]
        whole += self.source.complete([each for each in writes if each.missing])
        self._park(portion, report)
        handed = self.handover.ship(self._still_there(whole))
        report.shipped.update(handed.shipped)
        report.held.update(handed.held)
        report.writes += len(portion.writes)
        report.echoes += portion.echoes
        report.overtaken += len(portion.writes) - len(whole)
        self._announce(portion.alerts, report, told)

    def _still_there(self, writes: Sequence[Logged]) -> list[Change]:
        """The changes of writes; a row inserted while a newer deletion came is removed here too."""
        tables: dict[str, list[Change]] = {}
        for each in writes:
            if each.inserted and each.change.image is not None:
                tables.setdefault(each.change.table, []).append(each.change)
        for table, changes in tables.items():
            now, drift = self.clock(), self.dataset.max_clock_drift
            decisions = [
                (change.key, settle_inserted(Place(self.dataset.name, table, self.region, now, drift, "")))
                for change in changes
            ]
            for result in run(self.replica_of(table), decisions):
                if isinstance(result, DistributaryError):
                    raise result
        return [each.change for each in writes]

    def _park(self, portion: Portion, report: LogReport) -> None:
        error = MalformedRecord("a row without a stamp: the triggers of its table were off")
        parcels = [
            parcel(self.dataset.name, error, row, redrivable=False, parked_at=self.clock()) for row in portion.unstamped
        ]
        if parcels:
            self.parking.park(parcels)
            report.parked.extend(parcels)

    def _announce(self, alerts: Sequence[Alert], report: LogReport, told: set[Alert]) -> None:
        """Report alerts in every period, announce each once a call."""
        report.alerts.extend(alerts)
        fresh = [alert for alert in alerts if alert not in told]
        if not fresh:
            return
        try:
            self.announcements.announce(fresh)
        except (RetryLater, Misconfigured):
            report.unannounced += len(fresh)  # they are in the log line and the metrics all the same
        else:
            told.update(fresh)


def _close(portions: Iterator[Portion]) -> None:
    """End a reading that was left early: the database's cursor is open until then."""
    close = getattr(portions, "close", None)
    if close is not None:
        close()
