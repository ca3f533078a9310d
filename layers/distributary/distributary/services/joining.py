"""Joins what the triggers of an SQL database could not: capture does, before it ships a write and in the home row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from distributary.domain.alert import Alert
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.errors import (
    DistributaryError,
    ItemTooLarge,
    RetryLater,
    SchemaDiffers,
    TriggersBehind,
    Unacceptable,
    UnknownTable,
)
from distributary.domain.facts import LogReport
from distributary.domain.logged import Logged, LoggedBlock
from distributary.domain.message import pack
from distributary.domain.place import Place
from distributary.domain.state_texts import document_in
from distributary.domain.unjoined import joined, show_joined, tells_of_unjoined
from distributary.ports import Outbox, Replica
from distributary.services.deciding import stamped_lattice
from distributary.services.incidents import Incidents
from distributary.services.rounds import run


def taken_apart(blocks: Sequence[LoggedBlock]) -> tuple[list[LoggedBlock], list[Logged]]:
    """What travels as it is, and the writes of which something is left to be joined."""
    whole: list[LoggedBlock] = []
    unjoined: list[Logged] = []
    for each in blocks:
        states = each.block.states or ()
        # Most rows are told by their text to have nothing of the kind.
        late = {at for at, text in enumerate(states) if text and '"q"' in text and tells_of_unjoined(document_in(text))}
        if not late:
            whole.append(each)
            continue
        unjoined += [write for at, write in enumerate(each.writes()) if at in late]
        left = [at for at in range(len(each.block)) if at not in late]
        inserted = tuple(place for place, at in enumerate(left) if at in each.inserted)
        whole += [LoggedBlock(each.block.pick(left), inserted)] if left else []
    return whole, unjoined


class Joined(NamedTuple):
    """Writes as they travel; of these, what was joined; and what a function has failed at, which is parked."""

    ready: list[Logged]
    late: list[Change]
    failed: list[Logged]


@dataclass(frozen=True)
class Joining:
    """The joining of one replica's own writes. clock: see `CaptureLog`. replica_of: its `deciding_of`.

    outbox: takes what cannot be shown at once, such as while an application keeps the row locked; it comes back through
    the inbox of this region, where it can wait.
    """

    dataset: Dataset
    region: str
    replica_of: Callable[[str], Replica]
    outbox: Outbox
    incidents: Incidents
    clock: Callable[[], int]

    def joined(self, writes: Sequence[Logged], report: LogReport, told: set[Alert]) -> Joined:
        """Join what is left to be joined."""
        ready, late, failed = Joined([], [], [])
        for each in writes:
            if not tells_of_unjoined(each.change.state):
                ready.append(each)
                continue
            try:
                change = joined(each.change, stamped_lattice(self.dataset, each.change.table))
            except Unacceptable as error:
                self.incidents.give_up([each.change], error, report, told)
                failed.append(each)
                continue
            ready.append(replace(each, change=change))
            late.append(change)
        return Joined(ready, late, failed)

    def show(self, late: Sequence[Change], report: LogReport) -> None:
        """Make the home rows show what was shipped, now or as soon as that is possible."""
        tables: dict[str, dict[str, Change]] = {}
        for each in late:
            tables.setdefault(each.table, {})[each.row] = each
        for table, rows in tables.items():
            with suppress(UnknownTable, SchemaDiffers):  # dropped or altered since, and its rows with it
                self._show_in(table, list(rows.values()), report)

    def _show_in(self, table: str, changes: Sequence[Change], report: LogReport) -> None:
        lattice = stamped_lattice(self.dataset, table)
        if lattice is None:
            return
        place = Place(self.dataset.name, table, self.region, self.clock(), self.dataset.max_clock_drift, "")
        results: Sequence[DistributaryError | None]
        try:
            decisions = [(change.key, show_joined(change, place, lattice)) for change in changes]
            results = run(self.replica_of(table), decisions)
        except TriggersBehind as error:
            results = [error] * len(changes)
        for change, result in zip(changes, results, strict=True):
            with suppress(ItemTooLarge):  # not shipped either, and parked for that
                self._conclude(change, result, report)

    def _conclude(self, change: Change, result: DistributaryError | None, report: LogReport) -> None:
        if isinstance(result, RetryLater):
            self.outbox.hold(self.region, list(pack(self.dataset, self.region, [change])))
        elif isinstance(result, Unacceptable):  # such as a value that the column cannot hold
            (payload,) = pack(self.dataset, self.region, [change])
            self.incidents.park([self.incidents.parcel(result, payload, redrivable=True)], report)
        elif isinstance(result, DistributaryError):
            raise result
