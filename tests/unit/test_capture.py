"""The capture service works a batch off in order and hands it to every peer, few messages for many records."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from distributary.domain.change import Change
from distributary.domain.dataset import TtlDeletes
from distributary.domain.delivery import Arrival
from distributary.domain.facts import CaptureReport
from distributary.domain.message import unpack
from distributary.domain.origin import Origin
from tests.unit.sites import FAR, HOME, ORDERS, PEER, Site, change_of, item, plenty


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def capture(site: Site, arrivals: list[Arrival] | None = None) -> CaptureReport:
    """Capture the whole stream as it is now."""
    return site.capture().run(site.arrivals() if arrivals is None else arrivals, plenty)


def shipped(site: Site, region: str = PEER) -> list[Change]:
    """What arrived in the inbox of a region, message after message."""
    return [change for held in site.queues[region].messages.values() for change in unpack(held.body, ORDERS)]


def test_a_local_write_goes_to_every_peer(site: Site) -> None:
    site.put(n=1)
    report = capture(site)
    assert [change.image for change in shipped(site, PEER)] == [item(n=1)]
    assert shipped(site, FAR) == shipped(site, PEER)
    assert report.shipped == {PEER: 1, FAR: 1}


def test_a_local_write_does_not_go_to_its_own_region(site: Site) -> None:
    site.put(n=1)
    capture(site)
    assert shipped(site, HOME) == []


def test_an_echo_goes_nowhere(site: Site) -> None:
    site.merge(change_of(n=1))
    report = capture(site)
    assert (report.records, report.origins) == (1, {Origin.ECHO: 1})
    assert shipped(site) == []


def test_an_empty_batch_is_done(site: Site) -> None:
    assert capture(site, []) == CaptureReport()
    assert site.accesses == []


def test_several_writes_of_one_row_in_one_batch_keep_their_order(site: Site) -> None:
    for n in range(1, 5):
        site.update(n=n)
    site.delete()
    site.put(n=9)
    capture(site)
    changes = shipped(site)
    assert [change.image for change in changes] == [item(n=1), item(n=4), None, item(n=9)]
    assert [change.version for change in changes] == sorted(change.version for change in changes)
    assert site.state() == (item(n=9), changes[-1].version)


def test_of_updates_that_overwrite_each_other_the_last_travels_and_all_count(site: Site) -> None:
    site.put(n=0)
    capture(site)
    site.table.stream.clear()
    for n in range(1, 5):
        site.update(n=n)
    report = capture(site)
    assert [change.image for change in shipped(site)] == [item(n=0), item(n=4)]
    assert (report.records, report.origins, report.failure) == (4, {Origin.UNSTAMPED: 4}, None)


def test_a_row_that_is_written_all_the_time_is_captured_in_time(site: Site) -> None:
    """Three updates for each access of ours: many more than could be settled one by one."""
    site.put(n=0)
    numbers, taken = count(1), 0

    def write_on() -> None:
        for _ in range(3):
            site.update(n=next(numbers))

    for _ in range(8):
        for access in ("write", "look", "look_back"):
            site.interrupt(access, *[write_on] * 4)
        arrivals = site.arrivals()[taken:]
        taken += capture(site, arrivals).records
        site.interruptions.clear()
    behind = site.arrivals()[taken:]
    assert taken > 200
    assert len(behind) < 50
    capture(site, behind)
    assert shipped(site)[-1].image == site.content()


def test_a_put_is_settled_by_itself_since_it_drops_what_it_was_made_on_top_of(site: Site) -> None:
    site.merge(change_of(n=1))
    site.put(n=2)
    site.put(n=3)
    capture(site)
    assert [change.image for change in shipped(site)] == [item(n=2), item(n=3)]


def test_an_update_beneath_one_of_ours_is_settled(site: Site) -> None:
    site.put(n=1)
    capture(site)
    site.update(n=2)
    site.settle(site.last())
    site.update(n=3)
    changes = [each.image for each in shipped(site)]
    capture(site, site.arrivals()[2:])
    assert [change.image for change in shipped(site)][len(changes) :] == [item(n=2), item(n=3)]


def test_ten_thousand_records_become_few_messages(site: Site) -> None:
    for n in range(10_000):
        site.table.write({"pk": {"S": str(n)}}, item(str(n), n=n))
    report = capture(site)
    assert (report.records, report.shipped[PEER], report.failure) == (10_000, 10_000, None)
    assert len(site.queues[PEER].messages) <= 40
    assert len(shipped(site)) == 10_000


def test_a_batch_that_comes_again_ships_the_same_versions(site: Site) -> None:
    for n in range(5):
        site.update(str(n % 2), n=n)
    arrivals = site.arrivals()
    capture(site, arrivals)
    first = {change.version for change in shipped(site)}
    site.now += 10**9
    capture(site, arrivals)
    assert {change.version for change in shipped(site)} == first


def test_a_whole_stream_captured_again_changes_no_row(site: Site) -> None:
    for n in range(5):
        site.update(str(n % 2), n=n)
    site.delete("0")
    capture(site)
    before = dict(site.table.rows)
    capture(site)
    assert site.table.rows == before


def test_the_changes_of_captured_echoes_end_there(site: Site) -> None:
    site.put(n=1)
    capture(site)
    written = len(site.table.stream)
    capture(site, site.arrivals()[1:])
    assert len(site.table.stream) == written


@pytest.mark.parametrize(("ttl_deletes", "images"), [(TtlDeletes.REPLICATE, [None]), (TtlDeletes.IGNORE, [])])
def test_expired_rows_are_replicated_or_ignored_as_the_dataset_says(
    ttl_deletes: TtlDeletes, images: list[None]
) -> None:
    site = Site(HOME, replace(ORDERS, ttl_deletes=ttl_deletes))
    site.put(n=1)
    site.settle_all()
    site.delete(expired=True)
    report = capture(site, site.arrivals()[-1:])
    assert report.origins == {Origin.EXPIRED: 1}
    assert [change.image for change in shipped(site)] == images


def test_a_deletion_by_the_application_is_replicated_though_expiry_is_ignored() -> None:
    site = Site(HOME, replace(ORDERS, ttl_deletes=TtlDeletes.IGNORE))
    site.put(n=1)
    site.settle_all()
    site.delete()
    capture(site, site.arrivals()[-1:])
    assert [change.image for change in shipped(site)] == [None]


def test_the_report_counts_what_the_records_were(site: Site) -> None:
    site.put("a", n=1)
    site.merge(change_of("b", n=1))
    site.delete("b")
    report = capture(site)
    assert report.origins == {Origin.UNSTAMPED: 1, Origin.ECHO: 1, Origin.DELETED: 1}
    assert (report.records, report.parked, report.held, report.failure) == (3, [], {}, None)
