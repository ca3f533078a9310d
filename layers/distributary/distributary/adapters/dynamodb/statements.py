"""Writes conditional writes as PartiQL statements, of which one request can carry 25, each with its own outcome.

Texts depend on attribute names only, and rows of one shape share one text; values travel as parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from distributary.adapters.dynamodb.assignment import OPERATORS, Assignment, assignment
from distributary.adapters.dynamodb.values import for_sdk
from distributary.domain.image import Image
from distributary.domain.steps import Write

MAX_LENGTH = 8192
"""Characters of one statement; counted here as UTF-8 bytes, which are never fewer."""

_SPEAKABLE = re.compile(r"[^\"'`?\\#:\x00-\x1f\x7f][^\"'`?\\\x00-\x1f\x7f]*")
"""Names that mean the same in every place of a statement. DynamoDB takes a quoted name that begins with # or : for a
placeholder of an expression; quotes and the like work where they were tried, but are not documented."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with its parameters. deletes: it was done only if the answer shows the removed row."""

    text: str
    parameters: list[Mapping[str, Any]]
    deletes: bool = False

    def document(self) -> dict[str, Any]:
        """As one element of a request."""
        return {"Statement": self.text, "Parameters": self.parameters}


def statement_of(table: str, key: Image, write: Write) -> Statement | None:
    """The write as a statement, none where PartiQL cannot say it; raises ValueError for values that are none."""
    if write.expected is None:
        if write.image is None:
            raise ValueError("neither a row expected nor one to be written")
        names = tuple(sorted(write.image))
        text = _insert(table, names)
        return Statement(text, [for_sdk(write.image[name]) for name in names]) if text else None
    if write.whole and write.image is not None:
        return None  # an UPDATE leaves alone what it does not name
    plan = assignment(key, write.expected, write.image).limited_to((OPERATORS + 1) // 2 - len(key))
    keys = tuple(key)
    text = _delete(table, keys, plan) if write.image is None else _update(table, keys, plan)
    if text is None:
        return None
    old, new = write.expected.image, write.image or {}
    values = [for_sdk(new[name]) for name in plan.set] if write.image is not None else []
    values += [for_sdk(value) for value in key.values()]
    values += [for_sdk(old[name]) for name in plan.compared]
    return Statement(text, values, deletes=write.image is None)


@lru_cache(maxsize=512)
def _insert(table: str, names: tuple[str, ...]) -> str | None:
    pairs = ", ".join(f"'{name}': ?" for name in names)
    return _if_speakable(f'INSERT INTO "{table}" VALUE {{{pairs}}}', names)


@lru_cache(maxsize=512)
def _update(table: str, keys: tuple[str, ...], plan: Assignment) -> str | None:
    clauses = [f'SET "{name}" = ?' for name in plan.set] + [f'REMOVE "{name}"' for name in plan.removed]
    text = f'UPDATE "{table}" {" ".join(clauses)} WHERE {_condition(keys, plan)}'
    return _if_speakable(text, keys + plan.set + plan.removed + plan.compared)


@lru_cache(maxsize=512)
def _delete(table: str, keys: tuple[str, ...], plan: Assignment) -> str | None:
    # Deleting an absent row succeeds, by the documentation; only the returned row shows that there was one.
    text = f'DELETE FROM "{table}" WHERE {_condition(keys, plan)} RETURNING ALL OLD *'  # noqa: S608 - names are checked
    return _if_speakable(text, keys + plan.compared)


def _condition(keys: tuple[str, ...], plan: Assignment) -> str:
    compared = [f'"{name}" = ?' for name in keys + plan.compared]
    return " AND ".join(compared + [f'"{name}" IS MISSING' for name in plan.absent])


def _if_speakable(text: str, names: tuple[str, ...]) -> str | None:
    fits = len(text.encode()) <= MAX_LENGTH
    return text if fits and all(map(_SPEAKABLE.fullmatch, names)) else None
