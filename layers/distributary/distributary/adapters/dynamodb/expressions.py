"""Writes conditional writes as requests for one item, for what PartiQL cannot say: odd names, very wide rows.

Names and values are placeholders, so that any name will do; an expression may have 4 KB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from distributary.adapters.dynamodb.assignment import OPERATORS, Assignment, assignment
from distributary.adapters.dynamodb.values import for_sdk, item_for_sdk
from distributary.domain.image import Image
from distributary.domain.row import Row
from distributary.domain.steps import Write

MAX_LENGTH = 4096
"""Bytes of one expression, placeholders counted as written."""

_COMPARISONS = OPERATORS // 2 - 1
"""Comparisons beside attribute_exists: that many with their ANDs, and one more function, stay within the limit."""

Request: TypeAlias = tuple[Literal["put_item", "update_item", "delete_item"], dict[str, Any]]
"""A method of the client, and its arguments."""


@dataclass
class _Placeholders:
    """Hands out placeholders. names, values: what they stand for."""

    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _by_name: dict[str, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """The one placeholder of an attribute name."""
        placeholder = self._by_name.get(name)
        if placeholder is None:
            placeholder = self._by_name[name] = f"#{len(self.names)}"
            self.names[placeholder] = name
        return placeholder

    def value(self, value: Mapping[str, Any]) -> str:
        """A new placeholder for a value."""
        placeholder = f":{len(self.values)}"
        self.values[placeholder] = for_sdk(value)
        return placeholder

    def arguments(self) -> dict[str, Any]:
        """What was handed out so far, as arguments of a request; an unused placeholder would be refused."""
        arguments: dict[str, Any] = {"ExpressionAttributeNames": dict(self.names)}
        if self.values:
            arguments["ExpressionAttributeValues"] = dict(self.values)
        return arguments


def request_of(table: str, key: Image, write: Write) -> Request:
    """The request for a write; raises ValueError for values that are none."""
    if write.image is not None and write.expected is not None and not write.whole:
        return _replacement(table, key, write.expected, write.image)
    holders = _Placeholders()
    arguments = {"TableName": table, "ConditionExpression": _condition(holders, key, write)}
    if write.image is not None:
        return "put_item", {**arguments, "Item": item_for_sdk(write.image), **holders.arguments()}
    return "delete_item", {**arguments, "Key": item_for_sdk(key), **holders.arguments()}


def _replacement(table: str, key: Image, expected: Row, image: Image) -> Request:
    """An update, or a put of the whole row where so much changes that no update expression holds it."""
    holders = _Placeholders()
    condition = _condition(holders, key, Write(expected, image))
    arguments = {"TableName": table, "ConditionExpression": condition}
    for_condition = holders.arguments()
    update = _update_expression(holders, assignment(key, expected, image), image)
    if len(update) > MAX_LENGTH:
        return "put_item", {**arguments, "Item": item_for_sdk(image), **for_condition}
    arguments["UpdateExpression"] = update
    return "update_item", {**arguments, "Key": item_for_sdk(key), **holders.arguments()}


def _update_expression(holders: _Placeholders, plan: Assignment, image: Image) -> str:
    clauses = []
    if plan.set:
        clauses.append("SET " + ",".join(f"{holders.name(name)}={holders.value(image[name])}" for name in plan.set))
    if plan.removed:
        clauses.append("REMOVE " + ",".join(map(holders.name, plan.removed)))
    return " ".join(clauses)


def _condition(holders: _Placeholders, key: Image, write: Write) -> str:
    partition = holders.name(next(iter(key)))
    if write.expected is None:
        if write.image is None:
            raise ValueError("neither a row expected nor one to be written")
        return f"attribute_not_exists({partition})"
    old = write.expected.image
    plan = assignment(key, write.expected, write.image).limited_to(_COMPARISONS)
    # Without this an update would make the row anew, and a deletion of an absent row would count as done.
    parts = [f"attribute_exists({partition})"]
    parts += [f"attribute_not_exists({holders.name(name)})" for name in plan.absent]
    parts += [f"{holders.name(name)}={holders.value(old[name])}" for name in plan.compared]
    return " AND ".join(parts)
