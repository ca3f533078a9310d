"""What is parked: a payload that could not be taken, with its reason and the advice to the operator."""

from __future__ import annotations

from dataclasses import dataclass

from distributary.domain.errors import DistributaryError

DETAIL_LIMIT = 1_000
"""Characters of an error's message: one that repeats what it refuses may be as long as the payload itself."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parked payload.

    reason: the error's class. detail: its message, cut. hint: what to do. payload: an inbox message that can be
    redriven as it is, or the JSON of the record where no change could be made of it. redrivable: which of the two.
    parked_at: microseconds.
    """

    dataset: str
    reason: str
    detail: str
    hint: str
    payload: str
    redrivable: bool
    parked_at: int


def parcel(dataset: str, error: DistributaryError, payload: str, *, redrivable: bool, parked_at: int) -> Parcel:
    """Wrap a payload with the error that it met."""
    return Parcel(dataset, type(error).__name__, str(error)[:DETAIL_LIMIT], error.hint, payload, redrivable, parked_at)
