"""A local write that is captured puts on record what it has met unseen, before the row shows what became of it."""

from __future__ import annotations

import pytest

from distributary.domain.change import Change
from distributary.domain.errors import NotSettled, Unavailable
from distributary.domain.image import key_text
from distributary.domain.row import Tombstone
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, item, key

BENEATH = change_of(n=1, home=PEER)
DELETION = deletion_of(home=FAR, at=NOW + 1)


@pytest.fixture
def site() -> Site:
    """A row of another region, settled here."""
    site = Site(HOME)
    site.merge(BENEATH)
    site.settle_all()
    site.now += 10 * SECOND
    return site


def shipped(site: Site) -> Change:
    """What is shipped of the newest record."""
    change = site.settle(site.last()).change
    assert change is not None
    return change


def test_a_change_that_took_its_place_is_on_record_as_it_was(site: Site) -> None:
    # given: a write that was waited for too long
    site.put(n=2)
    write, theirs = site.last(), change_of(n=3, home=FAR, at=site.now + SECOND)
    site.merge(theirs, take_unsettled=True)

    # when
    change = site.settle(write).change

    # then
    assert change is not None
    (conflict,) = site.recorded
    assert (conflict.key, conflict.arriving.version) == (key(), change.version)
    assert conflict.present.version == theirs.version
    assert conflict.present.context.covers(theirs.version)


def test_a_deletion_that_has_marked_its_row_is_on_record_as_a_deletion(site: Site) -> None:
    # given: a deletion that could not wait for the write, marked the row, and whose function ended
    site.update(n=2)
    write = site.last()
    site.fail("written", Unavailable("gone"))
    with pytest.raises(Unavailable):
        site.merge(DELETION, take_unsettled=True)
    site.recorded.clear()

    # when
    site.settle(write)

    # then
    assert (site.recorded[0].arriving.image, site.recorded[0].present.image) == (item(n=2), None)


def test_an_older_deletion_that_is_noted_while_a_put_is_settled_is_on_record_as_lost() -> None:
    # given: a put, and a deletion elsewhere that knew nothing of it and is older
    site, older = Site(HOME), deletion_of(home=FAR, at=NOW - SECOND)
    site.put(n=1)
    noted = Tombstone(older.version, older.context, arrived_at=site.now)
    # when: that is noted as the put is settled
    site.interrupt("written", lambda: site.replica.tombstones.update({key_text(key()): noted}))
    site.settle(site.last())
    # then: it is the deletion that has come to the row, and the row stays
    (conflict,) = site.recorded
    assert (conflict.key, conflict.arriving.version, conflict.arriving.image) == (key(), older.version, None)
    assert (conflict.present.image, conflict.losing) == (item(n=1), conflict.arriving)


def test_a_newer_deletion_that_is_noted_while_a_put_is_settled_takes_its_row() -> None:
    # given: a put, and a deletion elsewhere that is newer
    site, newer = Site(HOME), deletion_of(home=FAR, at=NOW + 60 * SECOND)
    site.put(n=1)
    # when: that is noted as the put is settled
    noted = Tombstone(newer.version, newer.context, arrived_at=site.now)
    site.interrupt("written", lambda: site.replica.tombstones.update({key_text(key()): noted}))
    site.settle(site.last())
    # then: the row goes as that deletion's
    assert site.content() is None
    assert site.replica.tombstones[key_text(key())].removing == newer.version


def test_what_it_was_made_on_top_of_is_on_no_record(site: Site) -> None:
    site.put_stamped(n=2)
    shipped(site)
    assert site.recorded == []


def test_a_deletion_that_took_its_row_unseen_is_on_record_before_the_row_is_put_back(site: Site) -> None:
    # given: an older deletion that could not wait for the write
    site.update(n=2)
    write = site.last()
    site.merge(DELETION, take_unsettled=True)
    assert site.row() is None
    site.recorded.clear()

    # when: the row is about to be put back, and the function ends
    site.interrupt("write", lambda: None)
    site.fail("write", Unavailable("no answer"))
    with pytest.raises(Unavailable):
        site.settle(write)

    # then
    assert site.row() is None
    (conflict,) = site.recorded
    assert (conflict.key, conflict.arriving.image, conflict.late) == (key(), item(n=2), True)
    assert conflict.present.version == DELETION.version
    assert conflict.present.context.covers(DELETION.version)


def test_a_deletion_beneath_it_that_took_its_row_once_more_is_on_no_record(site: Site) -> None:
    # given: a row on top of a deletion that comes again and cannot wait
    site.merge(DELETION)
    site.settle_all()
    site.recorded.clear()
    site.put(n=2)
    write = site.last()
    site.merge(DELETION, take_unsettled=True)
    assert site.row() is None

    # when
    site.settle(write)

    # then
    assert (site.content(), site.recorded) == (item(n=2), [])


def test_a_deletion_that_came_when_the_row_was_deleted_here_as_well_is_on_record_with_what_was_written(
    site: Site,
) -> None:
    # given: a write and then a deletion of this region, neither captured, and another region's deletion
    site.put(n=2)
    write = site.last()
    site.delete()
    site.now += 10 * SECOND
    deletion = deletion_of(home=FAR, at=site.now)
    site.merge(deletion)

    # when
    change = site.settle(write).change

    # then
    assert change is not None
    met = {(each.arriving.version, each.present.version) for each in site.recorded}
    assert met == {(change.version, deletion.version)}


def test_a_newer_deletion_that_was_noted_as_the_put_was_settled_was_not_seen_by_it() -> None:
    # given: a put; in the second of its creation a deletion is noted, which waits for the put to be settled
    site, third = Site(HOME), Site(FAR)
    site.put(n=1)
    deletion = deletion_of(home=PEER, at=site.now + SECOND // 2)

    def noted() -> None:
        with pytest.raises(NotSettled):
            site.merge(deletion)

    site.interrupt("write", noted)

    # when: a third region has the deletion, and then the put
    change = shipped(site)
    third.merge(deletion)
    third.merge(change)

    # then: it is on record in both
    assert [conflict.present.version for conflict in (*site.recorded, *third.recorded)] == [deletion.version] * 2
    assert (site.row(), third.row()) == (None, None)
