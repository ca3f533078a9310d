"""A parcel says whose payload it is, what it met and what to do about it."""

from __future__ import annotations

import json
import random
import string

import pytest

from distributary.adapters.parcels import LIMIT, parcel_from, parcel_text
from distributary.domain.delivery import Arrival
from distributary.domain.errors import ClockDrift, ItemTooLarge, MalformedMessage, UnknownFormat
from distributary.domain.message import LIMIT as MESSAGE
from distributary.domain.message import unpack
from distributary.domain.parcel import DETAIL_LIMIT, Parcel, parcel
from tests.unit.sites import HOME, Site, plenty
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


def letters(ranges: list[tuple[int, int]], size: int, seed: int) -> str:
    """Text of so many bytes that nothing makes shorter."""
    draw = random.Random(seed)
    text = "".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(size))
    return text.encode()[:size].decode(errors="ignore")


@pytest.mark.parametrize(
    "ranges",
    [
        [(0x20, 0x7F)],
        [(0xA0, 0x800)],
        [(0x4E00, 0x9FFF)],
        [(0x10000, 0x110000)],
        [(0x20, 0x7F), (0xA0, 0x800), (0x4E00, 0x9FFF)],
    ],
    ids=["ASCII", "two bytes", "three bytes", "four bytes", "mixed"],
)
def test_the_largest_record_fits_a_parcel_whatever_its_script(ranges: list[tuple[int, int]]) -> None:
    """A record that could not be parked would hold up its shard until it expires."""
    site = Site(HOME)
    site.put(text=letters(ranges, 400_000, 1))
    site.put(text=letters(ranges, 409_000, 2))
    record = site.last()
    assert record.old is not None
    assert record.new is not None
    raw = {"dynamodb": {"Keys": record.key, "OldImage": record.old.image, "NewImage": record.new.image}}
    site.capture().run([Arrival("2", ItemTooLarge("with its stamp"), raw)], plenty)
    (parked,) = site.parking.parcels
    text = parcel_text(parked)
    assert len(text) <= LIMIT
    assert parcel_from(text) == parked
    assert json.loads(parked.payload) == raw


def test_what_is_no_text_is_parked_as_well() -> None:
    wrapped = parcel("orders", UnknownFormat("x"), "\ud800" + LONG * 2, redrivable=False, parked_at=5)
    assert parcel_from(parcel_text(wrapped)) == wrapped
