"""What a log tells that is not shipped: parked for a person to read, and announced for automation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from distributary.domain.alert import Alert, AlertKind
from distributary.domain.change import Change
from distributary.domain.errors import DistributaryError, MalformedRecord
from distributary.domain.facts import LogReport
from distributary.domain.logged import Refused
from distributary.domain.parcel import Parcel, parcel
from distributary.domain.stamp import version_text
from distributary.ports import Announcements, Parking

PARCEL_SIZE = 200_000
"""Characters of refused rows that are parked in one parcel, or one row."""


@dataclass(frozen=True)
class Incidents:
    """Where such things go. dataset: its name. clock: microseconds."""

    dataset: str
    parking: Parking
    announcements: Announcements
    clock: Callable[[], int]

    def refuse(self, refused: Sequence[Refused], report: LogReport) -> None:
        """Park what cannot be a change, many rows in a parcel."""
        groups: dict[AlertKind, list[str]] = {}
        for each in refused:
            groups.setdefault(each.why, []).append(each.payload)
        parcels = []
        for why, payloads in groups.items():
            error = MalformedRecord(f"rows that cannot be changes: {why.value}")
            parcels += [self.parcel(error, f"[{', '.join(batch)}]") for batch in _batches(payloads)]
        self.park(parcels, report)

    def give_up(self, changes: Sequence[Change], error: DistributaryError, report: LogReport, told: set[Alert]) -> None:
        """Park which rows cannot be shipped. Their content is in the rows; it would not fit a parcel either."""
        for each in changes:
            payload = {"table": each.table, "key": each.key, "version": version_text(each.version)}
            self.park([self.parcel(error, json.dumps(payload))], report)
        subjects = sorted({each.table for each in changes})
        self.announce([Alert(AlertKind.NOT_SHIPPED, each, str(error)) for each in subjects], report, told)

    def parcel(self, error: DistributaryError, payload: str, *, redrivable: bool = False) -> Parcel:
        """A parcel of ours."""
        return parcel(self.dataset, error, payload, redrivable=redrivable, parked_at=self.clock())

    def park(self, parcels: list[Parcel], report: LogReport) -> None:
        """Park, and report it; raises what parking raises."""
        if parcels:
            self.parking.park(parcels)
            report.parked.extend(parcels)

    def announce(self, alerts: Sequence[Alert], report: LogReport, told: set[Alert]) -> None:
        """Report alerts in every period, announce each once a call."""
        report.alerts.extend(alerts)
        fresh = [alert for alert in dict.fromkeys(alerts) if alert not in told]
        if not fresh:
            return
        try:
            self.announcements.announce(fresh)
        except DistributaryError:
            report.unannounced += len(fresh)  # they are in the log line and the metrics all the same
        else:
            told.update(fresh)


def _batches(payloads: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for payload in payloads:
        if batch and size + len(payload) > PARCEL_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(payload)
        size += len(payload)
    if batch:
        yield batch
