"""Capture from a log: what applications have committed becomes changes in the inbox of every peer.

One call follows the log until shortly before its deadline. What was read is handed over durably before the log is told
to go on, so a crash in between repeats changes and loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial

from distributary.domain.alert import Alert, AlertKind
from distributary.domain.block import Block
from distributary.domain.change import Change
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset
from distributary.domain.errors import (
    Contended,
    DistributaryError,
    ItemTooLarge,
    MalformedRecord,
    ParentMissing,
    RetryLater,
    SchemaDiffers,
    SlotLost,
    Unacceptable,
    UnknownTable,
)
from distributary.domain.facts import LogReport
from distributary.domain.image import key_text
from distributary.domain.logged import Logged, LoggedBlock, Portion, last_states
from distributary.domain.message import pack
from distributary.domain.place import Place
from distributary.domain.row import Tombstone
from distributary.ports import Announcements, Bulk, ChangeLog, Journal, Parking, Replica, Source
from distributary.services.deciding import settling_inserted
from distributary.services.handover import HandOver
from distributary.services.incidents import Incidents
from distributary.services.joining import Joining, taken_apart
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
"""Microseconds between two reports."""

COMPLETED_AT_ONCE = 10
"""Rows whose large values are in memory together."""


@dataclass(frozen=True)
class CaptureLog:
    """The capture service of a replica with a log. clock: microseconds. sleep: seconds.

    bulk_of: the rows of a table, for logs that tell blocks; raises UnknownTable. journal: none where conflicts are
    counted only. deciding_of: the rows of a table where policies decide; raises TriggersBehind. None: `replica_of`.
    """

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
    bulk_of: Callable[[str], Bulk] | None = None
    journal: Journal | None = None
    deciding_of: Callable[[str], Replica] | None = None

    @property
    def _incidents(self) -> Incidents:
        return Incidents(self.dataset.name, self.parking, self.announcements, self.clock)

    def run(self, remaining: Callable[[], int]) -> Iterator[LogReport]:
        """Follow the log, and tell the facts of every period. remaining: milliseconds until the function's deadline."""
        told: set[Alert] = set()
        try:
            while remaining() > RESERVE:
                report = self._period(remaining, told)
                yield report
                if report.busy or not (report.failure is None or isinstance(report.failure, RetryLater)):
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
        except DistributaryError as error:
            report.failure = error
            if isinstance(error, SlotLost):
                self._incidents.announce([Alert(AlertKind.SLOT_LOST, self.dataset.name, str(error))], report, told)
        return report

    def _follow(self, remaining: Callable[[], int], report: LogReport, told: set[Alert]) -> None:
        """Read what comes for one period."""
        holding = self.log.hold()
        if holding is None:
            report.busy = True
            return
        report.retained = holding.retained
        self._incidents.announce(holding.alerts, report, told)
        pause, until = SHORTEST_PAUSE, self.clock() + PERIOD
        while self.clock() < until and remaining() > RESERVE:
            if self._read(remaining, report, told):
                pause = SHORTEST_PAUSE
            else:
                self.log.advance(None)
                self.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)

    def _read(self, remaining: Callable[[], int], report: LogReport, told: set[Alert]) -> bool:
        """Hand one reading over; whether there was any.

        Within a transaction the place is remembered after every portion, so that one that takes longer than a call is
        gone on with. The log itself is told to go on once a reading, since it looks through all it keeps for that.
        """
        end: int | None = None
        portion = None
        with closing(self.log.read(LIMIT)) as portions:
            for portion in portions:
                self._take(portion, report, told)
                end = portion.end if portion.end is not None else end
                if portion.within:
                    self.log.advance(None, portion.within)
                if remaining() < RESERVE:
                    break
        if end is not None and portion is not None:
            self.log.advance(end, portion.within)
        return portion is not None

    def _take(self, portion: Portion, report: LogReport, told: set[Alert]) -> None:
        report.writes += len(portion.writes) + portion.overtaken + sum(len(each.block) for each in portion.blocks)
        report.echoes += portion.echoes
        self._incidents.refuse(portion.refused, report)
        self._incidents.announce(portion.alerts, report, told)
        writes = last_states(portion.writes)
        report.overtaken += portion.overtaken + len(portion.writes) - len(writes)
        blocks, unjoined = taken_apart(portion.blocks)
        self._join([*(each for each in writes if not each.missing), *unjoined], report, told, blocks)
        for block in portion.arrived:
            self._bury(self._outlived(block), report)
        partial = [each for each in writes if each.missing]
        for start in range(0, len(partial), COMPLETED_AT_ONCE):
            some = partial[start : start + COMPLETED_AT_ONCE]
            found = self.source.complete(some)
            report.overtaken += len(some) - len(found)
            unreadable = MalformedRecord("columns that the log left out cannot be read from the row")
            self._incidents.give_up([each.change for each in found if each.missing], unreadable, report, told)
            self._join([each for each in found if not each.missing], report, told)
            # Another write has overtaken the rest, which may not tell that the key is new.
            read = {(each.change.table, each.change.row) for each in found}
            left = [each.change for each in some if (each.change.table, each.change.row) not in read and each.inserted]
            self._bury(left, report)

    def _join(
        self, writes: Sequence[Logged], report: LogReport, told: set[Alert], blocks: Sequence[LoggedBlock] = ()
    ) -> None:
        """Ship writes as their policies' functions join them, and show at home what was shipped."""
        outbox, deciding_of = self.handover.outbox, self.deciding_of or self.replica_of
        joining = Joining(self.dataset, self.region, deciding_of, outbox, self._incidents, self.clock)
        ready, late, failed = joining.joined(writes, report, told)
        self._ship(ready, report, told, blocks)
        joining.show(late, report)
        self._bury([each.change for each in failed if each.inserted], report)

    def _ship(
        self, writes: Sequence[Logged], report: LogReport, told: set[Alert], blocks: Sequence[LoggedBlock] = ()
    ) -> None:
        """Hand changes over; a row inserted while a newer deletion came is removed here, as it will be elsewhere."""
        try:
            handed = self.handover.ship([each.change for each in writes], [each.block for each in blocks])
        except ItemTooLarge:  # which row it is shows when each is a change of its own
            self._ship([*writes, *(write for each in blocks for write in each.writes())], report, told)
            return
        report.shipped.update(handed.shipped)
        report.held.update(handed.held)
        for change, error in handed.too_large:
            self._incidents.give_up([change], error, report, told)
        lost = {id(change) for change, _ in handed.too_large}
        self._bury([each.change for each in writes if each.inserted and id(each.change) not in lost], report)
        for each in blocks:
            self._bury(self._outlived(each.block.pick(each.inserted)), report)

    def _outlived(self, inserted: Block) -> Sequence[Change]:
        """Which of these inserts a tombstone covers."""
        if not len(inserted) or self.bulk_of is None:
            return list(inserted.changes())
        try:
            return [inserted.change(at) for at in self.bulk_of(inserted.table).outlived(inserted)]
        except (UnknownTable, SchemaDiffers):  # dropped or altered since, and its rows with it
            return []

    def _bury(self, inserted: Sequence[Change], report: LogReport) -> None:
        tables: dict[str, list[Change]] = {}
        for each in inserted:
            if each.image is not None:
                tables.setdefault(each.table, []).append(each)
        for table, changes in tables.items():
            with suppress(UnknownTable, SchemaDiffers):  # dropped or altered since, and its rows with it
                self._bury_in(self.replica_of(table), changes, report)

    def _bury_in(self, replica: Replica, inserted: Sequence[Change], report: LogReport) -> None:
        noted = replica.look_back([change.key for change in inserted])
        changes = [change for change in inserted if noted[key_text(change.key)] is not None]
        now, drift = self.clock(), self.dataset.max_clock_drift
        place = Place(self.dataset.name, inserted[0].table, self.region, now, drift, "")
        settle = settling_inserted(self.dataset, place.table)
        decisions = [(change.key, settle(change.key, place)) for change in changes]
        for change, result in zip(changes, run(replica, decisions, partial(self._keep, report)), strict=True):
            if isinstance(result, Contended):  # an application keeps the row locked: it can wait in our own inbox
                later = list(pack(self.dataset, self.region, [_deletion(change, noted[key_text(change.key)])]))
                self.handover.outbox.hold(self.region, later)
            elif isinstance(result, Unacceptable | ParentMissing):
                # Such as a child that keeps its parent here. Waiting would keep all others; a redrive tries again.
                payload = "".join(pack(self.dataset, self.region, [_deletion(change, noted[key_text(change.key)])]))
                self._incidents.park([self._incidents.parcel(result, payload, redrivable=True)], report)
            elif isinstance(result, DistributaryError) and not isinstance(result, SchemaDiffers):
                raise result

    def _keep(self, report: LogReport, conflicts: Sequence[Conflict]) -> None:
        report.conflicts += len(conflicts)
        report.unjournaled += self.journal.record(conflicts) if self.journal is not None else 0


def _deletion(inserted: Change, noted: Tombstone | None) -> Change:
    """The deletion that a row was inserted under, as a change to try again; an echo's columns are not known here."""
    if noted is None or noted.deletion is None:
        return inserted
    return replace(inserted, image=None, version=noted.deletion, context=noted.context)
