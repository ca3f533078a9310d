"""Where and when a decision is made: the replica it is for, and the clock reading that it goes by."""

from __future__ import annotations

from dataclasses import dataclass, replace

from distributary.domain.change import StreamRecord


@dataclass(frozen=True, slots=True)
class Place:
    """The circumstances of one decision.

    region: the deciding replica's. now: microseconds, its clock. max_clock_drift: microseconds. unique: a text that
    no other decision is given; it tells one insert of ours from another. believed: microseconds; timestamps until then
    are believed whatever this clock says.
    """

    dataset: str
    table: str
    region: str
    now: int
    max_clock_drift: int
    unique: str
    believed: int = 0

    @property
    def latest(self) -> int:
        """The newest timestamp that can be believed, in microseconds."""
        return max(self.now + self.max_clock_drift, self.believed)

    def settling(self, record: StreamRecord) -> Place:
        """This place for settling a record: with trust in what it shows, and in versions one above another from there.

        The stream's clock may be ahead of this one, and what is believed of a record has to be remembered of it.
        """
        return replace(self, believed=max(self.believed, trusted_until(record, self) + record.granularity))


def trusted_until(record: StreamRecord, place: Place) -> int:
    """The newest timestamp that is believed of what a record shows, in microseconds: each time it is read, the same."""
    return record.created_at + record.granularity + place.max_clock_drift
