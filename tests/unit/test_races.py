"""Functions that race for one row or its tombstone see each other, and none forgets what the other has noted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change
from distributary.domain.errors import NotSettled
from distributary.domain.merge import Effect, Merged
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import UNKNOWN, Stamp, Writer, stamped
from distributary.domain.version import Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, item, key, knowing

LATER = NOW + 30 * SECOND


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def tombstone(site: Site) -> Tombstone:
    found = site.tombstone()
    assert found is not None
    return found


def announce(site: Site, deletion: Change) -> None:
    """Another function has written the tombstone of a deletion, and nothing else yet."""
    other = Site(HOME, now=site.now)
    other.merge(deletion)
    site.replica.tombstones.update(other.replica.tombstones)


def put_marked(site: Site, mark: Version) -> None:
    """A row that a deletion has marked whose tombstone is not there (any more)."""
    content, seen = item(n=1), change_of(n=1).context.including(mark)
    image = stamped(content, Stamp(mark, seen, Writer.REPLICATION_DELETES, Row(content).digest, UNKNOWN))
    site.table.write(key(), image)


def test_a_replacement_and_a_newer_deletion_that_race_leave_no_row(site: Site) -> None:
    site.merge(change_of(n=0))
    site.interrupt("write", lambda: announce(site, deletion_of(at=LATER)))
    assert site.merge(change_of(n=1, at=NOW + 1)).effect is Effect.REPLACED
    assert site.row() is None


def test_a_local_write_and_a_newer_deletion_that_race_leave_no_row(site: Site) -> None:
    site.put(n=1)
    site.interrupt("write", lambda: announce(site, deletion_of(at=LATER)))
    site.settle(site.last())
    assert site.row() is None


def test_a_newer_row_that_came_just_before_somebody_looks_again_stays(site: Site) -> None:
    newer = change_of(n=2, at=NOW + 2)

    def others() -> None:
        announce(site, deletion_of(at=NOW + 1))
        site.merge(newer)

    site.interrupt("written", others)
    site.merge(change_of(n=1))
    assert site.state() == (newer.image, newer.version)


def test_an_update_that_came_just_before_somebody_looks_again_stays(site: Site) -> None:
    def others() -> None:
        announce(site, deletion_of(at=NOW + 1))
        site.update(n=5)

    site.interrupt("written", others)
    site.merge(change_of(n=1))
    assert site.content() == item(n=5)


def test_two_deletions_that_race_are_both_remembered(site: Site) -> None:
    one, other = deletion_of(at=NOW + 1), deletion_of(at=NOW, home=FAR)
    site.interrupt("remember", lambda: site.merge(other))
    assert site.merge(one) == Merged(Effect.DELETED)
    assert tombstone(site).deletion == one.version
    assert tombstone(site).context.covers(other.version)


def test_a_deletion_is_noted_once(site: Site) -> None:
    site.merge(deletion_of())
    assert site.accesses.count("remember") == 1


def test_a_deletion_that_is_older_than_the_one_remembered_does_nothing(site: Site) -> None:
    site.merge(deletion_of(at=NOW + 1))
    assert site.merge(deletion_of(at=NOW, home=FAR)) == Merged(Effect.KEPT)


@pytest.mark.parametrize("seen", [False, True])
def test_a_deletion_of_what_its_writer_had_not_seen_is_a_conflict(site: Site, seen: bool) -> None:
    put, deletion = change_of(n=1), deletion_of(at=NOW + 1, home=FAR)
    site.merge(put)
    assert site.merge(knowing(deletion, put.version) if seen else deletion) == Merged(Effect.DELETED, not seen)


def test_an_insert_after_a_deletion_remembers_what_that_had_seen(site: Site) -> None:
    deletion = deletion_of(at=NOW, home=FAR)
    site.merge(deletion)
    site.merge(change_of(n=1, at=NOW + 1))
    assert site.present().context.covers(deletion.version)


def test_a_marked_row_whose_tombstone_has_expired_is_removed_and_remembered_anew(site: Site) -> None:
    mark = deletion_of(at=NOW + 1).version
    put_marked(site, mark)
    site.now += 5
    site.merge(change_of(n=2, at=NOW - 1, home=FAR))
    assert site.row() is None
    assert replace(tombstone(site), context=Tombstone().context) == Tombstone(
        deletion=mark, arrived_at=site.now, removing=mark, removing_names=("n", "pk")
    )
    assert tombstone(site).context.covers(change_of(n=1).version)


def test_a_marked_row_that_was_waited_for_too_long_is_deleted_with_what_was_written_on_it(site: Site) -> None:
    put_marked(site, deletion_of(at=NOW + 1).version)
    site.update(n=2)
    assert site.merge(deletion_of(at=LATER), take_unsettled=True).effect is Effect.DELETED
    assert site.row() is None


def test_a_removal_whose_tombstone_never_holds_still_is_left_to_a_later_delivery(site: Site) -> None:
    site.merge(change_of(n=0))
    versions = iter(range(1, 2000))

    def disturb() -> None:
        known = tombstone(site)
        seen = known.context.including(Version(next(versions), 1, FAR))
        site.replica.tombstones.update({site.last().row: replace(known, context=seen)})

    site.interrupt("remember", lambda: None, *[disturb] * 1000)
    with pytest.raises(NotSettled, match="again and again"):
        site.merge(deletion_of(at=NOW + 1, home=PEER))
    assert site.present().marked
