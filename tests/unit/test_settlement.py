"""Capture settles the home row of a put, whatever has become of that row since the record was made."""

from __future__ import annotations

import pytest

from distributary.domain.errors import NotSettled, Throttled
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.merge import Effect
from distributary.domain.origin import Origin
from tests.unit.sites import FAR, HOME, NOW, ORDERS, PEER, SECOND, Site, change_of, deletion_of, item, knowing
from tests.unit.state_sites import LATE, StateSite

LATER = NOW + 30 * SECOND


@pytest.fixture(params=[ORDERS, LATE], ids=["without policies", "before its policies begin"])
def site(request: pytest.FixtureRequest) -> Site:
    return Site(HOME) if request.param is ORDERS else StateSite(HOME, dataset=LATE)


def test_a_row_that_still_is_as_in_the_record_gets_its_stamp(site: Site) -> None:
    site.put(n=1)
    change = site.change()
    assert site.state() == (change.image, change.version)
    assert site.present().settled


def test_a_row_that_still_is_as_in_the_record_is_not_read(site: Site) -> None:
    site.put(n=1)
    site.settle(site.last())
    assert "look" not in site.accesses
    assert site.accesses.count("write") == 1


def test_a_write_that_changed_the_row_since_is_left_alone_but_for_the_stamp(site: Site) -> None:
    site.put(n=1)
    first = site.last()
    site.put(n=2)
    site.settle(first)
    assert site.content() == item(n=2)
    assert not site.present().settled
    assert site.present().version is not None


def test_a_write_that_changed_the_row_in_the_very_moment_is_not_lost(site: Site) -> None:
    site.put(n=1)
    site.interrupt("write", lambda: site.update(n=2))
    assert [change.image for change in site.changes()] == [item(n=1), item(n=2)]
    assert site.content() == item(n=2)
    assert site.present().settled


def test_a_change_of_another_region_that_overwrote_a_newer_local_write_is_overwritten(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    site.merge(change_of(n=2, at=NOW + 1), take_unsettled=True)
    assert site.content() == item(n=2)
    site.settle(record)
    assert site.content() == item(n=1)
    assert site.present().settled


def test_a_newer_change_of_another_region_stays_and_the_write_is_noted_beneath_it(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    newer = change_of(n=2, at=LATER)
    site.merge(newer, take_unsettled=True)
    change = site.settle(record).change
    assert change is not None
    assert site.state() == (newer.image, newer.version)
    assert site.present().settled
    assert site.present().context.covers(change.version)


def test_a_superseded_write_is_a_conflict_that_is_told_once(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    site.merge(change_of(n=2, at=LATER), take_unsettled=True)
    assert site.settle(record).change is not None
    assert site.content() == item(n=2)


def test_a_stamp_that_is_newer_and_has_the_same_content_stays(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    newer = change_of(n=1, at=LATER)
    site.merge(newer, take_unsettled=True)
    site.settle(record)
    assert site.state() == (newer.image, newer.version)


def test_a_retry_beneath_a_newer_stamp_writes_nothing_though_its_content_is_there_again(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    site.merge(change_of(n=2, at=LATER), take_unsettled=True)
    noted = site.settle(record).change
    site.update(n=1)
    written = len(site.table.stream)
    again = site.settle(record).change
    assert noted is not None
    assert again is not None
    assert again.version == noted.version
    assert len(site.table.stream) == written


@pytest.mark.parametrize("site", [ORDERS], indirect=True)
def test_a_write_under_a_newer_stamp_that_does_not_match_is_given_a_version_above_it(site: Site) -> None:
    # given: a replacement that changes no content, which did not see the attribute that an application added
    site.merge(change_of(n=1))
    site.settle_all()
    newer = change_of(n=1, at=LATER, home=FAR)
    site.interrupt("write", lambda: site.update(added=2))
    assert site.merge(newer).effect is Effect.REPLACED
    assert site.content() == item(n=1, added=2)

    # when: the addition is captured
    change = site.change()

    # then: nobody else has this state, so it is a new one
    assert change.image == item(n=1, added=2)
    assert change.version > newer.version
    assert site.state() == (change.image, change.version)


def test_writes_of_equal_content_under_a_newer_stamp_keep_their_order(site: Site) -> None:
    site.put(n=1)
    newer = change_of(n=2, at=LATER)
    site.merge(newer, take_unsettled=True)
    site.update(n=1)
    first, second = site.changes()
    assert newer.version < first.version < second.version
    assert site.state() == (item(n=1), second.version)


def test_a_write_comes_back_where_an_older_change_and_an_older_deletion_had_met_its_row(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    site.merge(change_of(n=2, at=NOW + 1), take_unsettled=True)

    def crash() -> None:
        raise KeyboardInterrupt

    site.interrupt("written", crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(deletion_of(at=NOW + 2))
    assert site.present().marked
    site.settle(record)
    assert site.content() == item(n=1)
    assert site.present().settled


def test_a_row_that_is_about_to_be_deleted_by_an_older_deletion_is_saved(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.interrupt("remembered", lambda: None, lambda: site.update(n=1))
    site.merge(deletion_of(at=NOW + 1))
    assert site.present().marked
    (change,) = site.changes()
    assert change.image == site.content() == item(n=1)
    assert site.present().settled


def test_a_row_that_is_about_to_be_deleted_by_a_newer_deletion_is_deleted(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()

    def crash() -> None:
        raise KeyboardInterrupt

    site.interrupt("remembered", lambda: None, crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(deletion_of(at=LATER), take_unsettled=True)
    assert site.present().marked
    change = site.settle(record).change
    tombstone = site.tombstone()
    assert site.row() is None
    assert change is not None
    assert tombstone is not None
    assert tombstone.context.covers(change.version)


def test_a_row_that_an_older_deletion_of_ours_removed_is_put_back(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    site.merge(deletion_of(at=NOW + 1), take_unsettled=True)
    assert site.row() is None
    change = site.settle(record).change
    assert change is not None
    assert site.state() == (item(n=1), change.version)


def test_a_row_that_a_newer_deletion_of_ours_removed_stays_away(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    site.merge(deletion_of(at=LATER), take_unsettled=True)
    written = len(site.table.stream)
    site.settle(record)
    assert site.row() is None
    assert len(site.table.stream) == written, "readers saw the row flicker"


def test_a_row_that_the_application_deleted_since_stays_away(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    site.delete()
    change = site.settle(record).change
    tombstone = site.tombstone()
    assert site.row() is None
    assert change is not None
    assert tombstone is not None
    assert (tombstone.deletion, tombstone.context.covers(change.version)) == (None, True)


def test_what_the_writer_had_seen_travels_with_the_change(site: Site) -> None:
    seen = change_of(n=0)
    site.merge(seen)
    site.settle_all()
    site.update(n=1)
    assert site.change().context.covers(seen.version)


def test_a_stamp_keeps_what_the_row_had_seen(site: Site) -> None:
    seen = change_of(n=0)
    site.merge(seen)
    site.update(n=1)
    site.settle_all()
    assert site.present().context.covers(seen.version)


def test_an_echo_of_an_insert_that_is_older_than_a_tombstone_is_removed_again(site: Site) -> None:
    site.merge(change_of(n=1))
    away = Site(HOME)
    away.merge(deletion_of(at=NOW + 1, home=FAR))
    site.replica.tombstones.update(away.replica.tombstones)
    (settled,) = [site.settle(site.next())]
    assert settled.origin is Origin.ECHO
    assert site.row() is None


def test_a_row_that_never_holds_still_is_left_to_a_later_delivery(site: Site) -> None:
    site.put(n=0)
    record = site.last()
    site.interrupt("write", *[lambda n=n: site.update(n=n) for n in range(1, 200)])
    with pytest.raises(NotSettled, match="again and again"):
        site.settle(record)


def test_an_error_of_the_database_ends_the_decision(site: Site) -> None:
    site.put(n=1)
    site.fail("write", Throttled("slow down"))
    with pytest.raises(Throttled):
        site.settle(site.last())


def test_a_forged_stamp_from_the_future_is_replaced(site: Site) -> None:
    far = Site(PEER)
    far.merge(change_of(n=1, at=NOW + 3600 * SECOND))
    site.put_image(far.present().image)
    change = site.change()
    assert change.version.timestamp <= site.now
    assert site.present().settled
    assert site.state() == (item(n=1), change.version)


def test_a_forged_context_from_the_future_does_not_carry_the_version_there(site: Site) -> None:
    far = Site(PEER)
    forged = knowing(change_of(n=1), change_of(at=NOW + 10**15, home=HOME, sequence=10**39).version)
    far.merge(forged)
    site.put_image(far.present().image)
    change = site.change()
    assert change.version.timestamp <= site.now
    assert site.content() == item(n=1)


def test_our_attributes_are_not_shipped(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.update(n=2)
    change = site.change()
    assert change.image is not None
    assert STAMP_ATTRIBUTE not in change.image
