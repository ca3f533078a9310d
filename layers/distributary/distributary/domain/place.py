"""Where and when a decision is made: the replica it is for, and the clock reading that it goes by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """The circumstances of one decision.

    region: the deciding replica's. now: microseconds, its clock. max_clock_drift: microseconds. unique: a text that
    no other decision is given; it tells one insert of ours from another.
    """

    dataset: str
    table: str
    region: str
    now: int
    max_clock_drift: int
    unique: str

    @property
    def latest(self) -> int:
        """The newest timestamp that can be believed, in microseconds."""
        return self.now + self.max_clock_drift
