"""How numbers and sets are written in the two databases: DynamoDB's typed JSON, and PostgreSQL's text of each column.

Numbers that are equal have one form here, and sets one order, so that equal states have equal images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation
from enum import Enum

from distributary.domain.image import AttributeValue

_EXACT = Context(prec=400)
"""Sums of numbers of 38 digits whose exponents are far apart are exact in it."""

_SPAN = 180
"""Powers of ten on both sides of 1; DynamoDB's numbers lie within 130, those of PostgreSQL need not."""

_ARRAY = re.compile(r'\{(?:(?:"(?:[^"\\]|\\.)*"|[^",{}\\\s][^",{}\\]*)(?:,(?!\})|(?=\})))*\}', re.DOTALL | re.ASCII)
"""Of what is a space only ASCII's is quoted."""
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}]+)', re.DOTALL)
_PLAIN_ELEMENT = re.compile(r"[A-Za-z0-9_.:+-]+")


class Notation(Enum):
    """Whose values they are."""

    DYNAMODB = "dynamodb"
    POSTGRESQL = "postgresql"


def add(one: Decimal, other: Decimal) -> Decimal:
    """The exact sum."""
    return _EXACT.add(one, other)


def subtract(one: Decimal, other: Decimal) -> Decimal:
    """The exact difference."""
    return _EXACT.subtract(one, other)


def number_of(value: AttributeValue | None, notation: Notation) -> Decimal | None:
    """The number that a value is, none for any other value."""
    text = (value or {}).get("N" if notation is Notation.DYNAMODB else "S")
    if not isinstance(text, str):
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def countable(value: AttributeValue | None, notation: Notation) -> Decimal | None:
    """The number that a value is if sums with it are exact; none for any other."""
    number = number_of(value, notation)
    if number is None:
        return None
    exponent = number.as_tuple().exponent
    return number if isinstance(exponent, int) and -_SPAN < exponent <= number.adjusted() < _SPAN else None


def value_of(number: Decimal, notation: Notation) -> AttributeValue:
    """A number as a value; one that is a whole number is written as one."""
    normal = _EXACT.normalize(number)
    text = "0" if not normal else f"{normal:f}" if -40 < normal.adjusted() < 40 else str(normal)
    return {"N" if notation is Notation.DYNAMODB else "S": text}


def elements_of(value: AttributeValue | None, notation: Notation) -> tuple[str, frozenset[str]] | None:
    """The kind and the elements of a set (of an array without NULL and without dimensions), none for any other value.

    An attribute that is missing is the empty set in DynamoDB, which knows no other.
    """
    if notation is Notation.DYNAMODB:
        return ("", frozenset()) if value is None else _set_elements(value)
    text = (value or {}).get("S")
    return None if not isinstance(text, str) else _array_elements(text)


def set_of(kind: str, elements: Iterable[str], notation: Notation) -> AttributeValue | None:
    """A set as a value; none for DynamoDB's empty one."""
    ordered = sorted(elements)
    if notation is Notation.DYNAMODB:
        return {kind: ordered} if ordered else None
    return {"S": "{" + ",".join(map(_quoted, ordered)) + "}"}


def _set_elements(value: AttributeValue) -> tuple[str, frozenset[str]] | None:
    ((kind, inner),) = value.items()
    if kind not in ("SS", "NS", "BS"):
        return None
    if kind == "NS":
        return kind, frozenset(value_of(Decimal(each), Notation.DYNAMODB)["N"] for each in inner)
    return kind, frozenset(inner)


def _array_elements(text: str) -> tuple[str, frozenset[str]] | None:
    if not _ARRAY.fullmatch(text):
        return None
    found = []
    for quoted, bare in _ELEMENT.findall(text[1:-1]):
        if bare.upper() == "NULL":
            return None
        found.append(bare or re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
    return "array", frozenset(found)


def _quoted(element: str) -> str:
    if _PLAIN_ELEMENT.fullmatch(element) and element.upper() != "NULL":
        return element
    return '"' + re.sub(r'(["\\])', r"\\\1", element) + '"'
