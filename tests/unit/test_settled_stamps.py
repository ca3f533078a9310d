"""The stamp that capture leaves on a home row says what the row is, and our own stamps come back as echoes."""

from __future__ import annotations

import pytest

from distributary.domain.change import Change, StreamRecord
from distributary.domain.origin import Origin, origin_of
from distributary.domain.row import Row
from distributary.domain.stamp import Stamp, Writer, link_to
from distributary.domain.version import Version
from tests.unit.sites import HOME, NOW, PEER, SECOND, Site, change_of, item, key, stamp_image

LATER = NOW + 30 * SECOND


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def shipped(site: Site, record: StreamRecord) -> Change:
    change = site.settle(record).change
    assert change is not None
    return change


def stamp(site: Site) -> Stamp:
    found = site.present().stamp
    assert found is not None
    return found


# --- a row that the application has written again


@pytest.fixture
def overtaken(site: Site) -> StreamRecord:
    """The record of a write that a change of another region has overtaken, and over that the application wrote."""
    site.put(n=1)
    record = site.last()
    site.merge(change_of(n=2, at=LATER), take_unsettled=True)
    site.update(n=3)
    return record


def test_an_unstamped_row_is_stamped_with_the_earlier_write(site: Site) -> None:
    site.put(n=1)
    first = site.last()
    site.put(n=2)
    change = shipped(site, first)
    assert (stamp(site).version, stamp(site).digest, stamp(site).writer) == (
        change.version,
        Row(item(n=1)).digest,
        Writer.REPLICATION,
    )


def test_an_older_stamp_moves_on_to_the_earlier_write(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    first = site.last()
    site.update(n=2)
    change = shipped(site, first)
    assert (stamp(site).version, stamp(site).digest) == (change.version, Row(item(n=1)).digest)
    assert site.content() == item(n=2)


def test_a_newer_stamp_stays_but_for_its_context(site: Site, overtaken: StreamRecord) -> None:
    before = stamp(site)
    change = shipped(site, overtaken)
    assert (stamp(site).version, stamp(site).digest) == (before.version, before.digest)
    assert stamp(site).context == before.context.merge(change.context)
    assert site.content() == item(n=3)


@pytest.mark.parametrize("newer", [False, True])
def test_the_application_write_is_captured_next_and_all_stamps_of_ours_are_echoes(site: Site, newer: bool) -> None:
    site.put(n=1)
    if newer:
        site.merge(change_of(n=2, at=LATER), take_unsettled=True)
    site.update(n=3)
    done = site.settle_all()
    local = [settled.change.image for settled in done if settled.change is not None]
    assert local == [item(n=1), item(n=3)]
    assert (site.content(), site.present().settled) == (item(n=3), True)


def test_a_row_that_a_stamping_writer_has_written_again_is_left_alone_though_its_clock_lags(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    site.put_stamped(n=2, timestamp=NOW - 3600 * SECOND)
    site.settle(record)
    assert site.content() == item(n=2)


def test_the_stamp_on_a_row_to_which_an_attribute_was_added_unseen_is_an_echo(site: Site) -> None:
    site.put(n=1)
    site.interrupt("write", lambda: site.update(more=2))
    site.settle(site.last())
    assert site.content() == item(n=1, more=2)
    assert site.settle(site.last()).origin is Origin.ECHO


# --- a row with a newer state of another region


def test_noting_a_write_beneath_a_newer_state_is_an_echo(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    newer = change_of(n=2, at=LATER)
    site.merge(newer, take_unsettled=True)
    change = shipped(site, record)
    assert stamp(site).context == newer.context.merge(change.context)
    assert site.settle(site.last()).origin is Origin.ECHO


def test_an_echo_of_a_replacement_costs_no_access(site: Site) -> None:
    site.merge(change_of(n=1))
    site.merge(change_of(n=2, at=NOW + 1))
    site.accesses.clear()
    assert site.settle(site.last()).origin is Origin.ECHO
    assert site.accesses == []


def test_a_state_of_another_region_over_a_write_that_was_never_captured_is_an_echo(site: Site) -> None:
    site.put(n=1)
    site.merge(change_of(n=2, at=LATER), take_unsettled=True)
    assert site.settle(site.last()).origin is Origin.ECHO


def test_a_stamp_that_the_row_had_before_and_is_put_back_with_its_content_is_local(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    before = site.present().image
    site.put(n=5)
    site.put_image(before)
    assert site.settle(site.last()).origin is Origin.UNSTAMPED


def test_a_stamp_that_is_older_than_the_one_it_links_to_is_local() -> None:
    newer = stamp_image(item(n=1), Version(NOW + 1, 1, PEER))
    link = link_to(newer, HOME)
    older = stamp_image(item(n=2), Version(NOW, 1, PEER), link=link)
    assert origin_of(StreamRecord(key(), Row(newer), Row(older), 7, NOW), HOME, None) is Origin.UNSTAMPED


# --- what is told of a capture


def test_a_change_says_where_and_when_it_was_made(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    site.now += 5 * SECOND
    change = shipped(site, record)
    assert (change.dataset, change.table, change.key) == ("orders", "orders", record.key)
    assert (change.home, change.source, change.captured_at) == (HOME, str(record.sequence), site.now)


def test_a_write_that_met_a_newer_state_unseen_is_a_conflict(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    site.merge(change_of(n=2, at=LATER), take_unsettled=True)
    assert site.settle(record).conflict


def test_a_write_that_overwrote_an_older_state_unseen_is_a_conflict(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    site.merge(change_of(n=2, at=NOW + 1), take_unsettled=True)
    assert site.settle(record).conflict


@pytest.mark.parametrize("stamped", [False, True])
def test_a_write_on_top_of_what_was_there_is_no_conflict(site: Site, stamped: bool) -> None:
    if stamped:
        site.merge(change_of(n=0, home=PEER))
        site.settle_all()
    site.update(n=1)
    assert not site.settle(site.last()).conflict


def test_a_write_that_the_application_wrote_over_is_no_conflict(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    site.put(n=2)
    assert not site.settle(record).conflict
