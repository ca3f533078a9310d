"""What a change finds under policies with memory: work half done, a row that is gone; what is told of its effect."""

from __future__ import annotations

import pytest

from distributary.domain.errors import NotSettled, Unavailable
from distributary.domain.merge import Effect, Merged
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.state_changes import LATER, deleted, put, reborn
from tests.unit.state_sites import StateSite


@pytest.fixture
def site() -> StateSite:
    return StateSite(HOME)


# --- a row that is gone but for its writes in the ledger


def test_what_was_written_here_is_in_the_row_that_replaces_one_that_is_gone(site: StateSite) -> None:
    # given: a row that an application has just deleted, which is not captured yet
    site.put(n=3)
    site.settle_all()
    site.delete()

    # when
    site.merge(put(PEER, n=4))

    # then
    assert site.number == "7"


def test_what_was_written_here_on_top_of_a_deletion_is_in_it_too(site: StateSite) -> None:
    # given: a row on top of a deletion, which an application has just deleted
    deletion = deleted(put(n=5))
    site.merge(deletion)
    site.put(n=3)
    site.settle_all()
    site.delete()

    # when: another region's row on top of the same deletion arrives
    site.merge(reborn(deletion, n=4))

    # then
    assert site.number == "7"


def test_what_a_deletion_has_taken_leaves_nothing_in_the_row_on_top_of_it(site: StateSite) -> None:
    # given: a write of a clock far ahead, and a deletion that takes it unseen
    site.now = LATER + 50 * SECOND
    site.put(n=3)
    site.settle_all()
    deletion = deleted(put(FAR, n=4))
    site.merge(deletion)

    # when
    again = reborn(deletion, n=2)
    site.merge(again)

    # then: the row is another region's alone, of a lower version than the one that is gone
    assert site.state() == (again.image, again.version)


# --- a deletion that is brought along


def test_a_deletion_that_is_brought_along_leaves_the_ledger_as_it_is(site: StateSite) -> None:
    # given: writes of this region in the ledger
    site.put(n=3)
    site.settle_all()
    before = site.tombstone()
    assert before is not None

    # when: a row comes that was made on top of a deletion which has not arrived
    deletion = deleted(put(n=5))
    site.merge(reborn(deletion, n=2))

    # then
    tombstone = site.tombstone()
    assert tombstone is not None
    assert (tombstone.deletion, tombstone.ledger) == (deletion.version, before.ledger)


# --- half-done work of calls that have ended


def test_a_row_that_was_marked_for_removal_is_in_nobodys_way(site: StateSite) -> None:
    # given: a call that has marked the row which it is to delete, and ended
    first = put(n=5)
    deletion = deleted(first)
    site.merge(first)
    site.fail("written", Unavailable("gone"))
    with pytest.raises(Unavailable):
        site.merge(deletion)
    assert site.present().marked

    # when, then
    assert site.merge(reborn(deletion, n=2)) == Merged(Effect.INSERTED)
    assert site.number == "2"


def test_two_deletions_that_race_are_both_remembered(site: StateSite) -> None:
    # given: an older deletion that is noted while a newer one is about to be
    older, newer = deleted(put(n=1), PEER), deleted(put(n=1), FAR, at=LATER + SECOND)
    site.interrupt("remember", lambda: site.merge(older))

    # when
    site.merge(newer)

    # then
    tombstone = site.tombstone()
    assert tombstone is not None
    assert tombstone.deletion == newer.version
    assert tombstone.context.covers(older.version)


def test_a_row_that_is_written_as_it_is_to_be_removed_is_waited_for(site: StateSite) -> None:
    first = put(n=1)
    site.merge(first)
    site.interrupt("write", lambda: site.update(n=9))
    with pytest.raises(NotSettled):
        site.merge(deleted(first))


# --- what is told of it


def test_a_change_that_shows_is_told_to_have_replaced_the_row(site: StateSite) -> None:
    site.merge(put(PEER, at=NOW, a=1))
    assert site.merge(put(FAR, at=LATER, a=2)) == Merged(Effect.REPLACED, conflict=True)


def test_a_change_that_does_not_show_is_told_to_be_kept_back(site: StateSite) -> None:
    site.merge(put(PEER, at=LATER, a=1))
    assert site.merge(put(FAR, at=NOW, a=2)) == Merged(Effect.KEPT, conflict=True)


def test_a_change_that_loses_to_a_row_which_came_in_between_is_told_to_be_kept_back(site: StateSite) -> None:
    # given: a deletion and a row on top of it, which come after a call has read the tombstone
    deletion = deleted(put(PEER, a=1), PEER)

    def come() -> None:
        site.merge(deletion)
        site.merge(reborn(deletion, a=2))

    site.interrupt("look", lambda: None, come)

    # when, then
    assert site.merge(put(FAR, NOW + SECOND, a=1)) == Merged(Effect.KEPT, conflict=True)


def test_a_deletion_of_a_row_that_is_not_there_is_told_to_hold(site: StateSite) -> None:
    assert site.merge(deleted(put(n=1))) == Merged(Effect.DELETED)


def test_a_deletion_that_a_newer_one_has_overtaken_is_told_to_be_kept_back(site: StateSite) -> None:
    site.merge(deleted(put(n=1), FAR, at=LATER + SECOND))
    assert site.merge(deleted(put(n=1), PEER, at=LATER)) == Merged(Effect.KEPT)
