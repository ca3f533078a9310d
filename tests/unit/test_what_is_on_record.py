"""A conflict on record tells of which row it is, which states have met, what each had seen, and who resolved it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict
from distributary.domain.errors import NotSettled, Unavailable
from distributary.domain.merge import Effect, Merged
from tests.unit import conflicts
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, key
from tests.unit.told_of_meetings import Met, OnRecord

Meeting: TypeAlias = tuple[Site, Change, Change]
"""A site that has put one conflict on record, of the change that arrives and the one that is there."""

OLDER, NEWER = change_of(n=1, home=PEER), change_of(n=2, home=FAR, at=NOW + SECOND)
OLDER_DELETION, NEWER_DELETION = deletion_of(home=FAR, at=NOW - SECOND), deletion_of(home=FAR, at=NOW + SECOND)
LAST_DELETION = deletion_of(home="sa-east-1", at=NOW + 2 * SECOND)


def replaced() -> Meeting:
    site = Site(HOME)
    site.merge(OLDER)
    site.merge(NEWER)
    return site, NEWER, OLDER


def too_late() -> Meeting:
    site = Site(HOME)
    site.merge(NEWER)
    site.merge(OLDER)
    return site, OLDER, NEWER


def taken() -> Meeting:
    site = Site(HOME)
    site.merge(OLDER)
    site.merge(NEWER_DELETION)
    return site, NEWER_DELETION, OLDER


def kept_out() -> Meeting:
    site = Site(HOME)
    site.merge(NEWER_DELETION)
    site.merge(OLDER)
    return site, OLDER, NEWER_DELETION


def over_a_deletion() -> Meeting:
    site = Site(HOME)
    site.merge(OLDER_DELETION)
    assert site.merge(OLDER) == Merged(Effect.INSERTED, conflict=True)
    return site, OLDER, OLDER_DELETION


def inserted_meanwhile() -> Meeting:
    """A deletion comes after a call has looked, before it inserts."""
    site = Site(HOME)
    site.interrupt("write", lambda: site.merge(NEWER_DELETION))
    site.merge(OLDER)
    return site, OLDER, NEWER_DELETION


def replaced_meanwhile() -> Meeting:
    """A deletion is noted after a call has looked, before it replaces the row; the call that noted it then ends."""
    site, newer = Site(HOME), replace(NEWER, context=NEWER.context.merge(OLDER.context))
    site.merge(OLDER)

    def note() -> None:
        site.fail("remembered", Unavailable("gone"))
        with pytest.raises(Unavailable):
            site.merge(LAST_DELETION)

    site.interrupt("write", note)
    site.merge(newer)
    return site, newer, LAST_DELETION


def left_by_an_insert() -> Meeting:
    """A deletion comes after a call has looked, before it inserts; that call then ends, and the insert is captured."""
    site = Site(HOME)
    site.interrupt("write", lambda: site.merge(NEWER_DELETION))
    site.fail("written", Unavailable("gone"))
    with pytest.raises(Unavailable):
        site.merge(OLDER)
    site.settle(site.last())
    return site, OLDER, NEWER_DELETION


def captured_meanwhile() -> Meeting:
    """A deletion is noted while a write of this region is captured, which it has to wait for."""
    site = Site(HOME)

    def note() -> None:
        with pytest.raises(NotSettled):
            site.merge(LAST_DELETION)

    site.put(n=1)
    site.now += 5 * SECOND
    site.interrupt("write", note)
    change = site.settle(site.last()).change
    assert change is not None
    return site, change, LAST_DELETION


AT_ONCE = [replaced, too_late, taken, kept_out, over_a_deletion]
LATE = [inserted_meanwhile, replaced_meanwhile, left_by_an_insert, captured_meanwhile]
"""Where the deletion came to light when the row had been merged."""


def only(site: Site) -> Conflict:
    (conflict,) = site.recorded
    return conflict


@pytest.fixture(params=[*AT_ONCE, *LATE], ids=lambda meet: meet.__name__)
def met(request: pytest.FixtureRequest) -> Met:
    site, arriving, present = request.param()
    return Met(only(site), arriving, present, site.now)


class TestWhatIsOnRecord(OnRecord):
    """Without policies."""


@pytest.mark.parametrize(("meet", "late"), [(each, each in LATE) for each in (*AT_ONCE, *LATE)])
def test_whether_it_is_named_by_both_states(meet: Callable[[], Meeting], late: bool) -> None:
    site, *_ = meet()
    assert only(site).late is late


def test_a_late_deletion_has_a_name_of_its_own_beside_what_its_row_had_met_before() -> None:
    # given: a row that met another, and then two deletions that came to light late
    met = conflicts.conflict()
    others = [replace(met.present, version=version) for version in (OLDER_DELETION.version, NEWER_DELETION.version)]
    late = [conflicts.conflict(late=True, present=other) for other in others]

    # then
    assert len({met.id, *(each.id for each in late)}) == 3


def test_a_row_that_a_call_has_inserted_over_a_newer_deletion_and_left_is_named_as_its_own() -> None:
    # given: a deletion that comes after a call has looked and before it inserts; the call then ends
    site = Site(HOME)
    site.interrupt("write", lambda: site.merge(NEWER_DELETION))
    site.fail("written", Unavailable("gone"))
    with pytest.raises(Unavailable):
        site.merge(OLDER)

    # when: the change comes again
    site.merge(OLDER)

    # then
    assert site.row() is None
    assert {str(conflict.key) for conflict in site.recorded} == {str(key())}
