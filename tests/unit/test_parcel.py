"""A parcel says whose payload it is, what it met and what to do about it."""

from __future__ import annotations

import random
import string

import pytest

from distributary.adapters.parcels import LIMIT, parcel_from, parcel_text
from distributary.domain.errors import ClockDrift, MalformedMessage, UnknownFormat
from distributary.domain.message import LIMIT as MESSAGE
from distributary.domain.message import unpack
from distributary.domain.parcel import DETAIL_LIMIT, Parcel, parcel
from tests.unit.stamped_sites import SHOP
from tests.unit.test_hostile_blocks import block, envelope

LONG = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=MESSAGE))


def test_a_parcel_carries_the_errors_name_message_and_advice() -> None:
    wrapped = parcel("orders", ClockDrift("an hour ahead"), "the payload", redrivable=True, parked_at=5)
    assert wrapped == Parcel("orders", "ClockDrift", "an hour ahead", ClockDrift.hint, "the payload", True, 5)


@pytest.mark.parametrize(
    "payload", [block(table=LONG), block(captured_at=LONG), block(key=[LONG]), envelope(format=LONG), LONG]
)
def test_a_message_of_the_largest_size_is_parked_whole_whatever_its_refusal_repeats(payload: str) -> None:
    with pytest.raises((MalformedMessage, UnknownFormat)) as refused:
        unpack(payload, SHOP)
    parked = parcel("shop", refused.value, payload, redrivable=True, parked_at=5)
    text = parcel_text(parked)
    assert len(text) <= LIMIT
    assert parcel_from(text) == parked


def test_of_a_long_refusal_the_beginning_is_kept() -> None:
    wrapped = parcel("orders", ClockDrift("ahead" + "x" * 2_000), "the payload", redrivable=True, parked_at=5)
    assert len(wrapped.detail) == DETAIL_LIMIT
    assert wrapped.detail.startswith("ahead")
