"""The forward service brings the outbox to the peers; a region that is still down delays no other."""

from __future__ import annotations

import pytest

from distributary.domain.delivery import Received
from distributary.domain.errors import AccessDenied, DistributaryError, OutOfTime, Throttled, Unavailable
from distributary.domain.facts import ForwardReport
from tests.unit.sites import FAR, HOME, PEER, SECOND, Site, plenty


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def receive(site: Site, *held: tuple[str, str]) -> list[Received]:
    """Hold bodies for regions, and receive them."""
    for region, body in held:
        site.outbox.hold(region, [body])
    site.accesses.clear()
    return [site.held.receive(name) for name in site.held.visible()]


def forward(site: Site, *held: tuple[str, str]) -> ForwardReport:
    return site.forward().run(receive(site, *held), plenty)


def inbox(site: Site, region: str) -> list[str]:
    return [message.body for message in site.queues[region].messages.values()]


def test_a_held_message_goes_to_its_destination_as_it_is(site: Site) -> None:
    report = forward(site, (PEER, "one"), (FAR, "two"))
    assert (inbox(site, PEER), inbox(site, FAR)) == (["one"], ["two"])
    assert (report.messages, report.sent, report.failed) == (2, {PEER: 1, FAR: 1}, {})


@pytest.mark.parametrize("error", [Unavailable("x"), Throttled("x"), AccessDenied("x")], ids=repr)
def test_a_region_that_is_still_down_delays_no_other(site: Site, error: DistributaryError) -> None:
    site.fail(f"send {PEER}", error)
    report = forward(site, (PEER, "one"), (FAR, "two"), (PEER, "three"), (FAR, "four"))
    assert inbox(site, FAR) == ["two", "four"]
    assert list(report.failed.values()) == [error, error]


def test_a_region_that_hangs_is_tried_once_a_batch(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("timeout"), times=9)
    forward(site, *[(PEER, str(n)) for n in range(9)])
    assert site.accesses.count(f"send {PEER}") == 1


def test_the_pauses_grow_while_a_region_is_down(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("down"), times=12)
    site.outbox.hold(PEER, ["one"])
    (held,) = site.held.messages.values()
    pauses = []
    for _ in range(12):
        forward(site)
        pauses.append((held.visible_at - site.now) // SECOND)
        site.now = held.visible_at
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800]


def test_it_is_told_for_how_long_a_message_has_been_tried(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("down"), times=9)
    waited = [forward(site, (PEER, "one")).waited]
    for _ in range(3):
        site.now += 200 * SECOND
        waited.append(forward(site, (PEER, "another")).waited)
    assert waited == [0, 200 * SECOND, 400 * SECOND, 600 * SECOND]


def test_what_has_gone_waits_no_more(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("down"))
    forward(site, (PEER, "one"))
    site.now += 200 * SECOND
    assert forward(site).waited == 0


def test_a_message_goes_as_soon_as_its_region_is_back(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("down"))
    forward(site, (PEER, "one"))
    site.now += 2 * SECOND
    assert forward(site).failed == {}
    assert inbox(site, PEER) == ["one"]


@pytest.mark.parametrize("destination", ["eu-north-1", ""])
def test_a_message_for_an_unknown_destination_is_parked_and_delays_no_other(site: Site, destination: str) -> None:
    report = forward(site, (destination, "lost"), (PEER, "one"))
    (parcel,) = site.parking.parcels
    assert (parcel.reason, parcel.payload) == ("MalformedMessage", "lost")
    assert repr(destination) in parcel.detail
    assert (report.failed, inbox(site, PEER)) == ({}, ["one"])


def test_a_message_without_a_destination_is_parked(site: Site) -> None:
    site.held.send("lost")
    assert [parcel.payload for parcel in forward(site).parked] == ["lost"]


def test_parking_that_is_down_makes_the_message_come_again(site: Site) -> None:
    site.fail("park", Unavailable("down"))
    report = forward(site, ("eu-north-1", "lost"), (PEER, "one"))
    assert (len(report.failed), report.parked, inbox(site, PEER)) == (1, [], ["one"])


@pytest.mark.parametrize("left", [0, 9_999])
def test_no_time_left_makes_every_message_come_again_at_once(site: Site, left: int) -> None:
    report = site.forward().run(receive(site, (PEER, "one"), (FAR, "two")), lambda: left)
    assert [type(error) for error in report.failed.values()] == [OutOfTime, OutOfTime]
    assert site.accesses == []
    assert len(site.held.visible()) == 2


def test_an_empty_batch_is_done(site: Site) -> None:
    assert forward(site) == ForwardReport()
