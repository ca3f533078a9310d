"""A column of an SQL database that a function joins: what its writes mean, who joins them, and what may go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from distributary.domain.alert import AlertKind
from distributary.domain.block import blocks_of
from distributary.domain.errors import Contended, DistributaryError, PoliciesAhead, RejectedByDatabase
from distributary.domain.logged import LoggedBlock
from distributary.domain.merge import Effect
from distributary.domain.message import unpack
from distributary.domain.stamp import Writer
from distributary.domain.version import mint
from distributary.services.joining import taken_apart
from tests.unit.joining_sites import LATER, STAGES, JoiningSite, exchange
from tests.unit.sites import FAR, HOME, PEER
from tests.unit.stamped_sites import key, row


@pytest.fixture(params=[False, True], ids=["writes", "blocks"])
def home(request: pytest.FixtureRequest) -> JoiningSite:
    return JoiningSite(in_blocks=request.param)


def refusing(site: JoiningSite, monkeypatch: pytest.MonkeyPatch, error: DistributaryError) -> None:
    """Writes of this replica's fail."""

    def fail(writes: Sequence[object]) -> Sequence[DistributaryError]:
        return [error] * len(writes)

    monkeypatch.setattr(site.replica, "write", fail)


# --- what a write means


def test_what_a_write_has_replaced_is_joined_with_it_before_it_travels(home: JoiningSite) -> None:
    # given
    home.put(stage="paid", n=1)
    # when: an application puts an earlier stage over it
    home.update(stage="new")
    assert home.stage() == "new"  # no function is at hand where it is written
    home.capture()
    # then: it travels as the function joins both, with nothing left to be joined
    change = home.sent()[-1]
    assert (change.image, change.state) == (row(stage="paid", n=1), home.document())
    assert home.parts() == {"n": {"n": "0", "t": {HOME: ["1", "1"]}}}


def test_of_a_column_that_began_anew_it_is_kept_when_that_was(home: JoiningSite) -> None:
    # given: it was NULL for a time
    home.put(stage="paid")
    home.update(stage=None)
    home.update(stage="new")
    home.capture()
    began = home.parts()["stage"]["e"]
    # when
    home.update(stage="paid")
    home.capture()
    # then
    assert home.parts() == {"stage": {"e": began}}


def test_where_nothing_is_left_to_be_joined_nothing_is_kept(home: JoiningSite) -> None:
    home.put(stage="paid")
    home.update(stage="new")
    home.capture()
    assert "a" not in (home.document() or {})


@pytest.mark.parametrize("others", [{}, {"n": 1}], ids=["alone", "beside a counter"])
def test_a_write_that_comes_again_after_it_was_shown_writes_nothing(home: JoiningSite, others: dict[str, Any]) -> None:
    home.put(stage="paid", **others)
    home.update(stage="new")
    home.capture()
    home.log.slot.position = home.log.slot.checkpoint = 0
    home.log._seen = 0
    home.accesses.clear()
    home.capture()
    assert "write" not in home.accesses


def test_the_home_row_shows_what_was_shipped_as_the_same_write(home: JoiningSite) -> None:
    home.put(stage="paid")
    home.update(stage="new")
    written = home.present()
    home.capture()
    shown = home.present()
    assert home.stage() == "paid"
    assert (shown.version, shown.context) == (written.version, written.context)
    assert shown.stamp is not None
    assert shown.stamp.writer is Writer.REPLICATION  # an echo in the log


def test_everything_that_was_written_before_capture_counts(home: JoiningSite) -> None:
    home.put(stage="new")
    for stage in ("shipped", "new", "paid", "new"):
        home.update(stage=stage)
    assert home.parts() == {"stage": {"q": ["new", "shipped", "paid"]}}
    home.capture()
    assert home.stage() == "shipped"


def test_a_write_that_leaves_the_value_leaves_nothing_to_join(home: JoiningSite) -> None:
    home.put(stage="paid", n=1)
    home.update(stage="paid", n=2)
    assert "stage" not in home.parts()


def test_null_begins_anew_as_the_removal_of_an_attribute_does(home: JoiningSite) -> None:
    home.put(stage="shipped")
    home.update(stage=None)
    home.update(stage="new")
    home.capture()
    assert home.stage() == "new"


def test_a_row_that_is_put_over_its_deletion_begins_anew(home: JoiningSite) -> None:
    home.put(stage="shipped")
    home.delete()
    home.put(stage="new")
    home.update(stage="paid")
    home.capture()
    assert home.stage() == "paid"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_whatever_three_regions_write_they_end_alike(order: tuple[int, ...]) -> None:
    # given: a row that all have
    sites = [JoiningSite(region) for region in (HOME, PEER, FAR)]
    sites[0].put(stage="new")
    exchange(*sites)
    # when: each writes over it without sight of the others
    for site, stage in zip(sites, ("paid", "new", "shipped"), strict=True):
        site.update(stage=stage)
    exchange(*(sites[at] for at in order))
    # then
    assert [site.stage() for site in sites] == ["shipped"] * 3
    assert all(site.state() == sites[0].state() for site in sites)
    assert all(site.document() == sites[0].document() for site in sites)


def test_what_arrives_before_capture_meets_all_that_is_left_to_be_joined() -> None:
    # given: a peer's write, and two of ours that are not captured
    home, peer = JoiningSite(), JoiningSite(PEER)
    home.put(stage="new")
    exchange(home, peer)
    peer.update(stage="new", n=1)
    home.update(stage="shipped")
    home.update(stage="paid")
    # when
    peer.capture()
    (change,) = peer.sent(HOME)
    assert home.merge(change).effect is Effect.REPLACED
    # then
    assert home.stage() == "shipped"
    assert "stage" not in home.parts()


# --- who shows it at home


def test_a_row_that_was_written_again_shows_all_of_it(home: JoiningSite) -> None:
    home.put(stage="shipped")
    home.update(stage="new")
    home.interrupt("write", lambda: home.update(stage="paid"))
    home.capture()
    home.capture()
    assert home.stage() == "shipped"
    assert [change.image for change in home.sent()][-1] == row(stage="shipped")


def test_a_row_that_is_gone_is_left_alone(home: JoiningSite) -> None:
    home.put(stage="shipped")
    home.update(stage="new")
    home.interrupt("look", home.delete)
    home.capture()
    assert home.content() is None


def test_a_call_that_ended_before_the_home_row_showed_it_is_made_up_for_by_the_next(
    home: JoiningSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: what was shipped, and a checkpoint that was not written
    home.put(stage="paid")
    home.update(stage="new")
    with monkeypatch.context() as patch:
        patch.setattr("distributary.services.joining.Joining.show", lambda *_: None)
        home.capture()
    home.log.slot.position = home.log.slot.checkpoint = 0
    home.log._seen = 0
    assert home.stage() == "new"
    # when
    home.capture()
    # then
    assert home.stage() == "paid"
    assert [change.image for change in home.sent()] == [row(stage="paid")] * 4


def test_a_row_that_an_application_keeps_locked_holds_up_nothing_and_comes_back(
    home: JoiningSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a home row that cannot be written for now
    home.put(stage="paid")
    home.update(stage="new")
    with monkeypatch.context() as patch:
        refusing(home, patch, Contended("locked"))
        # when
        home.capture()
    # then: the log goes on, peers have it, and this region will have it from its own inbox
    assert home.log.slot.position == len(home.log.slot.committed)
    assert home.sent()[-1].image == row(stage="paid")
    (change,) = home.kept_for_later()
    assert home.stage() == "new"
    home.merge(change)
    assert home.stage() == "paid"


def test_what_the_column_cannot_hold_is_parked_for_another_try(
    home: JoiningSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.put(stage="paid")
    home.update(stage="new")
    with monkeypatch.context() as patch:
        refusing(home, patch, RejectedByDatabase("22001"))
        home.capture()
    (parcel,) = home.parking.parcels
    assert (parcel.reason, parcel.redrivable) == ("RejectedByDatabase", True)
    (change,) = unpack(parcel.payload, STAGES)
    home.merge(change)
    assert home.stage() == "paid"


# --- functions that fail


def test_what_a_function_fails_at_is_parked_and_told_and_the_others_travel(home: JoiningSite) -> None:
    # given
    home.put(stage="paid")
    home.put("b", stage="paid")
    home.capture()
    # when: one row is given what the function does not take
    home.update(stage="broken")
    home.update("b", stage="shipped")
    home.capture()
    # then
    assert [parcel.reason for parcel in home.parking.parcels] == ["PolicyFailed"]
    assert [alert.kind for alert in home.announced] == [AlertKind.NOT_SHIPPED]
    assert [change.key for change in home.sent()][2:] == [key("b")]
    assert home.parts() == {"stage": {"q": ["paid"]}}


def test_once_the_function_is_repaired_the_next_write_brings_all(
    home: JoiningSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.put(stage="paid")
    home.update(stage="broken")
    home.capture()
    monkeypatch.setitem(STAGES.functions, "users:furthest", min)
    home.update(n=1)
    home.capture()
    assert home.stage() == "broken"
    assert [change.image for change in home.sent()][-1] == row(stage="broken", n=1)


# --- other policies


def test_what_earlier_policies_may_have_joined_otherwise_is_a_write_of_this_region(home: JoiningSite) -> None:
    # given: a write under earlier policies, shipped as those join it, by a call that ended then
    home.put(stage="new", n=1)
    home.update(stage="paid", n=3)
    home.capture()
    earlier, parts = home.present(), home.parts()
    home.log.slot.position = home.log.slot.checkpoint = 0
    home.log._seen = 0
    # when: a function of later ones reads it again
    home.capturing = LATER
    home.dataset = LATER
    home.capture()
    # then: what those decide is above it, and travels
    shown = home.present()
    assert shown.version is not None
    assert earlier.version is not None
    assert shown.version == mint(home.now, 0, HOME, above=[earlier.version])
    assert shown.stamp is not None
    assert shown.stamp.writer is Writer.APPLICATION
    assert (home.document() or {})["g"] == "2"
    assert home.parts()["n"] == parts["n"]
    home.capture()
    assert home.sent()[-1].version == shown.version


def test_what_triggers_of_later_policies_have_left_waits_for_their_functions() -> None:
    home = JoiningSite(dataset=LATER)
    home.put(stage="paid")
    home.update(stage="new")
    home.capturing = STAGES
    assert any(isinstance(report.failure, PoliciesAhead) for report in home.capture())
    assert [change.image for change in home.sent()] == [row(stage="paid")]
    home.capturing = LATER
    home.capture()
    assert home.stage() == "new"


def test_what_later_policies_join_is_shown_once_the_triggers_are_theirs() -> None:
    # given: functions that are deployed, and triggers that are not made anew yet
    home = JoiningSite()
    home.put(stage="paid")
    home.update(stage="new")
    home.dataset, home.triggers = LATER, 1
    # when
    home.capture()
    # then: it has travelled, and comes back to this region where it can wait
    assert home.sent()[-1].image == row(stage="new")
    assert [change.version for change in home.kept_for_later()] == [home.sent()[-1].version]
    assert "g" not in (home.document() or {})


def test_where_the_last_write_stands_by_now_it_travels_as_it_is() -> None:
    home = JoiningSite()
    home.put(stage="paid")
    home.update(stage="new")
    home.dataset = replace(STAGES, attributes={}, generation=2)
    home.capture()
    assert home.sent()[-1].image == row(stage="new")


# --- blocks


def test_rows_with_nothing_to_join_stay_in_their_block() -> None:
    # given: a block of four rows, the third of which has something to be joined; the third and the last are new
    home = JoiningSite()
    for name in "abcd":
        home.put(name, stage="new")
    home.update("c", stage="paid")
    changes = {change.row: change for change in home.changes()}
    (block,) = blocks_of(changes.values())
    # when
    blocks, unjoined = taken_apart([LoggedBlock(block, (2, 3))])
    # then
    (left,) = blocks
    assert (list(left.block.columns["id"]), left.inserted) == (["a", "b", "d"], (2,))
    assert [(each.change.key, each.inserted) for each in unjoined] == [(key("c"), True)]


def test_a_block_in_which_only_names_look_like_it_is_left_alone() -> None:
    home = JoiningSite(in_blocks=True)
    home.put(stage='"q"', n=1)
    home.update(stage='"q"', n=2)
    (report, *_) = home.capture()
    assert report.failure is None
    assert home.sent()[-1].image == row(stage='"q"', n=2)
