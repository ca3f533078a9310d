"""The search for a broken law finds what is no join, with the simplest states, and finds nothing in a join."""

from __future__ import annotations

from operator import add, and_, eq, or_, sub
from typing import Any

import pytest
from hypothesis import strategies as st

from cli.policy_laws import ASSOCIATIVE, IDEMPOTENT, Breach, Join, breaches, simplest

numbers = st.integers(-100, 100)


def first(left: Any, right: Any) -> Any:
    del right
    return left


def mean(left: float, right: float) -> float:
    return (left + right) / 2


def divided(left: int, right: int) -> int:
    return max(left, right) if right else left // right


@pytest.mark.parametrize(
    ("join", "states"),
    [(max, numbers), (min, st.text()), (or_, st.frozensets(numbers)), (and_, st.frozensets(numbers))],
)
def test_a_join_breaks_no_law(join: Join, states: st.SearchStrategy[Any]) -> None:
    assert breaches(join, states, eq) == []


@pytest.mark.parametrize(
    ("join", "broken"),
    [(first, ["commutative"]), (mean, ["associative"]), (add, ["idempotent"]),
     (sub, ["commutative", "associative", "idempotent"])],
)  # fmt: skip
def test_what_is_no_join_breaks_just_the_laws_that_it_breaks(join: Join, broken: list[str]) -> None:
    assert [each.law for each in breaches(join, numbers, eq)] == broken


def test_a_breach_shows_the_simplest_states_and_what_came_out() -> None:
    assert breaches(add, numbers, eq) == [Breach("idempotent", (1,), (("f(a, a)", 2), ("a", 1)))]
    assert breaches(first, numbers, eq) == [Breach("commutative", (0, 1), (("f(a, b)", 0), ("f(b, a)", 1)))]
    assert breaches(mean, numbers, eq) == [
        Breach("associative", (0, 0, 1), (("f(f(a, b), c)", 0.5), ("f(a, f(b, c))", 0.25)))
    ]


def test_only_the_laws_that_are_asked_for_are_looked_at() -> None:
    assert breaches(first, numbers, eq, [ASSOCIATIVE, IDEMPOTENT]) == []
    assert [each.law for each in breaches(sub, numbers, eq, [IDEMPOTENT])] == ["idempotent"]
    assert breaches(sub, numbers, eq, []) == []


def test_equal_is_what_the_caller_calls_equal() -> None:
    def parity(left: int, right: int) -> bool:
        return left % 2 == right % 2

    assert breaches(lambda a, _: a + 2, numbers, parity, [IDEMPOTENT]) == []
    assert len(breaches(lambda a, _: a + 1, numbers, parity, [IDEMPOTENT])) == 1


def test_an_error_of_the_join_comes_out_unless_it_is_borne() -> None:
    with pytest.raises(ZeroDivisionError):
        breaches(divided, numbers, eq)
    assert breaches(divided, numbers, eq, borne=(ZeroDivisionError,)) == []


def test_a_join_that_breaks_a_law_once_is_found_out() -> None:
    left_over = iter([True])

    def moody(left: int, right: int) -> int:
        return max(left, right) + next(left_over, False)

    (found,) = breaches(moody, numbers, eq, [IDEMPOTENT])
    assert (found.law, len(found.states)) == ("idempotent", 1)


def test_the_search_ends_with_nothing_where_there_is_nothing() -> None:
    assert simplest(st.none(), lambda drawn: drawn is not None, 100) is None
    assert simplest(numbers, lambda drawn: drawn > 10, 100) == 11
