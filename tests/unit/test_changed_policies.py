"""Policies that change in one region after the other: what was decided differently meanwhile is decided once more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.dataset import Dataset
from distributary.domain.errors import PoliciesAhead
from distributary.domain.image import STATE_ATTRIBUTE
from distributary.domain.notation import Notation
from distributary.domain.origin import Origin
from distributary.domain.policies import Policy
from distributary.domain.row_state import StateLattice
from distributary.domain.stamp import Writer
from distributary.domain.state_texts import document_of_row
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.sites import FAR, HOME, ORDERS, PEER, item
from tests.unit.stamped_sites import SHOP, StampedSite, row
from tests.unit.state_sites import StateSite

PRIORITY = (HOME, PEER, FAR)
EARLIER: Dataset = replace(ORDERS, conflict=Policy.REGION_PRIORITY, priority=PRIORITY)
LATER: Dataset = replace(ORDERS, conflict=Policy.FIRST_WRITER_WINS, generation=2)
SQL_EARLIER: Dataset = replace(SHOP, conflict=Policy.REGION_PRIORITY, priority=PRIORITY)
SQL_LATER: Dataset = replace(SHOP, conflict=Policy.FIRST_WRITER_WINS, generation=2)


def site(region: str, dataset: Dataset = EARLIER) -> StateSite:
    return StateSite(region, dataset=dataset)


def disputing() -> tuple[StateSite, StateSite, StateSite]:
    """Three regions that have two writes which knew nothing of each other; the third had the later policies by then.

    The peer wrote first. By the earlier policies home's write stands.
    """
    home, peer, far = site(HOME), site(PEER), site(FAR)
    home.now += 10_000_000
    home.put(v="home")
    peer.put(v="peer")
    one, other = home.change(), peer.change()
    home.merge(other)
    peer.merge(one)
    far.merge(one)
    for each in (home, peer, far):
        each.settle_all()
        each.dataset = LATER
    far.merge(other)
    return home, peer, far


def test_a_region_with_the_later_policies_decides_by_them() -> None:
    home, peer, far = disputing()
    assert home.content() == peer.content() == item(v="home")
    assert far.content() == item(v="peer")


def test_and_writes_what_it_has_decided_so_that_all_others_take_it() -> None:
    # given
    home, peer, far = disputing()
    # when: its own record of that is captured
    settled, echo = far.settle_all()
    # then
    assert (settled.origin, echo.origin) == (Origin.REWRITTEN, Origin.ECHO)
    assert settled.change is not None
    assert settled.change.version.region == FAR
    for each in (home, peer):
        each.merge(settled.change)
        assert each.content() == item(v="peer")
        assert each.present().image[STATE_ATTRIBUTE] == far.present().image[STATE_ATTRIBUTE]


def test_it_is_written_once() -> None:
    # given: what was decided was written, and its record was captured
    home, _, far = disputing()
    change = far.change()
    # when: it is merged elsewhere, and something else of the later policies is merged here before that is captured
    home.merge(change)
    home.put(v="next")
    far.merge(home.change())
    # then: nobody writes anything more
    assert all(settled.origin is Origin.ECHO for each in (home, far) for settled in each.settle_all())


def test_what_is_merged_over_a_dispute_before_that_is_captured_makes_none_of_its_own() -> None:
    # given: two outcomes of one region, the first in dispute, neither captured
    _, _, far = disputing()
    other = site(PEER, LATER)
    other.now += 20_000_000
    other.put(v="other")
    assert far.merge(other.change()).conflict
    # when
    origins = [settled.origin for settled in far.settle_all()]
    # then
    assert origins == [Origin.REWRITTEN, Origin.ECHO, Origin.ECHO]


def test_a_change_that_has_seen_all_that_is_there_makes_no_dispute() -> None:
    # given: a row of earlier policies
    home, peer = site(HOME), site(PEER)
    home.put(v=1)
    peer.merge(home.change())
    peer.settle_all()
    # when: it is written under the earlier policies on top of that, and comes to a region that has later ones
    peer.put(v=2)
    home.dataset = LATER
    home.merge(peer.change())
    # then
    assert home.content() == item(v=2)
    assert [settled.origin for settled in home.settle_all()] == [Origin.ECHO]


def test_a_write_of_the_later_policies_that_meets_a_row_of_the_earlier_makes_one() -> None:
    # given: a region that has not got any change since it was deployed
    home, peer = site(HOME), site(PEER, LATER)
    home.put(v=1)
    home.settle_all()
    home.dataset = LATER
    # when
    peer.put(v=2)
    home.merge(peer.change())
    # then
    assert [settled.origin for settled in home.settle_all()] == [Origin.REWRITTEN, Origin.ECHO]


@pytest.mark.parametrize("function", ["capture", "apply"])
def test_a_function_that_is_not_deployed_yet_leaves_a_row_of_later_policies_alone(function: str) -> None:
    # given: a row that the other function of the stack has left there under the later policies
    home, peer = site(HOME, LATER), site(PEER)
    home.put(v=1)
    home.settle_all()
    peer.put(v=2)
    change = peer.change()
    home.dataset = EARLIER
    # when
    if function == "capture":
        home.update(v=3)
    # then
    with pytest.raises(PoliciesAhead):
        home.settle(home.last()) if function == "capture" else home.merge(change)


def stamped(region: str, dataset: Dataset) -> StampedSite:
    return StampedSite(region, dataset=dataset)


def test_an_sql_database_writes_what_was_decided_at_once() -> None:
    # given: a row of earlier policies, and another region's write that knew nothing of it
    home, peer = stamped(HOME, SQL_EARLIER), stamped(PEER, SQL_EARLIER)
    peer.put(v=1)
    home.now += 10_000_000
    home.put(v=2)
    home.dataset = SQL_LATER
    written = home.present().version
    assert written is not None
    # when
    home.merge(peer.changes()[-1])
    # then: the outcome is a write of this region, made on top of both
    stamp = home.present().stamp
    assert home.content() == row(v=1)
    assert stamp is not None
    assert (stamp.writer, stamp.version.region) == (Writer.APPLICATION, HOME)
    assert {PEER, HOME} <= stamp.context.entries.keys()
    assert stamp.version > written
    assert stamp.version.sequence == 0, "no transaction draws that version"
    document = document_of_row(home.present().image) or {}
    assert (document["g"], "u" in document) == ("2", False)


def test_a_state_that_is_written_again_as_it_is_is_undisputed_and_of_the_present_policies() -> None:
    # given: what was decided, in dispute, of a state of earlier policies
    lattice = StateLattice(LATER.policies_of(), Notation.DYNAMODB)
    seen, at = Version(5, 1, PEER), Version(7, 2, HOME)
    disputed = replace(lattice.began(item(v=1), seen, NOTHING_SEEN.including(seen)), generation=1, disputes=3)
    # when
    again = lattice.rewritten(disputed, at)
    # then
    assert lattice.visible(again) == item(v=1)
    assert (again.version, again.generation, again.disputes) == (at, 2, 0)
    assert all(map(again.covers, (seen, at)))


def test_of_states_of_the_same_policies_nothing_is_written_again() -> None:
    home, peer = stamped(HOME, SQL_LATER), stamped(PEER, SQL_LATER)
    peer.put(v=1)
    home.now += 10_000_000
    home.put(v=2)
    home.merge(peer.changes()[-1])
    stamp = home.present().stamp
    assert stamp is not None
    assert stamp.writer is Writer.REPLICATION
