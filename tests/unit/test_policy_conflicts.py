"""Under policies with memory what a deletion takes unseen is on record, whichever function finds it."""

from __future__ import annotations

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Resolution
from distributary.domain.errors import Unavailable
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.state_changes import LATER, after, deleted, put, reborn
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


def test_what_stays_deleted_is_on_record_by_what_was_read_as_that_was_decided(site: StateSite) -> None:
    # given: a deletion
    first = put(a=1)
    site.merge(deleted(first))
    on_record: list[int] = []
    site.interrupt("look_back", lambda: on_record.append(len(site.conflicts)))

    # when: a change comes that it has not seen
    merged = site.merge(put(HOME, NOW + SECOND, b=1))

    # then: their meeting is on record before anybody looks again
    assert merged.conflict
    assert on_record == [1]


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


def test_a_row_that_shows_both_but_for_what_has_no_policy_of_its_own_has_lost_that(site: StateSite) -> None:
    # given: two regions that put the row, each with a number that counts and a text of which the last stands
    site.put(n=3, a="here", same="x")
    site.settle_all()

    # when
    merged = site.merge(put(PEER, NOW + 9 * SECOND, n=4, a="there", same="x"))

    # then
    assert merged.conflict
    (conflict,) = site.conflicts
    assert conflict.resolution is Resolution.PARTLY
    assert [sorted(side.lost) for side in (conflict.present, conflict.arriving)] == [["a"], []]


def test_so_it_is_where_the_one_that_arrives_is_older(site: StateSite) -> None:
    site.put(n=3, a="here")
    site.settle_all()
    site.merge(put(PEER, NOW - 9 * SECOND, n=4, a="there"))
    (conflict,) = site.conflicts
    assert [sorted(side.lost) for side in (conflict.present, conflict.arriving)] == [[], ["a"]]


def test_a_row_that_shows_both_has_lost_nothing(site: StateSite) -> None:
    # given: a row that both regions know
    first = put(FAR, NOW, n=3, a="known")
    site.merge(first)
    site.settle_all()
    site.update(n=5)
    site.settle_all()

    # when: the other one has written the text, on top of that, and has not seen what was added here
    merged = site.merge(after(first, PEER, NOW + 9 * SECOND, a="there"))

    # then
    assert merged.conflict
    (conflict,) = site.conflicts
    assert conflict.resolution is Resolution.MERGED
    assert site.number == "5"


def test_a_state_that_has_lost_as_a_whole_is_not_told_by_parts(site: StateSite) -> None:
    site.put(a="here")
    site.settle_all()
    site.merge(put(PEER, NOW + 9 * SECOND, a="there"))
    (conflict,) = site.conflicts
    assert (conflict.resolution, sorted(conflict.present.lost)) == (Resolution.ARRIVED, [])
