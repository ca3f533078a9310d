"""A parcel says whose payload it is, what it met and what to do about it."""

from __future__ import annotations

from distributary.domain.errors import ClockDrift
from distributary.domain.parcel import Parcel, parcel


def test_a_parcel_carries_the_errors_name_message_and_advice() -> None:
    wrapped = parcel("orders", ClockDrift("an hour ahead"), "the payload", redrivable=True, parked_at=5)
    assert wrapped == Parcel("orders", "ClockDrift", "an hour ahead", ClockDrift.hint, "the payload", True, 5)
