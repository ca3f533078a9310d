"""Add-wins sets: what is put in while it is taken out elsewhere stays, and what was taken out is gone."""

from __future__ import annotations

import pytest

from distributary.domain.notation import Notation, set_of
from distributary.domain.policies import AttributePolicy
from tests.unit.attribute_replicas import met, replicas, ss


def test_a_set_shows_what_all_regions_have_put_in() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    here.write(ss("a"))
    there.write(ss("b"))
    assert met(here, there) == ss("a", "b")


def test_an_element_that_was_taken_out_is_gone_everywhere() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    there.hear(here.write(ss("a", "b")))
    here.write(ss("b"))
    assert met(here, there) == ss("b")


def test_an_element_that_is_put_in_again_while_it_is_taken_out_elsewhere_stays() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    there.hear(here.write(ss("a", "b")))
    here.write(ss("b"))
    there.write(ss("b")).write(ss("a", "b"))
    assert met(here, there) == ss("a", "b")


def test_an_element_that_the_taker_had_not_seen_stays() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    there.hear(here.write(ss("a")))
    there.write(ss("a", "c"))
    here.write(None)
    assert met(here, there) == ss("c")


def test_a_set_that_was_emptied_takes_elements_of_another_kind() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    here.write(ss("a")).write(None).write({"NS": ["1"]})
    assert met(here, there) == {"NS": ["1"]}


def test_a_set_of_another_kind_takes_the_place_of_the_first() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    there.hear(here.write(ss("a")))
    here.write({"NS": ["1"]})
    there.write(ss("a", "b"))
    assert met(here, there) == {"NS": ["1"]}


def test_equal_numbers_are_one_element() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET)
    here.write({"NS": ["1.0", "2"]})
    there.write({"NS": ["1"]})
    assert met(here, there) == {"NS": ["1", "2"]}


def test_an_array_may_be_empty() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET, Notation.POSTGRESQL)
    there.hear(here.write({"S": "{a}"}))
    here.write({"S": "{}"})
    assert met(here, there) == {"S": "{}"}


def test_an_array_with_null_is_taken_as_it_is() -> None:
    here, there = replicas(AttributePolicy.ADD_WINS_SET, Notation.POSTGRESQL)
    there.hear(here.write({"S": "{a}"}))
    here.write({"S": "{b,NULL}"})
    assert met(here, there) == {"S": "{b,NULL}"}


@pytest.mark.parametrize("notation", Notation)
def test_of_a_set_from_before_replication_is_taken_out_what_was_in_it_and_the_rest_stays(notation: Notation) -> None:
    # given: a set that each region had before it was replicated
    before, less, more, both = (
        set_of("SS" if notation is Notation.DYNAMODB else "array", elements, notation)
        for elements in ("ab", "b", "abc", "bc")
    )
    here, there = replicas(AttributePolicy.ADD_WINS_SET, notation)
    here.state = here.lattice.began(before)
    there.state = there.lattice.began(before)
    # when
    here.write(less)
    there.write(more)
    # then
    assert met(here, there) == both
