"""A conflict on record under policies with memory tells whose row it is of, both states, and what each had seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict, Resolution
from distributary.domain.errors import NotSettled, Unavailable
from distributary.domain.merge import Effect, Merged
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, key
from tests.unit.state_changes import LATER, deleted, put, reborn
from tests.unit.state_sites import StateSite
from tests.unit.told_of_meetings import Met, OnRecord

Meeting: TypeAlias = tuple[StateSite, Change, Change]
"""A site that has put one conflict on record, of the change that arrives and the one that is there."""


def joined() -> Meeting:
    """Two regions have written the row."""
    site, one, other = StateSite(HOME), put(PEER, n=3), put(FAR, n=4)
    site.merge(one)
    site.merge(other)
    return site, other, one


def kept_out() -> Meeting:
    """A row arrives that a deletion does not let in."""
    site, row, deletion = StateSite(HOME), put(PEER, n=3), deleted(put(FAR, n=4))
    site.merge(deletion)
    site.merge(row)
    return site, row, deletion


def taken() -> Meeting:
    """A deletion arrives that takes a row unseen."""
    site, row, deletion = StateSite(HOME), put(PEER, n=3), deleted(put(FAR, n=4))
    site.merge(row)
    site.merge(deletion)
    return site, deletion, row


def outrun() -> Meeting:
    """A deletion and a row on top of it come after a call has read the tombstone, before it reads the row."""
    site, deletion = StateSite(HOME), deleted(put(PEER, a=1), PEER)
    row, older = reborn(deletion, a=2), put(FAR, NOW + SECOND, a=1)

    def come() -> None:
        site.merge(deletion)
        site.merge(row)

    site.interrupt("look", lambda: None, come)
    site.merge(older)
    return site, older, row


def raced() -> Meeting:
    """A deletion comes after a call has looked, before it inserts."""
    site, row, deletion = StateSite(HOME), put(PEER, n=3), deleted(put(FAR, n=4))
    site.interrupt("write", lambda: site.merge(deletion))
    site.merge(row)
    return site, row, deletion


def note_only(site: StateSite, deletion: Change) -> None:
    """A call notes a deletion, and ends before it looks at the row."""
    site.fail("remembered", Unavailable("gone"))
    with pytest.raises(Unavailable):
        site.merge(deletion)


def left_for_a_put() -> Meeting:
    """A call has noted a deletion and ended; a row on top of that deletion arrives."""
    site, row, deletion = StateSite(HOME), put(PEER, n=3), deleted(put(FAR, n=4))
    site.merge(row)
    note_only(site, deletion)
    site.merge(reborn(deletion, FAR, n=1))
    return site, row, deletion


def left_for_an_older_deletion() -> Meeting:
    """A call has noted a deletion and ended; an older one, which the row was made on top of, comes again."""
    older, newer = deleted(put(FAR, n=4)), deleted(put(FAR, n=4), at=LATER + 30 * SECOND)
    site, row = StateSite(HOME, now=newer.version.timestamp), reborn(older, n=1)
    site.merge(row)
    note_only(site, newer)
    assert site.merge(older) == Merged(Effect.DELETED), "what a newer deletion takes is no conflict of the older one"
    return site, row, newer


def left_by_an_insert() -> Meeting:
    """A call keeps a row out, while another that had looked before the deletion came inserts it, and ends."""
    site, row, deletion = StateSite(HOME, now=LATER), put(PEER, n=3), deleted(put(PEER, n=3), PEER)
    other = put(FAR, NOW + SECOND, n=4)
    inserted = StateSite(HOME)
    inserted.merge(other)
    site.merge(deletion)
    site.interrupt("look_back", lambda: site.table.write(key(), inserted.present().image))
    site.merge(row)
    return site, other, deletion


def taken_for_settled() -> Meeting:
    """Another region's row has taken the place of a write that was waited for too long, and that is captured now."""
    site, row = StateSite(HOME), put(FAR, n=4)
    site.put(n=3)
    write = site.last()
    site.merge(row, take_unsettled=True)
    return site, shipped(site, write), row


def noted_meanwhile() -> Meeting:
    """A deletion comes while a write is captured, and cannot tell of the row yet."""
    site, deletion = StateSite(HOME), deleted(put(FAR, n=4))

    def come() -> None:
        with pytest.raises(NotSettled):
            site.merge(deletion)

    site.put(n=3)
    site.interrupt("write", come)
    return site, shipped(site, site.last()), deletion


def shipped(site: StateSite, write: StreamRecord) -> Change:
    """What is shipped of a write of this region."""
    change = site.settle(write).change
    assert change is not None
    return change


AT_ONCE = [joined, kept_out, taken, outrun, taken_for_settled]
LATE = [raced, left_for_a_put, left_for_an_older_deletion, left_by_an_insert, noted_meanwhile]
"""Where the deletion came to light when the row had been merged."""


def only(site: StateSite) -> Conflict:
    (conflict,) = site.conflicts
    return conflict


@pytest.fixture(params=[*AT_ONCE, *LATE], ids=lambda meet: meet.__name__)
def met(request: pytest.FixtureRequest) -> Met:
    site, arriving, present = request.param()
    return Met(only(site), arriving, present, site.now)


class TestPolicyRecords(OnRecord):
    """Under policies with memory."""


@pytest.mark.parametrize(("meet", "late"), [(each, each in LATE) for each in (*AT_ONCE, *LATE)])
def test_whether_it_is_named_by_both_states(meet: Callable[[], Meeting], late: bool) -> None:
    site, *_ = meet()
    assert only(site).late is late


RESOLVED = pytest.mark.parametrize(
    ("at", "resolution"), [(NOW - SECOND, Resolution.KEPT), (LATER, Resolution.ARRIVED)], ids=["older", "newer"]
)


@RESOLVED
def test_which_of_two_rows_is_to_be_seen(at: int, resolution: Resolution) -> None:
    site = StateSite(HOME)
    site.merge(put(PEER, at=NOW, a=1))
    site.merge(put(FAR, at=at, a=2))
    assert only(site).resolution is resolution


@RESOLVED
def test_whether_a_write_of_this_region_is_to_be_seen(at: int, resolution: Resolution) -> None:
    site = StateSite(HOME, now=at)
    site.put(a=1)
    write = site.last()
    site.now = LATER
    site.merge(put(FAR, at=NOW, a=2), take_unsettled=True)
    site.settle(write)
    assert only(site).resolution is resolution


def test_a_row_that_a_deletion_had_seen_is_taken_for_it_on_no_record() -> None:
    # given: a call that has noted a deletion of a row, and ended
    site, row = StateSite(HOME), put(PEER, n=3)
    deletion = deleted(row)
    site.merge(row)
    note_only(site, deletion)

    # when
    site.merge(reborn(deletion, n=1))

    # then
    assert (site.number, site.conflicts) == ("1", [])
