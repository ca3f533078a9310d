"""A table that gets policies while it is in use: what was written before is decided as before, whenever it is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change, StreamRecord
from distributary.domain.errors import NotSettled
from distributary.domain.image import STATE_ATTRIBUTE
from distributary.domain.origin import Origin
from distributary.domain.row import Row
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, item, key, stamp_image
from tests.unit.state_sites import BEGIN, StateSite, with_policies


@pytest.fixture
def reborn() -> Site:
    """A row that was deleted and put again before there were policies; the deletion is still known."""
    site = Site(HOME)
    site.put(n=5)
    site.settle_all()
    site.delete()
    site.settle_all()
    site.put(n=7)
    site.settle_all()
    return site


def test_a_row_from_before_that_was_deleted_and_put_again_stays_when_a_peer_writes_it(reborn: Site) -> None:
    row = reborn.present()
    change = change_of(n=9, at=reborn.now + 5 * SECOND)
    site = with_policies(reborn)
    site.merge(replace(change, context=row.context.including(change.version)))
    assert site.number == "9"


def test_and_when_it_is_written_here(reborn: Site) -> None:
    site = with_policies(reborn)
    site.now = BEGIN
    site.update(n=8)
    site.settle_all()
    assert site.number == "8"


@pytest.mark.parametrize("deployed", [False, True])
def test_a_write_of_before_is_shipped_without_a_state_whoever_captures_it(deployed: bool) -> None:
    site = Site(HOME)
    site.put(n=1)
    change = (with_policies(site) if deployed else site).change()
    assert (change.state, change.version) == (None, Version(NOW + SECOND, 1, HOME))


@pytest.mark.parametrize("changes", [
    [change_of(n=1, at=NOW), change_of(n=2, at=NOW + 1)],
    [change_of(n=1, at=NOW), deletion_of(at=NOW + 1)],
    [deletion_of(at=NOW), change_of(n=2, at=NOW + 1)],
    [change_of(n=1, at=NOW), change_of(n=2, at=NOW, home=FAR)],
], ids=["puts", "put, deletion", "deletion, put", "puts of one instant"])  # fmt: skip
@pytest.mark.parametrize("backwards", [False, True])
def test_what_was_written_before_is_decided_alike_with_policies_and_without(
    changes: list[Change], backwards: bool
) -> None:
    plain, deployed = Site(HOME), with_policies(Site(HOME))
    for change in changes[::-1] if backwards else changes:
        plain.merge(change)
        deployed.merge(change)
    assert deployed.state() == plain.state()


def test_from_then_on_what_two_regions_add_to_one_row_is_added_up() -> None:
    # given: a row from before, in two regions
    home, peer = Site(HOME), Site(PEER)
    home.put(n=10)
    (first,) = home.changes()
    peer.merge(first)
    peer.settle_all()
    # when: both add to it once the policies have begun
    sites = [with_policies(each) for each in (home, peer)]
    for added, site in zip((1, 5), sites, strict=True):
        site.now = BEGIN
        site.update(n=10 + added)
    changes = [site.change() for site in sites]
    for site, change in zip(sites, reversed(changes), strict=True):
        site.merge(change)
    # then
    assert [site.number for site in sites] == ["16", "16"]


def test_of_two_rows_of_before_that_never_met_the_newer_is_what_is_added_to() -> None:
    # given: two regions, each with a row of its own; the newer shows the lower number
    sites = [Site(HOME), Site(PEER, now=NOW + SECOND)]
    for site, number in zip(sites, (20, 10), strict=True):
        site.put(n=number)
        site.settle_all()
    # when: both add one once the policies have begun, and hear of each other
    deployed = [with_policies(each) for each in sites]
    for site, number in zip(deployed, (21, 11), strict=True):
        site.now = BEGIN
        site.update(n=number)
    changes = [site.change() for site in deployed]
    for site, change in zip(deployed, reversed(changes), strict=True):
        site.merge(change)
    # then: no region mixes the two
    assert [site.number for site in deployed] == ["11", "11"]


def test_a_write_of_since_stands_against_one_of_before_that_comes_late() -> None:
    site = with_policies(Site(HOME))
    site.now = BEGIN
    site.put(n=1)
    site.settle_all()
    site.merge(change_of(n=2, at=BEGIN - SECOND))
    assert site.number == "1"


def test_a_write_of_before_that_is_captured_again_leaves_a_later_state_alone() -> None:
    # given: a write of before, captured, and a peer's of since on top of it
    site = with_policies(Site(HOME))
    site.put(n=1)
    (first,) = site.changes()
    peer = with_policies(Site(PEER))
    peer.merge(first)
    peer.settle_all()
    peer.now = BEGIN
    peer.update(n=4)
    site.now = BEGIN
    site.merge(peer.change())
    state = site.present().image[STATE_ATTRIBUTE]
    # when: the record of the first comes again
    site.settle(site.table.stream[0])
    # then
    assert (site.number, site.present().image[STATE_ATTRIBUTE]) == ("4", state)


@pytest.fixture
def born_since() -> StateSite:
    """A row of since, with a state, that a peer has made on top of a deletion of since."""
    site, peer = with_policies(Site(HOME)), with_policies(Site(PEER))
    peer.now = BEGIN
    peer.put(n=3)
    peer.settle_all()
    peer.delete()
    peer.settle_all()
    peer.put(n=4)
    site.now = peer.now
    site.merge(peer.changes()[-1])
    return site


def test_a_write_of_before_beneath_a_row_of_since_is_noted_in_that_and_its_state_stays(born_since: StateSite) -> None:
    # given
    site, there = born_since, born_since.present()
    written = StreamRecord(key(), None, Row(item(n=1)), 7, BEGIN - SECOND)
    # when: a write is captured that neither the row nor its state knows of
    change = site.settle(written).change
    # then
    assert change is not None
    assert (change.state, site.number) == (None, "4")
    assert (site.present().version, site.present().image[STATE_ATTRIBUTE]) == (
        there.version,
        there.image[STATE_ATTRIBUTE],
    )
    assert site.present().context.covers(change.version)


def test_a_deletion_of_before_takes_a_row_with_a_state_that_is_older_by_a_clock_ahead(born_since: StateSite) -> None:
    # given: the version of the row that the application deletes is of a clock ahead, and above that of the present one
    site = born_since
    old = Row(stamp_image(item(n=1), Version(BEGIN + 30 * SECOND, 1, FAR)))
    # when
    change = site.settle(StreamRecord(key(), old, None, 7, BEGIN - SECOND)).change
    # then
    assert change is not None
    assert (change.image, change.state, site.row()) == (None, None, None)


def test_a_write_of_before_leaves_a_row_alone_that_a_stamping_writer_has_left_since() -> None:
    """As when it has put here what it read in another region: its own record gives the row a state."""
    # given
    site = with_policies(Site(HOME))
    site.put(n=1)
    site.now = BEGIN
    version = Version(BEGIN, 0, PEER)
    drawn = Stamp(version, NOTHING_SEEN.including(version), Writer.APPLICATION, Row(item(n=2)).digest)
    site.table.write(key(), stamped(item(n=2), drawn))
    first, copy = site.table.stream
    # when: the write of before is captured
    change = site.settle(first).change
    # then: it travels, and the row does not count as one of before
    assert change is not None
    assert (change.state, change.version.timestamp < BEGIN) == (None, True)
    stamp = site.present().stamp
    assert stamp is not None
    assert stamp.writer is Writer.APPLICATION
    # and: what follows is of since
    assert (site.settle(copy).change or change).state is not None


def test_what_is_written_at_the_very_instant_is_of_since() -> None:
    site = with_policies(Site(HOME))
    site.now = BEGIN - SECOND
    site.put(n=1)
    assert site.change().state is not None


def test_a_stamping_writers_write_of_since_whose_clock_lags_gets_a_version_of_since() -> None:
    # given: it draws its version half a second too early
    site = with_policies(Site(HOME))
    site.now = BEGIN
    site.put_stamped(n=1, timestamp=BEGIN - SECOND // 2)
    # when
    change = site.change()
    # then
    assert (change.state is not None, change.version.timestamp >= BEGIN, site.number) == (True, True, "1")


def test_a_version_that_a_stamping_writer_has_drawn_at_the_very_instant_stands() -> None:
    site = with_policies(Site(HOME))
    site.now = BEGIN
    site.put_stamped(n=1, timestamp=BEGIN)
    drawn = site.present().version
    assert site.change().version == drawn


def test_records_of_before_and_of_since_that_are_captured_at_once_are_all_told_of() -> None:
    # given: writes of before and of since
    site = with_policies(Site(HOME))
    site.put(n=1)
    site.now = BEGIN
    site.update(n=2)
    # when
    settled = site.settle_together(list(site.table.stream))
    # then
    first, last = (each.change for each in settled)
    assert first is not None
    assert last is not None
    assert (first.image, first.state) == (item(n=1), None)
    assert (last.image, last.state is None) == (item(n=2), False)


@pytest.mark.parametrize("when", [NOW, BEGIN], ids=["before", "since"])
@pytest.mark.parametrize("ignored", [True, False])
def test_rows_that_expire_stay_in_their_region_only_where_that_is_wanted(when: int, ignored: bool) -> None:
    site = with_policies(Site(HOME))
    site.now = when
    site.put(n=1)
    site.settle_all()
    site.delete(expired=True)
    settled = site.settle(site.last(), ignore_expired=ignored)
    assert (settled.origin, settled.change is None) == (Origin.EXPIRED, ignored)


def test_a_row_of_before_that_no_record_will_settle_is_taken_as_it_is_after_a_while() -> None:
    # given: a stamp of before over another content, as our own write left it of which no local write followed
    site = with_policies(Site(HOME))
    site.table.write(key(), {**stamp_image(item(n=2), Version(NOW, 1, PEER)), "n": {"N": "1"}})
    change = change_of(n=9, at=NOW + SECOND)
    # when, then: it is waited for, and then taken
    with pytest.raises(NotSettled):
        site.merge(change)
    site.merge(change, take_unsettled=True)
    assert site.number == "9"


def test_a_write_on_top_of_one_of_since_is_of_since_though_its_clock_has_stepped_back() -> None:
    # given: a put of since; the clock steps back behind the instant, and the row is put again before any is captured
    site = with_policies(Site(HOME))
    site.now = BEGIN
    site.put(n=2)
    site.now = BEGIN - 10 * SECOND
    site.put(n=5)
    first, second = site.table.stream

    # when
    one, other = site.settle(first).change, site.settle(second).change

    # then
    assert one is not None
    assert other is not None
    assert (other.state is not None, other.version > one.version) == (True, True)
    assert site.settle(second).change == other
    assert site.number == "5"
