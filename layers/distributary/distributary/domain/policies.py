"""Conflict policies as frozen values: which one a dataset has for its rows, and which for single attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from distributary.domain.errors import TriggersBehind

Join: TypeAlias = Callable[[Any, Any], Any]
"""A policy of the user's own: two plain values (text, Decimal, bool, None, list, dict, frozenset) become one."""


class Policy(Enum):
    """How two states of one row become one."""

    LAST_WRITER_WINS = "last_writer_wins"
    FIRST_WRITER_WINS = "first_writer_wins"
    REGION_PRIORITY = "region_priority"
    ATTRIBUTE_MERGE = "attribute_merge"


class AttributePolicy(Enum):
    """How two states of one attribute become one, whatever becomes of the row's others."""

    COUNTER = "counter"
    ADD_WINS_SET = "add_wins_set"
    MAX = "max"
    MIN = "min"
    CUSTOM = "custom"


class Handed(Enum):
    """As what a custom function gets the values of an SQL database's column, and gives one back."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """The policy of one attribute. function: "package.module:function", of a custom one.

    handed: of a column's custom one; none in DynamoDB, whose values tell their types.
    """

    policy: AttributePolicy
    function: str = ""
    handed: Handed | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """All of it, as the digest of the policies takes it in."""
        return self.policy.value, self.function, *([self.handed.value] if self.handed else [])


@dataclass(frozen=True, slots=True)
class Policies:
    """What decides how two states of a row of one table become one.

    priority: regions, the first wins over all others; those not named come last. functions: what the custom rules name.
    generation: grows with each change.
    """

    base: Policy = Policy.LAST_WRITER_WINS
    priority: tuple[str, ...] = ()
    rules: Mapping[str, AttributeRule] = field(default_factory=dict)
    functions: Mapping[str, Join] = field(default_factory=dict)
    generation: int = 1

    @property
    def plain(self) -> bool:
        """Whether the newer of two states simply wins, so that a row needs no memory beside its stamp."""
        return self.base is Policy.LAST_WRITER_WINS and not self.rules


def check_triggers(policies: Policies, table: str, generation: int) -> None:
    """Raises TriggersBehind where a table's triggers keep policies of a generation before these.

    What is decided by later policies is above all that it was decided of, in an order that triggers of earlier ones
    do not know: written on by them, it could be less than it was.
    """
    if generation < policies.generation and not policies.plain:
        raise TriggersBehind(f"{table} has triggers of generation {generation}, this function {policies.generation}")
