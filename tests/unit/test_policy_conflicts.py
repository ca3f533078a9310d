"""Under policies with memory what a deletion takes unseen is on record, whichever function finds it."""

from __future__ import annotations

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Resolution
from distributary.domain.errors import Unavailable
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.state_changes import LATER, deleted, put, reborn
from tests.unit.state_sites import StateSite


@pytest.fixture
def site() -> StateSite:
    return StateSite(HOME)


def with_an_update_of_a_marked_row(site: StateSite) -> tuple[Change, Change]:
    """Another region's deletion, and the local update that came between our mark and our deletion."""
    first = put(a=1)
    site.merge(first)
    site.settle_all()
    deletion = deleted(first)
    site.now = LATER + SECOND
    site.interrupt("write", lambda: None, lambda: site.update(b=1))
    site.merge(deletion)
    (update,) = [each.change for each in site.settle_all() if each.change is not None]
    return deletion, update


def test_an_older_state_that_meets_a_row_on_top_of_a_deletion_as_that_comes_is_on_record(site: StateSite) -> None:
    # given: a deletion and a row on top of it, which come after a call has read the tombstone
    deletion = deleted(put(a=1), PEER)
    later = reborn(deletion, a=2)
    older = put(FAR, NOW + SECOND, a=1)

    def come() -> None:
        site.merge(deletion)
        site.merge(later)

    site.interrupt("look", lambda: None, come)

    # when: that call merges a state that the deletion has not seen
    merged = site.merge(older)

    # then: it is lost, and on record
    assert site.content() == later.image
    assert merged.conflict
    (conflict,) = site.conflicts
    assert (conflict.arriving.image, conflict.resolution) == (older.image, Resolution.KEPT)


def test_an_update_of_a_row_that_is_marked_is_lost_to_the_deletion_and_on_record_at_home(site: StateSite) -> None:
    deletion, update = with_an_update_of_a_marked_row(site)
    assert site.row() is None
    (conflict,) = {conflict.id: conflict for conflict in site.conflicts}.values()
    assert (conflict.arriving.image, conflict.present.version) == (update.image, deletion.version)


def test_and_on_record_where_it_arrives_although_its_stamp_names_the_deletion(site: StateSite) -> None:
    # given: a region that has the deletion
    deletion, update = with_an_update_of_a_marked_row(site)
    there = StateSite(FAR, now=LATER)
    there.merge(deletion)

    # when: the update arrives
    merged = there.merge(update)

    # then: it stays deleted, and that is no secret
    assert there.row() is None
    assert merged.conflict
    assert [conflict.arriving.image for conflict in there.conflicts] == [update.image]


def test_an_older_deletion_that_comes_again_is_not_the_one_that_takes_the_row(site: StateSite) -> None:
    # given: a row on top of a deletion, and a newer one, whose call ended before it had removed the row
    first = put(a=1)
    older, newer = deleted(first), deleted(first, at=LATER + 30 * SECOND)
    site.now = newer.version.timestamp
    site.merge(older)
    site.merge(reborn(older, a=2))
    site.fail("write", Unavailable("no answer"))
    with pytest.raises(Unavailable):
        site.merge(newer)

    # when: the older one comes again
    site.merge(older)

    # then: the row is gone, and what is on record is the newer one's
    assert site.row() is None
    versions = {each.version for conflict in site.conflicts for each in (conflict.arriving, conflict.present)}
    assert newer.version in versions
    assert older.version not in versions
