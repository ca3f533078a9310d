"""Bad input, each kind by name: it ends in a clear error or in the parked queue, and nothing behind it waits."""

from __future__ import annotations

from typing import Any

import pytest

from distributary.adapters.lambda_events import arrivals
from distributary.domain.change import Change
from distributary.domain.errors import ItemTooLarge, OutOfTime
from distributary.domain.facts import CaptureReport
from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.message import unpack
from tests.unit.sites import (
    HOME,
    NOW,
    ORDERS,
    PEER,
    SECOND,
    Site,
    change_of,
    item,
    key,
    message,
    plenty,
)
from tests.unit.test_apply import apply, receive

ITEM_LIMIT = 400 * 1024
RESERVED_AND_DOTTED: Image = {
    **key(),
    "select": {"S": "reserved"},
    "SIZE": {"N": "1"},
    "a.b": {"S": "dotted"},
    "a": {"M": {"b": {"S": "nested"}, "c.d[0]": {"N": "1"}}},
    "#name": {"S": "hash"},
    ":value": {"S": "colon"},
    "'quoted' \"twice\"": {"S": "quotes"},
    "ünïcödé 漢字": {"BOOL": True},
    " ": {"NULL": True},
}


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def event(pk: str, sequence: int, *, new: Image | None, old: Image | None = None) -> dict[str, Any]:
    """A record as Lambda delivers it; an image that is none is left out of a MODIFY."""
    images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image is not None}
    body = {"Keys": key(pk), "SequenceNumber": str(sequence), "ApproximateCreationDateTime": NOW // SECOND, **images}
    return {"eventName": "MODIFY", "dynamodb": {**body, "StreamViewType": "KEYS_ONLY"}}


def capture(site: Site, *events: dict[str, Any]) -> CaptureReport:
    taken = arrivals({"Records": list(events)}) if events else site.arrivals()
    return site.capture().run(taken, plenty)


def shipped(site: Site) -> list[Change]:
    return [change for held in site.queues[PEER].messages.values() for change in unpack(held.body, ORDERS)]


def size(image: Image) -> int:
    """As the database counts it, for texts."""
    return sum(len(name.encode()) + len(str(value.get("S", "")).encode()) for name, value in image.items())


def test_a_record_without_the_new_image_is_parked_and_what_is_behind_it_goes_on(site: Site) -> None:
    good = event("b", 2, old=item("b", n=1), new=item("b", n=2))
    report = capture(site, event("a", 1, old=item("a", n=1), new=None), good)
    assert report.failure is None
    assert [parcel.detail for parcel in report.parked] == [
        "MODIFY without NewImage; the stream's view type is KEYS_ONLY"
    ]
    assert "NEW_AND_OLD_IMAGES" in report.parked[0].hint
    assert [change.image for change in shipped(site)] == [item("b", n=2)]


@pytest.mark.parametrize("value", [{"S": "nonsense"}, {"S": ""}, {"N": "5"}, {"M": {}}, {"SS": ["x"]}], ids=str)
def test_an_unreadable_stamp_is_replaced_by_a_good_one(site: Site, value: Image) -> None:
    site.put_image({**item(n=1), STAMP_ATTRIBUTE: value})
    assert capture(site).failure is None
    assert [change.image for change in shipped(site)] == [item(n=1)]
    assert site.present().settled


def test_a_forged_stamp_from_the_future_gives_its_row_no_advantage(site: Site) -> None:
    forger = Site(PEER)
    forger.merge(change_of(n=1, at=NOW + 10**12))
    site.put_image(forger.present().image)
    capture(site)
    (change,) = shipped(site)
    assert change.version.timestamp <= site.now
    assert change.version.region == HOME
    assert site.merge(change_of(n=2, at=site.now + SECOND)).effect.value == "replaced"


def test_a_forged_message_from_the_future_is_parked(site: Site) -> None:
    report = apply(site, message(change_of(n=1, at=NOW + 10**12), change_of("b", n=1)))
    assert [parcel.reason for parcel in report.parked] == ["ClockDrift"]
    assert (site.content("a"), site.content("b")) == (None, item("b", n=1))


def test_a_stamp_copied_from_an_older_read_is_a_local_write(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    read = site.present().image
    site.update(n=2)
    site.settle_all()
    site.put_image({**read, "n": {"N": "3"}})
    change = site.change()
    assert (change.image, site.content()) == (item(n=3), item(n=3))
    assert site.present().version == change.version


def test_attributes_that_are_reserved_words_or_contain_dots_are_captured(site: Site) -> None:
    site.put_image(RESERVED_AND_DOTTED)
    capture(site)
    (change,) = shipped(site)
    assert change.image == RESERVED_AND_DOTTED
    assert site.content() == RESERVED_AND_DOTTED
    assert site.present().settled


def test_attributes_that_are_reserved_words_or_contain_dots_are_applied() -> None:
    home, peer = Site(HOME), Site(PEER)
    home.put_image(RESERVED_AND_DOTTED)
    home.put_image({**RESERVED_AND_DOTTED, "a.b": {"S": "again"}})
    for change in home.changes():
        peer.merge(change)
    assert peer.state() == home.state()


def test_an_item_that_only_our_stamp_pushes_over_the_limit_is_parked_at_home_and_the_rest_goes_on(site: Site) -> None:
    large = item("a", text="x" * (ITEM_LIMIT - 100))
    site.put_image(large)
    site.put("b", n=1)
    site.replica.limit = ITEM_LIMIT
    assert size(large) < ITEM_LIMIT
    report = capture(site)
    assert report.failure is None
    assert [(parcel.reason, parcel.hint) for parcel in report.parked] == [("ItemTooLarge", ItemTooLarge.hint)]
    assert [change.image for change in shipped(site)] == [item("b", n=1)]


def test_an_item_that_only_our_stamp_pushes_over_the_limit_is_parked_where_it_lands(site: Site) -> None:
    site.replica.limit = ITEM_LIMIT
    large = change_of("a", text="x" * (ITEM_LIMIT - 100))
    report = apply(site, message(large, change_of("b", n=1)))
    (parcel,) = report.parked
    assert (parcel.reason, unpack(parcel.payload, ORDERS)) == ("ItemTooLarge", [large])
    assert (site.content("b"), report.failed) == (item("b", n=1), {})


@pytest.mark.parametrize("body", ["", "hello", "{}", "[]", '{"Records": []}', "deflate:x"])
def test_an_inbox_message_that_is_not_ours_is_parked(site: Site, body: str) -> None:
    report = apply(site, body, message(change_of(n=1)))
    assert [(parcel.reason, parcel.payload) for parcel in report.parked] == [("MalformedMessage", body)]
    assert (site.content(), report.failed) == (item(n=1), {})


@pytest.mark.parametrize(
    ("found", "instead", "reason"),
    [
        ('"format": 1', '"format": 99', "UnknownFormat"),
        ('"dataset": "orders"', '"dataset": "invoices"', "UnknownDataset"),
        (f'"policies": "{ORDERS.policies}"', '"policies": "another"', "PoliciesDiffer"),
    ],
)
def test_a_message_of_an_unknown_version_dataset_or_policy_is_parked(
    site: Site, found: str, instead: str, reason: str
) -> None:
    body = message(change_of("a", n=1)).replace(found, instead)
    report = apply(site, body, message(change_of("b", n=1)))
    assert [(parcel.reason, parcel.payload) for parcel in report.parked] == [(reason, body)]
    assert site.content("b") == item("b", n=1)


def test_an_empty_batch_is_done_by_every_function(site: Site) -> None:
    assert site.capture().run(arrivals({"Records": []}), plenty).failure is None
    assert site.capture().run(arrivals({}), plenty).failure is None
    assert site.apply().run([], plenty).failed == {}
    assert site.forward().run([], plenty).failed == {}
    assert site.accesses == []


def test_a_remaining_time_of_zero_is_not_taken_for_unset(site: Site) -> None:
    site.put(n=1)
    captured = site.capture().run(site.arrivals(), lambda: 0).failure
    applied = site.apply().run(receive(site, message(change_of())), lambda: 0)
    assert captured is not None
    assert (captured.position, type(captured.error)) == ("1", OutOfTime)
    assert [type(error) for error in applied.failed.values()] == [OutOfTime]
    assert site.accesses == []
