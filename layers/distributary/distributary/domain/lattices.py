"""Builds the operations on single attributes from their policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from distributary.domain.column_values import handed_out, taken_back
from distributary.domain.crdt import AttributeLattice
from distributary.domain.image import AttributeValue
from distributary.domain.notation import Notation, number_of
from distributary.domain.plain import plain, typed
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Join, Policies

Choose = Callable[[AttributeValue, AttributeValue], AttributeValue]


def lattices_of(policies: Policies, notation: Notation) -> Mapping[str, AttributeLattice]:
    """For each attribute with a policy of its own."""
    return {
        name: AttributeLattice(
            rule.policy,
            notation,
            _choose(rule, policies.functions, notation),
            only_numbers=rule.handed is Handed.NUMBER,
        )
        for name, rule in policies.rules.items()
    }


def _choose(rule: AttributeRule, functions: Mapping[str, Join], notation: Notation) -> Choose:
    match rule.policy:
        case AttributePolicy.MAX:
            return lambda one, other: max(one, other, key=lambda value: _rank(value, notation))
        case AttributePolicy.MIN:
            return lambda one, other: min(one, other, key=lambda value: _rank(value, notation))
        case AttributePolicy.CUSTOM:
            function = functions[rule.function]
            if notation is Notation.POSTGRESQL:
                return _joining_columns(function, rule.handed or Handed.TEXT)
            return lambda one, other: typed(function(plain(one), plain(other)))
    return lambda one, _: one  # never asked: counters and sets choose nothing


def _joining_columns(function: Join, handed: Handed) -> Choose:
    """Joins two values of a column. A result that is one of them keeps its notation, as the column shows it."""

    def choose(one: AttributeValue, other: AttributeValue) -> AttributeValue:
        result = taken_back(function(handed_out(one, handed), handed_out(other, handed)), handed)
        same = [each for each in (one, other) if taken_back(handed_out(each, handed), handed) == result]
        return max(same, key=lambda each: (each != result, str(each["S"])), default=result)

    return choose


def _rank(value: AttributeValue, notation: Notation) -> tuple[bool, Decimal, str]:
    """Numbers among themselves by their size, below everything else, which is ordered by its type and text.

    Of one number in two notations (1 and 1.0) one stands as well, or regions would each keep their own.
    """
    number = number_of(value, notation)
    return number is None, number or Decimal(0), repr(sorted(value.items()))
