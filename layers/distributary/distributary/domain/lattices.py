"""Builds the operations on single attributes from their policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from distributary.domain.crdt import AttributeLattice
from distributary.domain.image import AttributeValue
from distributary.domain.notation import Notation, number_of
from distributary.domain.plain import plain, typed
from distributary.domain.policies import AttributePolicy, AttributeRule, Join, Policies

Choose = Callable[[AttributeValue, AttributeValue], AttributeValue]


def lattices_of(policies: Policies, notation: Notation) -> Mapping[str, AttributeLattice]:
    """For each attribute with a policy of its own."""
    return {
        name: AttributeLattice(rule.policy, notation, _choose(rule, policies.functions, notation))
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
            return lambda one, other: typed(function(plain(one), plain(other)))
    return lambda one, _: one  # never asked: counters and sets choose nothing


def _rank(value: AttributeValue, notation: Notation) -> tuple[bool, Decimal, str]:
    """Numbers among themselves by their size, below everything else, which is ordered by its type and text.

    Of one number in two notations (1 and 1.0) one stands as well, or regions would each keep their own.
    """
    number = number_of(value, notation)
    return number is None, number or Decimal(0), repr(sorted(value.items()))
