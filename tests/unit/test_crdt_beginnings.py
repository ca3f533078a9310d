"""What stood in an attribute before its policy, and when it begins anew: which state is older, which of two stands."""

from __future__ import annotations

from typing import Any

import pytest

from distributary.domain.crdt import ALWAYS, AttributeState, Moment, Plain
from distributary.domain.image import AttributeValue
from distributary.domain.policies import AttributePolicy
from distributary.domain.version import Version
from tests.unit.attribute_replicas import HERE, met, n, replicas, ss


@pytest.mark.parametrize("before", [10, 0])
def test_a_value_from_before_replication_counts_once_however_many_regions_had_it(before: int) -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.state = here.lattice.began(n(before))
    there.state = there.lattice.began(n(before))
    here.write(n(before + 2))
    there.write(n(before + 1))
    assert met(here, there) == n(before + 3)


def test_a_number_that_no_state_tells_of_was_there_before_and_counts_once() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.state, there.state = (
        each.lattice.written(None, n(10), n(10 + added), Moment(Version(1, 1, each.region), 1))
        for each, added in ((here, 2), (there, 1))
    )
    assert met(here, there) == n(13)


def test_of_two_beginnings_of_different_kinds_one_stands_in_both_regions() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.state, there.state = here.lattice.began(n(1)), there.lattice.began({"S": "one"})
    assert met(here, there) == {"S": "one"}


@pytest.mark.parametrize("other", ["two", "zero"])
def test_of_two_beginnings_that_the_policy_cannot_mean_one_stands_in_both_regions(other: str) -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.state, there.state = here.lattice.began({"S": "one"}), there.lattice.began({"S": other})
    assert met(here, there) == {"S": max("one", other)}


def test_nor_does_the_order_of_names_in_a_map_decide() -> None:
    one, turned = ({name: n(1) for name in names} for names in ("ac", "ca"))
    for first in (one, turned):
        here, there = replicas(AttributePolicy.COUNTER)
        here.state, there.state = here.lattice.began({"M": first}), there.lattice.began({"M": {"b": n(1)}})
        assert met(here, there) == {"M": {"b": n(1)}}


def test_of_two_sets_of_different_kinds_that_regions_began_with_one_stands_in_both() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    here.state, there.state = here.lattice.began({"NS": ["1"]}), there.lattice.began(ss("a"))
    assert met(here, there) == ss("a")


def test_values_that_are_chosen_among_know_no_beginning_and_others_do() -> None:
    era = Version(5, 5, HERE)
    here, _ = replicas(AttributePolicy.MAX)
    began, unfit = here.lattice.began(n(1), era), here.lattice.began({"NULL": True}, era)
    assert began is not None
    assert unfit is not None
    assert (began.era, unfit.era) == (ALWAYS, era)
    assert here.lattice.value(began) == n(1)


@pytest.mark.parametrize("policy", [AttributePolicy.COUNTER, AttributePolicy.ADD_WINS_SET, AttributePolicy.MAX])
def test_a_join_is_of_the_era_of_both(policy: AttributePolicy) -> None:
    # given: an attribute that was removed and put again, so that it is not of the first era
    here, there = replicas(policy)
    values: list[Any] = [ss("a"), ss("a", "b"), ss("a", "c")] if policy is AttributePolicy.ADD_WINS_SET else [
        n(1), n(2), n(3)
    ]  # fmt: skip
    there.hear(here.write({"S": "none"} if policy is not AttributePolicy.MAX else {"NULL": True}).write(values[0]))
    assert here.state is not None
    era = here.state.era
    here.write(values[1])
    there.write(values[2])
    # when
    met(here, there)
    # then
    assert era != ALWAYS
    assert here.state.era == era


@pytest.mark.parametrize("policy", [AttributePolicy.COUNTER, AttributePolicy.MAX])
@pytest.mark.parametrize("value", [None, {"NULL": True}], ids=["none", "one that the policy cannot mean"])
def test_with_a_removal_and_with_what_the_policy_cannot_mean_an_era_begins(
    policy: AttributePolicy, value: AttributeValue | None
) -> None:
    here, _ = replicas(policy)
    here.write(n(1)).write(value)
    assert here.state == AttributeState(Plain(value), Version(2, 2, HERE))
