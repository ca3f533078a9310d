"""What becomes of the attributes without a policy of their own, for each policy of the row, by example."""

from __future__ import annotations

import pytest

from distributary.domain import base_state
from distributary.domain.base_state import Base, Register, Registers, Unit
from distributary.domain.image import Image
from distributary.domain.policies import Policies, Policy
from distributary.domain.version import Version

LAST, FIRST = Policies(Policy.LAST_WRITER_WINS), Policies(Policy.FIRST_WRITER_WINS)
EACH = Policies(Policy.ATTRIBUTE_MERGE)
RANKED = Policies(Policy.REGION_PRIORITY, ("us", "eu"))


def row(**attributes: str) -> Image:
    return {name: {"S": value} for name, value in attributes.items()}


def write(policies: Policies, region: str, at: int, on: Base | None = None, **attributes: str) -> Base:
    """A region puts the row as a whole, on top of a state or of nothing."""
    old = on.content if on is not None else {}
    return base_state.written(on, old, row(**attributes), Version(at, at, region), policies)


def joined(policies: Policies, *states: Base) -> Image:
    """What stands in the end, in whatever order they meet."""
    first, *rest = states
    forth = first
    for each in rest:
        forth = base_state.join(forth, each, policies)
    back = states[-1]
    for each in reversed(states[:-1]):
        back = base_state.join(back, each, policies)
    assert forth == back
    return forth.content


def test_the_last_writer_wins() -> None:
    assert joined(LAST, write(LAST, "us", 1, a="us"), write(LAST, "eu", 2, a="eu")) == row(a="eu")


def test_at_equal_times_the_region_decides() -> None:
    assert joined(LAST, write(LAST, "us", 1, a="us"), write(LAST, "eu", 1, a="eu")) == row(a="us")


def test_the_first_writer_wins() -> None:
    assert joined(FIRST, write(FIRST, "us", 1, a="us"), write(FIRST, "eu", 2, a="eu")) == row(a="us")


def test_the_first_writer_wins_with_what_was_written_on_top_of_him() -> None:
    first = write(FIRST, "us", 1, a="us")
    late = write(FIRST, "eu", 9, on=first, a="us, then eu")
    assert joined(FIRST, write(FIRST, "ap", 5, a="ap"), first, late) == row(a="us, then eu")


def test_of_two_writes_on_top_of_the_first_the_longer_line_stands_then_the_earlier() -> None:
    first = write(FIRST, "us", 1, a="first")
    one, other = write(FIRST, "us", 3, on=first, a="us"), write(FIRST, "eu", 4, on=first, a="eu")
    assert joined(FIRST, one, other) == row(a="us")
    assert joined(FIRST, one, write(FIRST, "eu", 5, on=other, a="eu twice")) == row(a="eu twice")


def test_the_more_important_region_wins_though_it_wrote_earlier() -> None:
    assert joined(RANKED, write(RANKED, "us", 1, a="us"), write(RANKED, "eu", 9, a="eu")) == row(a="us")
    assert joined(RANKED, write(RANKED, "eu", 1, a="eu"), write(RANKED, "ap", 9, a="ap")) == row(a="eu")


def test_the_more_important_region_wins_however_often_the_other_has_written() -> None:
    often = write(RANKED, "eu", 7, on=write(RANKED, "eu", 6, a="eu"), a="eu twice")
    assert joined(RANKED, write(RANKED, "us", 1, a="us"), often) == row(a="us")


def test_a_write_that_has_seen_the_more_important_regions_is_above_it() -> None:
    important = write(RANKED, "us", 1, a="us")
    assert joined(RANKED, important, write(RANKED, "ap", 2, on=important, a="ap")) == row(a="ap")


def test_regions_that_are_not_named_are_equals() -> None:
    assert joined(RANKED, write(RANKED, "ap", 1, a="ap"), write(RANKED, "sa", 2, a="sa")) == row(a="sa")


def test_of_first_writes_and_of_those_on_top_at_equal_times_the_lower_sequence_stands() -> None:
    early, late = (base_state.written(None, {}, row(a=str(n)), Version(1, n, "us"), FIRST) for n in (2, 3))
    assert joined(FIRST, early, late) == row(a="2")
    one, other = (base_state.written(early, early.content, row(a=str(n)), Version(5, n, "us"), FIRST) for n in (7, 8))
    assert joined(FIRST, one, other) == row(a="7")


def order(state: Base) -> tuple[int, ...]:
    """By what a state is compared."""
    assert isinstance(state, Unit)
    return state.order


def test_orders_are_as_earlier_releases_and_triggers_write_them_into_documents() -> None:
    # given: what was there before, a first write, and one on top of each
    before = base_state.began(row(a="0"), Version(3, 4, "us"), FIRST)
    first = write(FIRST, "us", 7, a="1")
    # then: the time and sequence of the first write, and how many there were
    assert (order(before), order(first)) == ((3, 4, 0), (7, 7, 1))
    assert order(write(FIRST, "eu", 9, on=before, a="2")) == (3, 4, 1)
    assert order(write(FIRST, "eu", 9, on=first, a="2")) == (7, 7, 2)


def test_and_of_priorities_how_often_each_region_wrote() -> None:
    state = base_state.began(row(a="0"), Version(3, 4, "us"), RANKED)
    orders = [order(state)]
    for at, region in enumerate(("us", "eu", "eu", "ap", "sa"), 5):
        state = write(RANKED, region, at, on=state, a=str(at))
        orders.append(order(state))
    assert orders == [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 2, 1), (1, 2, 2)]
    assert order(write(RANKED, "eu", 1, a="eu")) == (0, 1, 0)


def test_each_attribute_has_its_own_last_writer() -> None:
    first = write(EACH, "us", 1, a="1", b="1")
    one, other = write(EACH, "us", 2, on=first, a="us", b="1"), write(EACH, "eu", 3, on=first, a="1", b="eu")
    assert joined(EACH, one, other) == row(a="us", b="eu")


def test_attributes_that_one_of_two_regions_knows_alone_stay() -> None:
    assert joined(EACH, write(EACH, "us", 1, a="us"), write(EACH, "eu", 2, b="eu")) == row(a="us", b="eu")


def test_an_attribute_that_was_removed_stays_away() -> None:
    first = write(EACH, "us", 1, a="1", b="1")
    assert joined(EACH, first, write(EACH, "eu", 2, on=first, a="1")) == row(a="1")


def test_an_attribute_that_was_set_after_its_removal_elsewhere_is_there() -> None:
    first = write(EACH, "us", 1, a="1", b="1")
    gone, again = write(EACH, "eu", 2, on=first, a="1"), write(EACH, "us", 3, on=first, a="1", b="2")
    assert joined(EACH, gone, again) == row(a="1", b="2")


def test_of_two_values_of_one_version_which_changing_policies_may_leave_all_regions_and_releases_keep_one() -> None:
    here, there = (write(EACH, "us", 1, a=value) for value in ("here", "there"))
    assert joined(EACH, here, there) == row(a="there")


def test_so_they_do_of_a_value_and_its_removal() -> None:
    gone = Registers({"a": Register(Version(1, 1, "us"), None)})
    assert joined(EACH, gone, write(EACH, "us", 1, a="here")) == row()


@pytest.mark.parametrize("policies", [LAST, FIRST, RANKED, EACH], ids=lambda each: each.base.value)
def test_a_write_that_leaves_the_attributes_as_they_are_is_no_write_of_theirs(policies: Policies) -> None:
    state = write(policies, "us", 1, a="1")
    assert write(policies, "eu", 2, on=state, a="1") == state


@pytest.mark.parametrize("policies", [LAST, FIRST, RANKED, EACH], ids=lambda each: each.base.value)
def test_what_was_there_before_replication_is_below_every_write(policies: Policies) -> None:
    before = base_state.began(row(a="before"), Version(0, 0, ""), policies)
    assert joined(policies, before, write(policies, "eu", 2, on=before, a="eu")) == row(a="eu")


# --- what a join does not show


def overwritten(
    policies: Policies, one: Base, other: Base, by_one: set[Version], by_other: set[Version]
) -> tuple[set[str], set[str]]:
    """Of two states what their join does not show. by_one, by_other: which versions each of them has seen."""
    lost = base_state.overwritten(one, other, policies, (by_one.__contains__, by_other.__contains__))
    turned = base_state.overwritten(other, one, policies, (by_other.__contains__, by_one.__contains__))
    assert turned == lost[::-1]
    return set(lost[0]), set(lost[1])


US_1, EU_1, US_2, EU_3 = Version(1, 1, "us"), Version(1, 1, "eu"), Version(2, 2, "us"), Version(3, 3, "eu")


@pytest.mark.parametrize("policies", [LAST, RANKED], ids=["last writer", "priority"])
def test_of_two_writes_the_row_shows_one_and_of_the_other_what_is_alike(policies: Policies) -> None:
    one = write(policies, "eu", 1, a="eu", b="eu", same="x")
    other = write(policies, "us", 2, a="us", c="us", same="x")
    assert overwritten(policies, one, other, {EU_1}, {US_2}) == ({"a", "b", "c"}, set())


def test_what_the_other_had_seen_is_no_loss() -> None:
    first = write(LAST, "eu", 1, a="eu")
    second = write(LAST, "us", 2, on=first, a="us")
    assert overwritten(LAST, first, second, {EU_1}, {EU_1, US_2}) == (set(), set())


def test_of_single_attributes_each_may_be_lost_by_another() -> None:
    first = write(EACH, "us", 1, a="0", b="0", c="0", d="0")
    one = write(EACH, "eu", 3, on=first, a="eu", b="eu", c="0", d="alike", new="eu")
    other = write(EACH, "us", 2, on=first, a="us", b="0", c="us", d="alike")
    # b, c and new were written by one of them alone, on top of what both had seen; d ends as both have it
    assert overwritten(EACH, one, other, {US_1, EU_3}, {US_1, US_2}) == (set(), {"a"})


def test_an_attribute_that_one_removes_and_the_other_writes_may_be_lost() -> None:
    first = write(EACH, "us", 1, a="0")
    one = write(EACH, "eu", 3, on=first)
    other = write(EACH, "us", 2, on=first, a="us")
    assert overwritten(EACH, one, other, {US_1, EU_3}, {US_1, US_2}) == (set(), {"a"})
