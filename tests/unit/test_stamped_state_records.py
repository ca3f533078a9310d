"""A conflict on record where the database stamps every write, under policies: whose row, which states, which policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict, Resolution
from distributary.domain.merge import Effect, Merged
from distributary.domain.policies import Policy
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.stamped_sites import TABLE, StampedSite, key
from tests.unit.stamped_state_changes import deleted, note_only, put, reborn, site

Meeting: TypeAlias = tuple[StampedSite, Change, Change]
"""A site that has put one conflict on record, of the change that arrives and the one that is there."""


def joined() -> Meeting:
    """Two regions have written the row."""
    home, one, other = site(), put(PEER, n=3), put(FAR, n=4)
    home.merge(one)
    assert home.merge(other) == Merged(Effect.REPLACED, conflict=True)
    return home, other, one


def kept_out() -> Meeting:
    """A row arrives that a deletion does not let in."""
    home, row, deletion = site(), put(PEER, n=3), deleted(put(FAR, n=4), FAR)
    home.merge(deletion)
    assert home.merge(row) == Merged(Effect.KEPT, conflict=True)
    return home, row, deletion


def taken() -> Meeting:
    """A deletion arrives that takes a row unseen."""
    home, row, deletion = site(), put(PEER, n=3), deleted(put(FAR, n=4), FAR)
    home.merge(row)
    assert home.merge(deletion) == Merged(Effect.DELETED, conflict=True)
    return home, deletion, row


def left_for_a_put() -> Meeting:
    """A function has noted a deletion and ended; a row on top of that deletion arrives."""
    home, row, deletion = site(), put(PEER, n=3), deleted(put(FAR, n=4), FAR)
    home.merge(row)
    note_only(home, deletion)
    home.merge(reborn(deletion, FAR, n=1))
    return home, deletion, row


def left_for_an_older_deletion() -> Meeting:
    """A function has noted a deletion and ended; an older one, which the row was made on top of, comes again."""
    older, newer = deleted(put(FAR, n=4), FAR), deleted(put(FAR, n=4), FAR, at=NOW + 30 * SECOND)
    home, row = site(), reborn(older, PEER, n=1)
    home.merge(row)
    note_only(home, newer)
    assert home.merge(older).effect is Effect.DELETED
    return home, newer, row


MEETINGS = pytest.mark.parametrize("meet", [joined, kept_out, taken, left_for_a_put, left_for_an_older_deletion])


def only(home: StampedSite) -> Conflict:
    (conflict,) = home.recorded
    return conflict


@MEETINGS
def test_whose_row_it_is(meet: Callable[[], Meeting]) -> None:
    home, *_ = meet()
    assert only(home).key == key()


@MEETINGS
def test_which_states_have_met(meet: Callable[[], Meeting]) -> None:
    home, arriving, present = meet()
    assert (only(home).arriving.version, only(home).present.version) == (arriving.version, present.version)


@pytest.mark.parametrize("meet", [joined, kept_out, taken, left_for_an_older_deletion])
def test_what_each_had_seen(meet: Callable[[], Meeting]) -> None:
    home, arriving, present = meet()
    assert (only(home).arriving.context, only(home).present.context) == (arriving.context, present.context)


def test_a_deletion_beneath_a_row_that_arrives_is_said_to_have_seen_what_that_had_seen() -> None:
    home, row, deletion = site(), put(PEER, n=3), deleted(put(FAR, n=4), FAR)
    again = reborn(deletion, FAR, n=1)
    home.merge(row)
    note_only(home, deletion)
    home.merge(again)
    assert only(home).arriving.context == deletion.context.merge(again.context)


@MEETINGS
def test_what_each_showed(meet: Callable[[], Meeting]) -> None:
    home, arriving, present = meet()
    assert (only(home).arriving.image, only(home).present.image) == (arriving.image, present.image)


@MEETINGS
def test_where_it_was_resolved_and_by_which_policy(meet: Callable[[], Meeting]) -> None:
    home, *_ = meet()
    conflict = only(home)
    assert (conflict.table, conflict.region, conflict.policy) == (TABLE, HOME, Policy.LAST_WRITER_WINS.value)


@pytest.mark.parametrize(
    ("at", "effect", "resolution"),
    [
        pytest.param(NOW - SECOND, Effect.KEPT, Resolution.KEPT, id="older"),
        pytest.param(NOW + SECOND, Effect.REPLACED, Resolution.ARRIVED, id="newer"),
    ],
)
def test_which_of_two_rows_is_to_be_seen(at: int, effect: Effect, resolution: Resolution) -> None:
    home = site()
    home.merge(put(PEER, NOW, a=1))
    assert home.merge(put(FAR, at, a=2)) == Merged(effect, conflict=True)
    assert only(home).resolution is resolution
