"""States of single attributes: what a local write makes of them, and what two of them become."""

from __future__ import annotations

from typing import Any

import pytest

from distributary.domain.crdt import Moment
from distributary.domain.image import AttributeValue
from distributary.domain.lattices import lattices_of
from distributary.domain.notation import Notation
from distributary.domain.policies import AttributePolicy, AttributeRule, Policies
from distributary.domain.version import Version
from tests.unit.attribute_replicas import FAR, HERE, Replica, met, n, replicas, ss

# --- counters


def test_a_counter_shows_what_all_regions_have_added() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.write(n(5)).write(n(7))
    there.write(n(-3))
    assert met(here, there) == n(4)


def test_a_counter_that_is_set_to_a_value_counts_as_what_that_adds() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    there.hear(here.write(n(10)))
    here.write(n(12))
    there.write(n(0))
    assert met(here, there) == n(2)


def test_a_counter_that_was_removed_begins_anew() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    there.hear(here.write(n(10)))
    here.write(None).write(n(1))
    assert met(here, there) == n(1)


def test_what_is_added_to_a_counter_while_it_is_removed_elsewhere_goes_with_it() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    there.hear(here.write(n(10)))
    here.write(None)
    there.write(n(11))
    assert met(here, there) is None


def test_a_value_that_is_no_number_stands_for_what_was_counted_before() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    there.hear(here.write(n(10)))
    here.write({"S": "many"})
    assert met(here, there) == {"S": "many"}


def test_a_number_after_another_type_begins_anew() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.write({"S": "many"}).write(n(3))
    there.hear(here).write(n(4))
    assert met(here, there) == n(4)


def test_a_counter_keeps_all_of_38_digits() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.write(n("99999999999999999999999999999999999998"))
    there.write(n(1))
    assert met(here, there) == n("99999999999999999999999999999999999999")


def test_a_counter_keeps_fractions_exact() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    here.write(n("0.1"))
    there.write(n("0.2"))
    assert met(here, there) == n("0.3")


@pytest.mark.parametrize(
    ("found", "left", "shown"),
    [(n(10), n(12), n(22)), (None, n(5), n(25)), ({"S": "x"}, n(7), n(7))],
    ids=["an earlier number", "nothing", "no number"],
)
def test_what_a_writer_adds_is_told_by_what_he_found(
    found: AttributeValue | None, left: AttributeValue, shown: AttributeValue
) -> None:
    # given: a counter that has moved on since somebody read it
    here, _ = replicas(AttributePolicy.COUNTER)
    here.write(n(10)).write(n(20))
    # when
    state = here.lattice.written(here.state, found, left, Moment(Version(9, 9, HERE), 9))
    # then
    assert state is not None
    assert here.lattice.value(state) == shown


def test_a_counter_that_began_anew_adds_what_regions_add_from_then_on() -> None:
    here, there = replicas(AttributePolicy.COUNTER)
    there.hear(here.write(n(10)).write(None).write(n(1)))
    here.write(n(2))
    there.write(n(4))
    assert met(here, there) == n(5)
    there.hear(here.write(n(6)))
    assert there.shown == n(6)
    assert here.state == there.state


def test_a_number_too_large_to_be_added_exactly_is_taken_as_it_is() -> None:
    here, there = replicas(AttributePolicy.COUNTER, Notation.POSTGRESQL)
    here.write({"S": "1E+300"})
    assert met(here, there) == {"S": "1E+300"}


# --- the outermost


@pytest.mark.parametrize(
    ("policy", "one", "other", "outcome"),
    [(AttributePolicy.MAX, n(9), n(10), n(10)), (AttributePolicy.MIN, n(9), n(10), n(9)),
     (AttributePolicy.MAX, n("-1"), n("0.5"), n("0.5")), (AttributePolicy.MIN, n("1E+2"), n(99), n(99)),
     (AttributePolicy.MAX, n(0), n("0.5"), n("0.5")), (AttributePolicy.MIN, n(0), n("0.5"), n(0)),
     (AttributePolicy.MAX, n(10**30), {"S": "text"}, {"S": "text"}), (AttributePolicy.MIN, n(1), {"S": "text"}, n(1)),
     (AttributePolicy.MAX, {"S": "9"}, {"S": "10"}, {"S": "9"}),
     (AttributePolicy.MAX, {"S": "z"}, {"BOOL": True}, {"S": "z"})],
)  # fmt: skip
def test_of_two_values_the_outermost_stands(
    policy: AttributePolicy, one: AttributeValue, other: AttributeValue, outcome: AttributeValue
) -> None:
    here, there = replicas(policy)
    here.write(one)
    there.write(other)
    assert met(here, there) == outcome


def test_a_lower_value_on_top_of_the_highest_changes_nothing() -> None:
    here, _ = replicas(AttributePolicy.MAX)
    assert here.write(n(5)).write(n(3)).shown == n(5)


def test_texts_of_postgresql_that_are_numbers_are_compared_as_numbers() -> None:
    here, there = replicas(AttributePolicy.MAX, Notation.POSTGRESQL)
    here.write({"S": "9"})
    there.write({"S": "10"})
    assert met(here, there) == {"S": "10"}


def test_of_one_number_in_two_notations_one_stands_in_both_regions() -> None:
    here, there = replicas(AttributePolicy.MAX, Notation.POSTGRESQL)
    here.write({"S": "1.0"})
    there.write({"S": "1"})
    assert met(here, there) in ({"S": "1"}, {"S": "1.0"})


def test_a_value_that_was_removed_is_no_longer_compared_with() -> None:
    here, there = replicas(AttributePolicy.MAX)
    there.hear(here.write(n(9)))
    here.write(None).write(n(2))
    assert met(here, there) == n(2)


def test_null_is_compared_with_nothing() -> None:
    here, there = replicas(AttributePolicy.MAX)
    there.hear(here.write(n(9)))
    here.write({"NULL": True})
    assert met(here, there) == {"NULL": True}


# --- what all have in common


@pytest.mark.parametrize("policy", [each for each in AttributePolicy if each is not AttributePolicy.CUSTOM])
def test_a_write_that_leaves_the_attribute_as_it_is_changes_no_state(policy: AttributePolicy) -> None:
    here, _ = replicas(policy)
    value: Any = ss("a") if policy is AttributePolicy.ADD_WINS_SET else n(1)
    before = here.write(value).state
    assert here.write(value).state is before


@pytest.mark.parametrize("policy", [each for each in AttributePolicy if each is not AttributePolicy.CUSTOM])
def test_an_attribute_that_never_was_has_no_state(policy: AttributePolicy) -> None:
    here, _ = replicas(policy)
    assert here.write(None).state is None


def test_a_user_function_is_not_asked_of_two_equal_values() -> None:
    rule = {"x": AttributeRule(AttributePolicy.CUSTOM, "users:sum")}
    total = lattices_of(Policies(rules=rule, functions={"users:sum": lambda a, b: a + b}), Notation.DYNAMODB)["x"]
    here, there = Replica(HERE, total), Replica(FAR, total)
    here.write(n(1))
    there.write(n(1))
    assert met(here, there) == n(1)


def test_a_user_function_sees_plain_values() -> None:
    rule = {"x": AttributeRule(AttributePolicy.CUSTOM, "users:longest")}
    longest = lattices_of(Policies(rules=rule, functions={"users:longest": lambda a, b: max(a, b, key=len)}),
                          Notation.DYNAMODB)["x"]  # fmt: skip
    here, there = Replica(HERE, longest), Replica(FAR, longest)
    here.write({"S": "long"})
    there.write({"S": "a"})
    assert met(here, there) == {"S": "long"}
