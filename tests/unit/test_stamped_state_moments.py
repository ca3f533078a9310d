"""What a change finds where the database stamps every write, under policies: races, tombstones, and rows of before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from distributary.domain.change import Change
from distributary.domain.image import key_text
from distributary.domain.merge import Effect, Merged
from distributary.domain.row import Tombstone
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.sites import FAR, NOW, PEER, SECOND
from tests.unit.stamped_sites import StampedSite, deletion_of, key, knowing, put_of, row
from tests.unit.stamped_state_changes import deleted, note_only, put, reborn, site


def tombstone_of(home: StampedSite) -> Tombstone:
    tombstone = home.tombstone()
    assert tombstone is not None
    return tombstone


# --- races


def test_a_row_that_an_application_inserts_first_is_added_to() -> None:
    home = site()
    home.interrupt("write", lambda: home.put(n=2))
    home.merge(put(PEER, n=1))
    assert home.content() == row(n=3)


def test_a_row_that_is_written_as_a_newer_state_replaces_it_is_joined_with_that() -> None:
    home, peer = site(), site(PEER)
    peer.put(n=1)
    home.merge(peer.changes()[-1])
    peer.update(n=5)
    home.interrupt("write", lambda: home.update(n=2))
    home.merge(peer.changes()[-1])
    assert home.content() == row(n=1 + 4 + 1)


def test_a_deletion_that_is_noted_while_a_row_is_inserted_removes_it_though_its_function_ends() -> None:
    home, deletion = site(), deleted(put(FAR, n=4), FAR)
    home.interrupt("look_back", lambda: note_only(home, deletion))
    home.merge(put(PEER, n=1))
    assert home.content() is None


def test_two_deletions_that_race_are_both_remembered() -> None:
    home, older, newer = site(), deletion_of(home=FAR), deletion_of(at=NOW + SECOND)
    home.interrupt("remember", lambda: home.merge(older))
    home.merge(newer)
    assert tombstone_of(home) == Tombstone(newer.version, newer.context.merge(older.context))


# --- what is told of it


def test_a_row_that_is_absent_is_inserted() -> None:
    assert site().merge(put(PEER, n=1)) == Merged(Effect.INSERTED)


def test_so_is_a_row_on_top_of_a_deletion_that_is_known() -> None:
    home, deletion = site(), deleted(put(PEER, n=1), PEER)
    home.merge(deletion)
    assert home.merge(reborn(deletion, PEER, n=2)) == Merged(Effect.INSERTED)


def test_a_row_on_top_of_a_deletion_that_comes_again_writes_nothing() -> None:
    home, again = site(), reborn(deleted(put(PEER, n=1), PEER), PEER, n=2)
    home.merge(again)
    before = home.accesses.count("write")
    assert home.merge(again) == Merged(Effect.DUPLICATE)
    assert home.accesses.count("write") == before


def test_a_deletion_of_a_row_that_is_not_there_is_told_to_hold() -> None:
    assert site().merge(deletion_of()) == Merged(Effect.DELETED)


def test_a_deletion_that_a_newer_one_has_overtaken_is_told_to_be_kept_back() -> None:
    home = site()
    home.merge(deletion_of(at=NOW + SECOND))
    assert home.merge(deletion_of(home=FAR)) == Merged(Effect.KEPT)


# --- tombstones


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_deletions_the_newer_is_remembered_with_what_both_had_seen(newer_first: bool) -> None:
    home, older, newer = site(), deletion_of(home=FAR), deletion_of(at=NOW + SECOND)
    for deletion in (newer, older) if newer_first else (older, newer):
        home.merge(deletion)
    assert tombstone_of(home) == Tombstone(newer.version, newer.context.merge(older.context))


def test_a_deletion_that_is_brought_along_takes_nothing_from_the_tombstone_that_is_there() -> None:
    # given
    home, older, deletion = site(), deletion_of(home=FAR), deleted(put(PEER, n=1), PEER)
    home.merge(older)

    # when: a row comes on top of a deletion that has not arrived
    home.merge(reborn(deletion, PEER, n=2))

    # then
    assert tombstone_of(home).deletion == deletion.version
    assert tombstone_of(home).context.covers(older.version)


def test_a_deletion_beneath_a_row_is_not_brought_along_to_a_newer_row_of_before() -> None:
    home = site()
    home.merge(put_of(n=9, at=NOW + 60 * SECOND, home=FAR))
    home.merge(reborn(deleted(put(PEER, n=1), PEER), PEER, n=2))
    assert home.tombstone() is None


def test_a_row_that_a_dead_one_finds_is_taken_for_the_deletion_as_it_was() -> None:
    # given: a function that has noted a deletion, and ended
    home, deletion = site(), deleted(put(FAR, n=4), FAR)
    home.merge(put(PEER, n=3))
    note_only(home, deletion)

    # when: a row comes that was not made on top of that deletion either
    home.merge(put("sa-east-1", n=1))

    # then: what that had seen, the deletion had not
    assert home.recorded[0].arriving.context == deletion.context


@pytest.fixture
def restored() -> StampedSite:
    """A row on top of a deletion, without the tombstone."""
    home, deletion = site(), deleted(put(PEER, n=1), PEER)
    home.merge(deletion)
    home.merge(reborn(deletion, PEER, n=2))
    del home.table.tombstones[key_text(key())]
    return home


@pytest.mark.parametrize(
    ("older", "conflict"),
    [
        pytest.param(lambda: put(PEER, n=1), False, id="seen"),
        pytest.param(lambda: put(FAR, n=8), True, id="unseen"),
    ],
)
def test_a_deletion_that_only_the_row_on_top_of_it_tells_of_keeps_older_rows_out(
    restored: StampedSite, older: Callable[[], Change], conflict: bool
) -> None:
    assert restored.merge(older()) == Merged(Effect.KEPT, conflict)
    assert restored.content() == row(n=2)


# --- rows from before the policies


def test_a_row_of_before_that_is_older_than_a_deletion_meets_that_and_no_later_row() -> None:
    home, deletion = site(), deletion_of(at=NOW + SECOND)
    home.merge(deletion)
    home.merge(put_of(n=1, at=NOW + 2 * SECOND))
    home.merge(put_of(n=2, at=NOW, home=FAR))
    assert home.recorded[-1].present.version == deletion.version


def test_a_row_has_an_older_state_in_it_only_with_all_that_this_had_seen() -> None:
    home, seen = site(), Version(NOW - SECOND, 0, FAR)
    home.merge(put_of(n=2, at=NOW + SECOND))
    home.merge(knowing(put_of(n=1, at=NOW), seen))
    assert home.present().context.covers(seen)


def test_a_row_has_seen_itself_though_its_change_does_not_say_so() -> None:
    home, change = site(), replace(put_of(n=1), context=NOTHING_SEEN)
    home.merge(change)
    assert home.present().context.covers(change.version)
