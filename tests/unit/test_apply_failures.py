"""What cannot be merged now comes again, what never can is parked, and neither holds up anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain, repeat

import pytest

from distributary.adapters.memory.queues import MemoryQueue
from distributary.domain.change import TRUSTED_AGE
from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    ItemTooLarge,
    MissingResource,
    OutOfTime,
    PoliciesAhead,
    RejectedByDatabase,
    Throttled,
    Unacceptable,
    Unavailable,
)
from distributary.domain.message import pack, unpack
from distributary.domain.policies import Policy
from tests.unit.sites import HOME, NOW, ORDERS, PEER, SECOND, Site, change_of, item, message
from tests.unit.test_apply import apply, receive

TRANSIENT: list[DistributaryError] = [Unavailable("x"), Throttled("x"), AccessDenied("x"), MissingResource("x")]
PERMANENT: list[Unacceptable] = [ItemTooLarge("with its stamp"), RejectedByDatabase("type mismatch")]
DAY = 86_400 * SECOND
NEWER = replace(ORDERS, conflict=Policy.ATTRIBUTE_MERGE, generation=2)


@pytest.fixture
def site() -> Site:
    return Site(HOME)


class DeafQueue(MemoryQueue):
    """A queue that lets no message be postponed."""

    def postpone(self, receipt: str, seconds: int) -> None:
        raise Unavailable(f"{receipt} {seconds}")


# --- transient


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_a_database_that_is_down_makes_the_whole_message_come_again(site: Site, error: DistributaryError) -> None:
    site.fail("look", error)
    report = apply(site, message(change_of("a", n=1), change_of("b", n=1)))
    assert list(report.failed.values()) == [error]
    assert report.parked == []
    assert len(site.inbox.messages) == 1


def test_the_pauses_grow_while_the_database_is_down(site: Site) -> None:
    pauses = []
    site.fail("look", Unavailable("down"), times=12)
    bodies = [message(change_of(n=1))]
    for _ in range(12):
        apply(site, *bodies)
        bodies = []
        (held,) = site.inbox.messages.values()
        pauses.append((held.visible_at - site.now) // SECOND)
        site.now = held.visible_at
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800]


def test_it_is_told_for_how_long_a_message_has_been_tried(site: Site) -> None:
    site.fail("look", Unavailable("down"), times=3)
    waited = [apply(site, message(change_of(n=1))).waited]
    for _ in range(3):
        site.now += 200 * SECOND
        waited.append(apply(site).waited)
    assert waited == [0, 200 * SECOND, 400 * SECOND, 0]


def test_ten_days_of_outage_lose_nothing_and_stay_under_a_thousand_receives(site: Site) -> None:
    site.inbox.send(message(change_of(n=1, at=NOW)))
    (held,) = site.inbox.messages.values()
    site.fail("look", Unavailable("down"), times=10_000)
    while site.now < NOW + 10 * DAY:
        apply(site)
        site.now = held.visible_at
    assert held.receives < 1000
    site.interruptions.clear()
    assert apply(site).failed == {}
    assert site.content() == item(n=1)


def test_one_row_that_fails_holds_up_only_its_message(site: Site) -> None:
    site.replica.refusals["a"] = Throttled("hot key")
    report = apply(site, message(change_of("a", n=1), change_of("b", n=1)), message(change_of("c", n=1)))
    assert len(report.failed) == 1
    assert (site.content("b"), site.content("c")) == (item("b", n=1), item("c", n=1))


def test_a_message_that_cannot_be_postponed_comes_again_by_itself(site: Site) -> None:
    site.fail("look", Unavailable("down"))
    report = site.apply(waiting=DeafQueue(site.clock)).run(receive(site, message(change_of())), lambda: 60_000)
    assert (len(report.failed), report.not_postponed) == (1, 1)


# --- policies that change while regions deploy one after the other


def test_a_message_of_newer_policies_waits_and_nothing_beside_it_does(site: Site) -> None:
    # given: a peer has the newer file already
    (ahead,) = pack(NEWER, PEER, [change_of("a", n=1)])

    # when
    report = apply(site, ahead, message(change_of("b", n=1)), ahead)

    # then: only its messages come again; nothing was parked or written of them
    assert [type(error) for error in report.failed.values()] == [PoliciesAhead] * 2
    assert (site.row("a"), site.content("b"), site.parking.parcels) == (None, item("b", n=1), [])
    assert [held.body for held in site.inbox.messages.values()] == [ahead, ahead]


def test_a_message_of_newer_policies_is_taken_once_this_region_has_them() -> None:
    # given: a message that has waited for days
    site = Site(HOME)
    (ahead,) = pack(NEWER, PEER, [change_of("a", n=1)])
    site.inbox.send(ahead)
    (held,) = site.inbox.messages.values()
    while site.now < NOW + 10 * DAY:
        apply(site)
        site.now = held.visible_at
    assert (held.receives < 500, site.now - NOW < 10 * DAY + 1800 * SECOND) == (True, True)

    # when: the newer file is deployed here
    site.dataset = NEWER
    report = apply(site)

    # then
    assert (report.failed, site.content("a"), site.inbox.messages) == ({}, item("a", n=1), {})


def test_a_message_of_older_policies_is_taken_under_ours() -> None:
    site = Site(HOME, NEWER)
    report = apply(site, message(change_of("a", n=1)))
    assert (report.failed, site.parking.parcels, site.content("a")) == ({}, [], item("a", n=1))


# --- permanent


@pytest.mark.parametrize("error", PERMANENT, ids=lambda error: type(error).__name__)
def test_a_change_that_the_database_refuses_is_parked_alone_at_the_first_attempt(
    site: Site, error: Unacceptable
) -> None:
    bad, good = change_of("a", n=1), change_of("b", n=1)
    site.replica.refusals["a"] = error
    report = apply(site, message(bad, good))
    (parcel,) = site.parking.parcels
    assert (report.failed, site.content("b")) == ({}, item("b", n=1))
    assert (parcel.reason, parcel.detail, parcel.hint) == (type(error).__name__, str(error), error.hint)
    assert unpack(parcel.payload, ORDERS) == [bad]


def test_a_parked_change_can_be_redriven_as_it_is(site: Site) -> None:
    site.replica.refusals["a"] = ItemTooLarge("x")
    apply(site, message(change_of(n=1)))
    site.replica.refusals.clear()
    (parcel,) = site.parking.parcels
    assert parcel.redrivable
    apply(site, parcel.payload)
    assert site.content() == item(n=1)


def test_a_version_from_the_future_is_parked_and_not_clamped(site: Site) -> None:
    apply(site, message(change_of(n=1, at=NOW + 61 * SECOND), change_of("b", n=1, at=NOW + 59 * SECOND)))
    assert (site.row("a"), site.content("b")) == (None, item("b", n=1))
    assert [(p.reason, p.detail) for p in site.parking.parcels] == [
        ("ClockDrift", "the version is 61 s ahead of this region")
    ]


def test_the_drift_that_is_borne_is_the_datasets() -> None:
    site = Site(HOME, replace(ORDERS, max_clock_drift=SECOND))
    apply(site, message(change_of(n=1, at=NOW + 2 * SECOND)))
    assert [parcel.reason for parcel in site.parking.parcels] == ["ClockDrift"]


@pytest.mark.parametrize(("age", "parked"), [(TRUSTED_AGE, False), (TRUSTED_AGE + 1, True)])
def test_a_change_that_is_older_than_tombstones_are_trusted_is_parked(site: Site, age: int, parked: bool) -> None:
    apply(site, message(replace(change_of(n=1, at=NOW - age), captured_at=NOW - age)))
    assert [parcel.reason for parcel in site.parking.parcels] == ["StaleChange"] * parked


def test_a_message_that_is_not_ours_is_parked_as_it_came(site: Site) -> None:
    report = apply(site, "hello", message(change_of(n=1)))
    (parcel,) = site.parking.parcels
    assert (parcel.reason, parcel.payload, report.failed) == ("MalformedMessage", "hello", {})
    assert site.content() == item(n=1)


def test_parking_that_is_down_makes_the_message_come_again(site: Site) -> None:
    site.fail("park", Unavailable("down"))
    report = apply(site, "hello")
    assert [str(error) for error in report.failed.values()] == ["down"]
    assert report.parked == []
    site.now += SECOND
    assert apply(site).failed == {}
    assert [parcel.payload for parcel in site.parking.parcels] == ["hello"]


# --- time


@pytest.mark.parametrize("left", [0, 1, 9_999])
def test_no_time_left_makes_every_message_come_again_at_once(site: Site, left: int) -> None:
    messages = receive(site, message(change_of("a")), message(change_of("b")))
    report = site.apply().run(messages, lambda: left)
    assert [type(error) for error in report.failed.values()] == [OutOfTime, OutOfTime]
    assert site.table.rows == {}
    assert len(site.inbox.visible()) == 2


def test_time_that_runs_out_in_the_middle_loses_nothing(site: Site) -> None:
    bodies = [message(*(change_of(f"{m}-{n}", n=n) for n in range(300))) for m in range(3)]
    times = chain([60_000], repeat(0))
    messages = receive(site, *bodies)
    report = site.apply().run(messages, lambda: next(times))
    assert report.failed
    for done in messages:
        if done.id not in report.failed:
            site.inbox.delete(done.id)
    while site.inbox.messages:
        apply(site)
    assert len(site.table.rows) == 900


@pytest.mark.parametrize("value", [{"N": "x"}, {"N": "1e99999999999"}, {"NS": ["x"]}, {"L": [{"N": "sNaN"}]}], ids=str)
def test_no_hostile_value_holds_up_the_batch(site: Site, value: dict[str, object]) -> None:
    document = json.loads(message(change_of(n=1)))
    document["changes"][0]["image"]["n"] = value
    apply(site, json.dumps(document), message(change_of("b", n=1)))
    assert len(site.parking.parcels) == 1
    assert site.content("b") == item("b", n=1)
    assert site.inbox.messages == {}
