"""When something fails, what stands before it has been handed over, what stands behind it has not, and peers go on."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, repeat

import pytest

from distributary.domain.dataset import KeySchema
from distributary.domain.delivery import Arrival
from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    InvalidSettings,
    ItemTooLarge,
    MalformedRecord,
    MissingResource,
    OutOfTime,
    Throttled,
    Unavailable,
)
from distributary.domain.facts import CaptureReport
from distributary.domain.message import unpack
from tests.unit.sites import FAR, HOME, ORDERS, PEER, Site, plenty

DOWN: list[DistributaryError] = [Unavailable("down"), Throttled("slow"), AccessDenied("no"), MissingResource("none")]


@pytest.fixture
def site() -> Site:
    """A region whose application has written the rows 0 to 4."""
    site = Site(HOME)
    for n in range(5):
        site.put(str(n), n=n)
    return site


def capture(site: Site, arrivals: list[Arrival] | None = None) -> CaptureReport:
    return site.capture().run(site.arrivals() if arrivals is None else arrivals, plenty)


def rows_in(site: Site, region: str = PEER) -> list[str]:
    """The keys that arrived in the inbox of a region."""
    bodies = [held.body for held in site.queues[region].messages.values()]
    return [change.key["pk"]["S"] for body in bodies for change in unpack(body, ORDERS)]


def held_rows(site: Site) -> list[tuple[str, str]]:
    """Destination and key of each change in the outbox."""
    messages = site.held.messages.values()
    return [(m.attributes["destination"], c.key["pk"]["S"]) for m in messages for c in unpack(m.body, ORDERS)]


# --- the database fails


@pytest.mark.parametrize("error", DOWN, ids=lambda error: type(error).__name__)
def test_a_database_that_fails_stops_the_batch_at_its_first_record(site: Site, error: DistributaryError) -> None:
    site.fail("write", error)
    report = capture(site)
    assert report.failure is not None
    assert (report.failure.position, report.failure.error) == ("1", error)
    assert (report.records, rows_in(site)) == (0, [])


def test_the_checkpoint_is_the_first_failure_and_nothing_behind_it_is_handed_over(site: Site) -> None:
    site.replica.refusals["2"] = Throttled("slow")
    report = capture(site)
    assert report.failure is not None
    assert report.failure.position == "3"
    assert (rows_in(site), report.records) == (["0", "1"], 2)


def test_a_row_that_the_database_refuses_for_good_is_parked_and_the_rest_goes_on(site: Site) -> None:
    site.replica.refusals["2"] = ItemTooLarge("with its stamp")
    report = capture(site)
    assert report.failure is None
    assert rows_in(site) == ["0", "1", "3", "4"]
    assert [parcel.reason for parcel in site.parking.parcels] == ["ItemTooLarge"]


def test_what_stopped_a_batch_is_taken_when_it_comes_again(site: Site) -> None:
    site.fail("write", Unavailable("down"))
    capture(site)
    report = capture(site)
    assert report.failure is None
    assert rows_in(site) == ["0", "1", "2", "3", "4"]


def test_a_record_behind_a_failed_one_of_the_same_row_is_not_settled_before_it(site: Site) -> None:
    site.put("0", n=9)
    site.fail("write", Unavailable("down"))
    report = capture(site)
    assert report.failure is not None
    assert report.failure.position == "1"
    assert not site.present("0").settled


# --- records that cannot be read


def test_a_malformed_record_is_parked_with_its_payload_and_the_rest_goes_on(site: Site) -> None:
    arrivals = site.arrivals()
    arrivals[2] = Arrival("3", MalformedRecord("MODIFY without NewImage"), {"eventID": "x"})
    report = capture(site, arrivals)
    assert report.failure is None
    assert rows_in(site) == ["0", "1", "3", "4"]
    (parcel,) = site.parking.parcels
    assert (parcel.reason, parcel.payload, parcel.redrivable) == ("MalformedRecord", '{"eventID": "x"}', False)
    assert "NEW_AND_OLD_IMAGES" in parcel.hint


def test_a_batch_of_malformed_records_alone_is_done(site: Site) -> None:
    arrivals = [Arrival(str(n), MalformedRecord("x"), {}) for n in range(3)]
    report = capture(site, arrivals)
    assert (report.failure, report.records, len(report.parked)) == (None, 3, 3)


def test_a_record_that_cannot_be_parked_is_not_passed_over(site: Site) -> None:
    arrivals = site.arrivals()
    arrivals[2] = Arrival("3", MalformedRecord("x"), {})
    site.fail("park", Unavailable("down"))
    report = capture(site, arrivals)
    assert report.failure is not None
    assert report.failure.position == "1"
    assert rows_in(site) == []


def test_a_malformed_record_behind_the_checkpoint_is_parked_only_when_its_turn_comes(site: Site) -> None:
    arrivals = site.arrivals()
    arrivals[2] = Arrival("3", MalformedRecord("x"), {})
    site.fail("write", Unavailable("down"))
    capture(site, arrivals)
    assert site.parking.parcels == []
    capture(site, arrivals)
    assert len(site.parking.parcels) == 1


# --- peers that cannot be reached


@pytest.mark.parametrize("error", DOWN, ids=lambda error: type(error).__name__)
def test_changes_for_a_peer_that_is_down_wait_in_the_outbox(site: Site, error: DistributaryError) -> None:
    site.fail(f"send {PEER}", error)
    report = capture(site)
    assert held_rows(site) == [(PEER, str(n)) for n in range(5)]
    assert report.held == {PEER: error}
    assert report.failure is None


def test_a_peer_that_is_down_delays_nobody_else(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("down"))
    capture(site)
    assert rows_in(site, FAR) == ["0", "1", "2", "3", "4"]


def test_a_message_whose_fate_is_unknown_is_held_too(site: Site) -> None:
    site.fail(f"sent {PEER}", Unavailable("no answer"))
    capture(site)
    assert rows_in(site, PEER) == ["0", "1", "2", "3", "4"]
    assert len(held_rows(site)) == 5


def test_all_peers_down_fill_the_outbox_for_each(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("down"))
    site.fail(f"send {FAR}", Unavailable("down"))
    assert capture(site).failure is None
    assert {region for region, _ in held_rows(site)} == {PEER, FAR}


def test_an_outbox_that_is_down_too_fails_the_batch_at_its_first_record(site: Site) -> None:
    site.fail(f"send {PEER}", Unavailable("peer"))
    site.fail("hold", Unavailable("outbox"))
    report = capture(site)
    assert report.failure is not None
    assert (report.failure.position, str(report.failure.error)) == ("1", "outbox")
    assert report.records == 0


@pytest.mark.parametrize("told", [KeySchema("id"), KeySchema("pk", sort="sk")], ids=["partition", "sort"])
def test_a_table_with_another_key_than_the_dataset_stops_capture_before_every_peer_parks_every_change(
    told: KeySchema,
) -> None:
    site = Site(HOME, replace(ORDERS, key=told))
    site.put(n=1)
    report = site.capture().run(site.arrivals(), plenty)
    assert report.failure is not None
    assert (report.failure.position, type(report.failure.error)) == ("1", InvalidSettings)
    assert str(report.failure.error).startswith("replication.toml: datasets.orders.key: names ")
    assert (site.accesses, report.shipped, report.parked) == ([], {}, [])


# --- time


@pytest.mark.parametrize("left", [0, 1, 14_999])
def test_no_time_left_makes_the_first_record_the_checkpoint(site: Site, left: int) -> None:
    report = site.capture().run(site.arrivals(), lambda: left)
    assert report.failure is not None
    assert (report.failure.position, type(report.failure.error)) == ("1", OutOfTime)
    assert (site.accesses, rows_in(site)) == ([], [])


def test_time_that_runs_out_in_the_middle_leaves_the_rest_for_later() -> None:
    site = Site(HOME)
    for n in range(1000):
        site.put(str(n), n=n)
    times = chain([60_000, 20_000], repeat(0))
    report = site.capture().run(site.arrivals(), lambda: next(times))
    assert report.failure is not None
    done = int(report.failure.position) - 1
    assert 0 < done < 1000
    assert rows_in(site) == [str(n) for n in range(done)]


def test_an_empty_batch_is_done_even_without_time(site: Site) -> None:
    assert site.capture().run([], lambda: 0).failure is None
