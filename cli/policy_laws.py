"""The laws of a join, and the search for states that break one: of custom policies here, of the built-in ones in tests.

It knows neither rows nor values: states are whatever a strategy draws, and equal is what the caller says is equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, TypeAlias, TypeVar

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

T = TypeVar("T")
Join: TypeAlias = Callable[[Any, Any], Any]
Same: TypeAlias = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Law:
    """What two expressions over some states have in common. told: both in writing. sides: both, computed.

    states: how many it takes. holds: whether it does, by both outcomes and what counts as equal; equal where left out.
    """

    name: str
    states: int
    told: tuple[str, str]
    sides: Callable[..., tuple[Any, Any]]
    holds: Callable[[Any, Any, Same], bool] = lambda left, right, same: same(left, right)


@dataclass(frozen=True, slots=True)
class Breach:
    """A law that does not hold: for which states, and what came out, each side by its text."""

    law: str
    states: tuple[Any, ...]
    outcomes: tuple[tuple[str, Any], ...]


COMMUTATIVE = Law("commutative", 2, ("f(a, b)", "f(b, a)"), lambda f, a, b: (f(a, b), f(b, a)))
ASSOCIATIVE = Law(
    "associative", 3, ("f(f(a, b), c)", "f(a, f(b, c))"), lambda f, a, b, c: (f(f(a, b), c), f(a, f(b, c)))
)
IDEMPOTENT = Law("idempotent", 1, ("f(a, a)", "a"), lambda f, a: (f(a, a), a))
LAWS = (COMMUTATIVE, ASSOCIATIVE, IDEMPOTENT)
"""With these, replicas that have joined the same states hold the same, in any order and with any duplication."""


def breaches(
    join: Join,
    states: st.SearchStrategy[Any],
    same: Same,
    laws: Sequence[Law] = LAWS,
    examples: int = 200,
    borne: tuple[type[Exception], ...] = (),
) -> list[Breach]:
    """All laws that do not hold for `examples` draws, each with the simplest states found.

    The draws are the same in every call, so that a finding can be looked at again. borne: errors of the join that break
    no law; others come out.
    """
    drawn = st.tuples(*[states] * max((law.states for law in laws), default=0))
    first: dict[str, tuple[Any, ...]] = {}

    def broken(law: Law, inputs: tuple[Any, ...]) -> bool:
        try:
            return not law.holds(*law.sides(join, *inputs[: law.states]), same)
        except borne:
            return False

    def note(inputs: tuple[Any, ...]) -> bool:
        # All laws share the draws, which cost most; those that are broken are then searched for by themselves.
        first.update({law.name: inputs for law in laws if law.name not in first and broken(law, inputs)})
        return False

    simplest(drawn, note, examples)
    found = []
    for law in (law for law in laws if law.name in first):
        inputs = (simplest(drawn, partial(broken, law), examples) or first[law.name])[: law.states]
        found.append(Breach(law.name, inputs, tuple(zip(law.told, law.sides(join, *inputs), strict=True))))
    return found


def simplest(strategy: st.SearchStrategy[T], condition: Callable[[T], bool], examples: int) -> T | None:
    """The simplest example found that meets a condition; none where `examples` draws met none that does."""
    searching = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    try:
        return find(strategy, condition, settings=searching, random=Random(0))
    except NoSuchExample:
        return None
