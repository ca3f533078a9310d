"""Deletions that meet another function, or their own end, in the middle: nothing is forgotten and no row comes back."""

from __future__ import annotations

import pytest

from distributary.domain.merge import Effect, Merged
from distributary.domain.origin import Origin
from distributary.domain.row import Tombstone
from distributary.domain.settlement import Settled
from tests.unit.sites import FAR, HOME, NOW, SECOND, Site, change_of, deletion_of, item, knowing

LATER = NOW + 30 * SECOND


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def crash() -> None:
    """What ends a function in the middle."""
    raise KeyboardInterrupt


def tombstone(site: Site) -> Tombstone:
    found = site.tombstone()
    assert found is not None
    return found


def marked_by(site: Site, at: int) -> None:
    """A deletion of another region that ended after it had marked the row."""
    site.interrupt("written", crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(deletion_of(at=at), take_unsettled=True)
    assert site.present().marked


# --- capture of a local deletion


def test_a_deletion_keeps_what_a_tombstone_of_another_region_had_seen(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    record = site.last()
    other = deletion_of(at=NOW + 1, home=FAR)
    site.merge(other)
    change = site.settle(record).change
    assert change is not None
    assert tombstone(site).deletion == change.version
    assert tombstone(site).context.covers(other.version)


def test_a_newer_deletion_of_another_region_stays_remembered(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    record = site.last()
    newer = deletion_of(at=LATER, home=FAR)
    site.merge(newer)
    change = site.settle(record).change
    assert change is not None
    assert tombstone(site).deletion == newer.version
    assert tombstone(site).context.covers(change.version)


def test_a_tombstone_that_changes_in_the_very_moment_forgets_neither_deletion(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    record = site.last()
    other = deletion_of(at=NOW + 1, home=FAR)
    site.interrupt("remember", lambda: site.merge(other))
    change = site.settle(record).change
    assert change is not None
    assert tombstone(site).deletion == change.version
    assert tombstone(site).context.covers(other.version)


def test_a_deletion_looks_no_more_often_than_it_has_to(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    site.accesses.clear()
    site.settle(site.last())
    assert site.accesses.count("remember") == 1


def test_a_deletion_that_ended_after_its_mark_is_finished_by_a_retry(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    record = site.last()
    site.merge(change_of(n=2, at=NOW + SECOND + 1))
    site.interrupt("written", crash)
    with pytest.raises(KeyboardInterrupt):
        site.settle(record)
    assert site.present().marked
    site.settle(record)
    assert site.row() is None


def test_a_deletion_that_a_later_write_has_overtaken_ships_nothing(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    deletion = site.last()
    site.put(n=2)
    site.settle(site.last())
    assert site.settle(deletion) == Settled(Origin.DELETED)
    assert site.content() == item(n=2)


# --- capture of a put that meets a deletion


def test_a_write_that_meets_a_newer_mark_is_not_shown_again_before_the_row_goes(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    marked_by(site, LATER)
    before = len(site.table.stream)
    site.settle(record)
    assert [each.new for each in site.table.stream[before:]] == [None]


@pytest.mark.parametrize("gone", [False, True])
def test_a_write_beneath_a_deletion_is_noted_though_the_tombstone_changes_in_the_very_moment(
    site: Site, gone: bool
) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    if gone:
        site.merge(deletion_of(at=LATER), take_unsettled=True)
    else:
        marked_by(site, LATER)
    site.interrupt("remember", lambda: site.merge(deletion_of(at=LATER + 1, home=FAR)))
    change = site.settle(record).change
    assert change is not None
    assert site.row() is None
    assert tombstone(site).context.covers(change.version)


def test_an_update_of_a_marked_row_comes_back_whichever_record_finishes_the_deletion(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.update(n=1)
    marked_by(site, LATER)
    site.update(n=2)
    changes = site.changes()
    assert changes[-1].image == site.content() == item(n=2)
    assert site.present().settled


# --- changes of other regions


def test_a_marked_row_that_was_waited_for_too_long_is_removed_for_a_newer_state(site: Site) -> None:
    site.merge(change_of(n=0))
    marked_by(site, NOW + 1)
    site.update(n=1)
    newer = change_of(n=5, at=LATER)
    assert site.merge(newer, take_unsettled=True).effect is Effect.INSERTED
    assert site.state() == (newer.image, newer.version)


def test_a_row_that_was_inserted_too_late_by_a_delivery_that_ended_is_removed_when_it_comes_again(site: Site) -> None:
    change = change_of(n=1)
    site.interrupt("write", lambda: site.merge(deletion_of(at=NOW + 1)))
    site.interrupt("written", crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(change)
    assert site.content() == item(n=1)
    assert site.merge(change).effect is Effect.KEPT
    assert site.row() is None


@pytest.mark.parametrize("seen", [False, True])
def test_a_write_that_stays_deleted_is_a_conflict_unless_the_deletion_had_seen_it(site: Site, seen: bool) -> None:
    write, deletion = change_of(n=1), deletion_of(at=NOW + 1, home=FAR)
    site.merge(knowing(deletion, write.version) if seen else deletion)
    assert site.merge(write) == Merged(Effect.KEPT, conflict=not seen)


def test_a_copy_of_another_regions_mark_is_removed_where_its_row_is_to_stay_deleted(site: Site) -> None:
    # given: another region has marked a row for removal, and an application copies that here, where it is deleted
    change, there = change_of(n=1), Site(FAR)
    there.merge(change)
    marked_by(there, at=NOW + 1)
    site.merge(deletion_of(at=NOW + 1))
    site.put_image(there.present().image)

    # when: the row's change comes again
    site.merge(change)

    # then
    assert site.row() is None
