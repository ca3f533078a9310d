"""Checks a function of a custom policy: the laws of a join on plain values of every type, alike and mixed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from cli.policy_laws import LAWS, Breach, Join, Law, Same, breaches
from distributary.domain.errors import PolicyFailed
from distributary.domain.plain import canonical_text, typed

# --- values

_texts = st.text("ab1", max_size=3) | st.text(max_size=5)
_numbers = st.integers(-3, 3).map(Decimal) | st.decimals("-1000", "1000", allow_nan=False, places=2)
_bytes = st.binary(max_size=3)
_scalars = _texts | _numbers | _bytes | st.booleans() | st.none()


def _sets(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.frozensets(elements, min_size=1, max_size=3)


_nested = st.recursive(
    _scalars | _sets(_texts),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=4,
)
_ONE_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "texts": _texts,
    "numbers": _numbers,
    "binary values": _bytes,
    "flags": st.booleans(),
    "nothing": st.none(),
    "sets of texts": _sets(_texts),
    "sets of numbers": _sets(_numbers),
    "sets of binary values": _sets(_bytes),
    "lists": st.lists(_nested, max_size=3),
    "maps": st.dictionaries(st.text("ab", max_size=2), _nested, max_size=3),
}
KINDS = {**_ONE_TYPE, "values of several types": st.one_of(*_ONE_TYPE.values())}
"""What the states of one search are."""


def same_value(left: Any, right: Any) -> bool:
    """Whether two plain values are one, however they are written."""
    return canonical_text(left) == canonical_text(right)


# --- laws that custom policies have beside those of any join


def _made_of(result: Any, inputs: Any, same: Same) -> bool:
    if any(same(result, each) for each in inputs):
        return True
    if not any(isinstance(each, list | dict | frozenset) for each in inputs):
        return False
    return set(_leaves(result)) <= {leaf for each in inputs for leaf in _leaves(each)}


def _leaves(value: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """The scalars in a value, each below the names that lead to it through maps."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, *names, name)
    elif isinstance(value, list | frozenset | set | tuple):
        for inner in value:
            yield from _leaves(inner, *names)
    else:
        yield (*names, canonical_text(value))


def _rewritten(value: Any) -> Any:
    """The same value, written otherwise. repr and the like show how; regions must not decide by it."""
    match value:
        case Decimal() if value == value.to_integral_value():
            return value.quantize(Decimal("1.0"))
        case list():
            return [_rewritten(each) for each in value]
        case dict():
            return {name: _rewritten(value[name]) for name in reversed(value)}
        case frozenset():
            return frozenset([_rewritten(each) for each in value][::-1])
    return value


def _failure(join: Join, left: Any, right: Any) -> PolicyFailed | None:
    try:
        join(left, right)
    except _GivenUp:
        return None
    except PolicyFailed as error:
        return error
    return None


ANSWERS = Law(
    "answers, and within a second", 2, ("f(a, b)", ""), lambda f, a, b: (_failure(f, a, b), None),
    holds=lambda failure, _, __: failure is None,
)  # fmt: skip
MADE_OF_ITS_INPUTS = Law(
    "made of its inputs", 2, ("f(a, b)", "inputs"), lambda f, a, b: (f(a, b), [a, b]), holds=_made_of
)
INDIFFERENT_TO_WRITING = Law(
    "the same however values are written", 2, ("f(a, b)", "with another repr"),
    lambda f, a, b: (f(a, b), f(_rewritten(a), _rewritten(b))),
)  # fmt: skip
LEAVES_ITS_INPUTS = Law(
    "leaves its inputs alone", 2, ("before f(a, b)", "after it"), lambda f, a, b: ([a, b], f.handed(a, b))
)
ALL_LAWS = (ANSWERS, *LAWS, MADE_OF_ITS_INPUTS, INDIFFERENT_TO_WRITING, LEAVES_ITS_INPUTS)


# --- the check


class _GivenUp(PolicyFailed):
    """The function has been slow once and is not called any more."""


class _Tried:
    """The function, on copies of what it is handed, and until it is slow: a search makes hundreds of calls."""

    def __init__(self, function: Join) -> None:
        self._function = function
        self.slow: Breach | None = None

    def __call__(self, left: Any, right: Any) -> Any:
        return self._called(deepcopy([left, right]))

    def handed(self, left: Any, right: Any) -> Any:
        """What it was handed, as it is after the call."""
        inputs = deepcopy([left, right])
        self._called(inputs)
        return inputs

    def _called(self, handed: list[Any]) -> Any:
        if self.slow is not None:
            raise _GivenUp
        inputs = tuple(deepcopy(handed))
        try:
            return self._function(*handed)
        except PolicyFailed as error:
            if error.__cause__ is None:  # it was interrupted; other failures have an error of the function's own
                self.slow = Breach(ANSWERS.name, inputs, ((ANSWERS.told[0], error),))
            raise


def check(function: Join, examples: int) -> dict[str, Breach | None]:
    """For each law the simplest values found that break it; none where it held for all that were drawn.

    function: raises PolicyFailed, as `guarded` gives it. Where it does for some values, the laws are tried on the
    others. Where it is slow, that is all that is told.
    """
    tried = _Tried(function)
    found: dict[str, Breach | None] = dict.fromkeys(law.name for law in ALL_LAWS)
    for states in KINDS.values():
        laws = [law for law in ALL_LAWS if found[law.name] is None]
        news = breaches(tried, states, same_value, laws, examples, borne=(PolicyFailed,))
        if tried.slow is not None:
            return {ANSWERS.name: tried.slow}
        found.update({each.law: each for each in news})
    return found


# --- for people


def shown(value: Any) -> str:
    """A plain value, or the error in its place, as a person reads it; the same for all ways to write it."""
    match value:
        case PolicyFailed():
            return f"{value}" + (f": {value.__cause__}" if value.__cause__ else "")
        case str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal() | int() if not isinstance(value, bool):
            return str(typed(value)["N"])
        case list() | tuple():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return "{" + ", ".join(f"{shown(name)}: {shown(value[name])}" for name in sorted(value)) + "}"
        case frozenset() | set():
            return "{" + ", ".join(shown(each) for each in sorted(value, key=canonical_text)) + "}"
    return repr(value)
