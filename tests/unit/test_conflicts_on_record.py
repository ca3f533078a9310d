"""A conflict is on record before the row shows its outcome: both states, under a name that a repetition draws again."""

from __future__ import annotations

import pytest

from distributary.domain.conflict import Conflict, Resolution
from distributary.domain.errors import NotSettled, Unavailable
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, item, knowing


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def only(site: Site) -> Conflict:
    (conflict,) = site.recorded
    return conflict


def test_the_state_that_is_replaced_is_on_record_as_the_losing_one(site: Site) -> None:
    # given: a row of one region, and a newer one of another that had not seen it
    older, newer = change_of(n=1, home=PEER), change_of(n=2, home=FAR, at=NOW + SECOND)
    site.merge(older)

    # when: the newer one arrives
    site.merge(newer)

    # then: both are on record, and which of them is lost
    conflict = only(site)
    assert conflict.resolution is Resolution.ARRIVED
    assert (conflict.arriving.image, conflict.present.image) == (newer.image, older.image)
    assert conflict.losing == conflict.present


def test_a_state_that_arrives_too_late_is_on_record_as_the_losing_one(site: Site) -> None:
    site.merge(change_of(n=2, home=FAR, at=NOW + SECOND))
    site.merge(change_of(n=1, home=PEER))
    assert only(site).losing == only(site).arriving


def test_a_row_that_a_deletion_takes_unseen_is_on_record_with_its_image(site: Site) -> None:
    site.merge(change_of(n=1, home=PEER))
    site.merge(deletion_of(home=FAR, at=NOW + SECOND))
    assert (only(site).arriving.image, only(site).present.image) == (None, item(n=1))


def test_a_row_that_a_deletion_keeps_out_is_on_record(site: Site) -> None:
    site.merge(deletion_of(home=FAR, at=NOW + SECOND))
    site.merge(change_of(n=1, home=PEER))
    assert (only(site).arriving.image, only(site).present.image) == (item(n=1), None)


def test_what_was_made_on_top_of_the_present_state_is_no_conflict(site: Site) -> None:
    first = change_of(n=1, home=PEER)
    site.merge(first)
    site.merge(knowing(change_of(n=2, home=FAR, at=NOW + SECOND), first.version))
    assert site.recorded == []


def test_a_change_that_comes_again_is_not_on_record_again(site: Site) -> None:
    site.merge(change_of(n=1, home=PEER))
    for _ in range(2):
        site.merge(change_of(n=2, home=FAR, at=NOW + SECOND))
    assert len(site.recorded) == 1


def test_a_function_that_ends_before_the_row_is_written_leaves_one_record_under_one_name(site: Site) -> None:
    # given: a conflict that was recorded, and a write that failed
    site.merge(change_of(n=1, home=PEER))
    site.fail("write", Unavailable("no answer"))
    with pytest.raises(Unavailable):
        site.merge(change_of(n=2, home=FAR, at=NOW + SECOND))

    # when: the change is delivered again
    site.merge(change_of(n=2, home=FAR, at=NOW + SECOND))

    # then: it was recorded twice, as one and the same
    assert len(site.recorded) == 2
    assert len({conflict.id for conflict in site.recorded}) == 1


def test_the_record_comes_before_the_row(site: Site) -> None:
    site.merge(change_of(n=1, home=PEER))
    site.accesses.clear()
    site.merge(change_of(n=2, home=FAR, at=NOW + SECOND))
    assert site.accesses.index("record") < site.accesses.index("write")


def test_each_replica_has_a_record_of_its_own() -> None:
    sites = [Site(HOME), Site(FAR)]
    for site in sites:
        site.merge(change_of(n=1, home=PEER))
        site.merge(change_of(n=2, home=FAR if site.region == HOME else HOME, at=NOW + SECOND))
    assert only(sites[0]).id != only(sites[1]).id


def test_a_newer_change_that_replaced_a_local_write_before_its_capture_is_on_record_at_home(site: Site) -> None:
    # given: a local write that nobody has captured, and a row of a peer that took its place after the long wait
    site.put(n=1)
    theirs = change_of(n=2, home=PEER, at=site.now + SECOND)
    site.merge(theirs, take_unsettled=True)

    # when: the local write is captured
    site.settle(site.next())

    # then: it lost to a state that had not seen it, and is on record
    conflict = only(site)
    assert conflict.resolution is Resolution.KEPT
    assert (conflict.arriving.image, conflict.present.image) == (item(n=1), theirs.image)


def test_a_row_that_is_inserted_over_an_older_deletion_is_on_record(site: Site) -> None:
    site.merge(deletion_of(home=FAR))
    site.merge(change_of(n=1, home=PEER, at=NOW + SECOND))
    assert only(site).losing == only(site).present


def test_a_deletion_that_comes_while_a_row_is_inserted_is_on_record_with_the_row(site: Site) -> None:
    # given: a newer deletion that is noted after a call has looked and before it inserts
    site.interrupt("write", lambda: site.merge(deletion_of(home=FAR, at=NOW + SECOND)))

    # when: the older row is inserted
    site.merge(change_of(n=1, home=PEER))

    # then: it is gone again, and on record
    assert site.row() is None
    assert only(site).losing == only(site).arriving
    assert only(site).arriving.image == item(n=1)


def test_a_local_deletion_that_meets_a_row_unseen_is_on_record_at_home(site: Site) -> None:
    # given: a row that was deleted here, and another region's that came before that was captured
    site.put(n=1)
    site.settle(site.next())
    site.delete()
    deletion = site.last()
    theirs = change_of(n=2, home=PEER, at=site.now + SECOND)
    site.merge(theirs)

    # when: the deletion is captured
    site.settle(deletion)

    # then: it lost to a state that had not seen it
    assert only(site).arriving.image is None
    assert only(site).losing == only(site).arriving


def test_a_put_over_a_put_that_is_not_captured_yet_has_seen_what_was_beneath_both(site: Site) -> None:
    # given: a row of a peer, and two puts over it, of which neither keeps the stamp
    theirs = change_of(n=1, home=PEER)
    site.merge(theirs)
    site.put(n=2)
    first = site.last()
    site.put(n=3)
    second = site.last()

    # when: both are captured
    site.settle(first)
    change = site.settle(second).change

    # then: the second says that it was made on top of the peer's
    assert change is not None
    assert change.context.covers(theirs.version)


def test_a_retry_of_an_insert_has_not_seen_what_it_was_shown_over(site: Site) -> None:
    # given: a row that was put and deleted here, and an older one of a peer that was inserted before that was captured
    site.put(n=1)
    ours = site.last()
    site.delete()
    theirs = change_of(n=2, home=PEER, at=NOW - SECOND)
    site.merge(theirs)

    # when: the put is captured, and once more since nobody knows whether it was shipped
    first, again = site.settle(ours).change, site.settle(ours).change

    # then: both times it says what it was made on top of, not what was merged into its row
    assert first == again
    assert again is not None
    assert not again.context.covers(theirs.version)


def test_what_a_deletion_keeps_out_is_on_record_as_it_arrived(site: Site) -> None:
    # given: a row of a peer that an application has changed, and a newer deletion, which waits for that to be captured
    theirs = change_of(n=1, home=PEER)
    site.merge(theirs)
    site.update(more=1)
    with pytest.raises(NotSettled):
        site.merge(deletion_of(home=FAR, at=NOW + SECOND))

    # when: the peer's change comes again
    site.merge(theirs)

    # then: what is on record of it does not show what the application has added
    assert {str(conflict.arriving.image) for conflict in site.recorded} == {str(theirs.image)}
