"""Redrive: parked payloads go back the way they came, through the outbox and the inbox of this region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from distributary.domain.facts import RedriveReport
from distributary.domain.parcel import Parcel
from distributary.ports import Outbox, Parked


@dataclass(frozen=True)
class Redrive:
    """The redrive service of one replica. Sending again what has been sent does no harm: a merge compares versions."""

    region: str
    parked: Parked
    outbox: Outbox

    def run(self, limit: int, wanted: Callable[[Parcel], bool]) -> RedriveReport:
        """Send up to `limit` parcels again; raw stream records cannot be sent and are left, like those not wanted."""
        report = RedriveReport()
        for receipt, parcel in reversed(self.parked.take(limit)):
            if not (parcel.redrivable and wanted(parcel)):
                self.parked.put_back(receipt)
                report.left[parcel.reason] += 1
                continue
            self.outbox.hold(self.region, [parcel.payload])
            self.parked.discard(receipt)
            report.sent[parcel.reason] += 1
        return report
