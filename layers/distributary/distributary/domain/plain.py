"""Values as policies of the user's own see them: plain Python instead of DynamoDB's typed JSON, and back.

| typed | plain | | typed | plain |
|---|---|---|---|---|
| S | str | | SS, NS, BS | frozenset of str, Decimal, bytes |
| N | Decimal | | L | list |
| B | bytes | | M | dict |
| BOOL | bool | | NULL | None |
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Context as DecimalContext
from decimal import Decimal, Inexact
from typing import Any

from distributary.domain.image import AttributeValue

DIGITS = 38
"""Of a number, as many as DynamoDB keeps."""

_LARGEST, _SMALLEST = 125, -130
_PLAINLY = 40
"""Powers of ten up to which a number is written without an exponent."""

_EXACT = DecimalContext(prec=256, traps=[Inexact])
_SETS: Mapping[type, str] = {str: "SS", Decimal: "NS", bytes: "BS"}
_text = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def plain(value: AttributeValue) -> Any:
    """The value that a typed one stands for, made anew; raises ValueError or ArithmeticError where it is malformed."""
    ((kind, inner),) = value.items()
    if kind == "L":
        return [plain(each) for each in inner]
    if kind == "M":
        return {name: plain(each) for name, each in inner.items()}
    return _PLAIN[kind](inner)


def typed(value: Any) -> AttributeValue:
    """The one way to write a value: equal values give equal results, whatever their notation and order.

    Raises:
        ValueError: for a value that DynamoDB does not keep: a float, an empty set, a set of several types, a number of
            more than 38 digits or beyond its bounds, a name that is no text.
    """
    match value:
        case list() | tuple():
            return {"L": [typed(each) for each in value]}
        case dict() if all(isinstance(name, str) for name in value):
            return {"M": {name: typed(value[name]) for name in sorted(value)}}
        case AbstractSet():
            return _set(value)
    return _scalar(value)


def canonical_text(value: Any) -> str:
    """One text for a value, the same in every region and for all ways to write it: a tie-break for policies.

    Raises:
        ValueError: as `typed` does.
    """
    return _text(typed(value))


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "S": str,
    "N": Decimal,
    "B": _bytes,
    "BOOL": bool,
    "NULL": lambda _: None,
    "SS": frozenset,
    "NS": lambda elements: frozenset(map(Decimal, elements)),
    "BS": lambda elements: frozenset(map(_bytes, elements)),
}


def _scalar(value: Any) -> AttributeValue:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": _number(value)}
        case bytes():
            return {"B": b64encode(value).decode()}
    raise ValueError(f"a {type(value).__name__} is no value of a row")


def _set(value: AbstractSet[Any]) -> AttributeValue:
    elements = [Decimal(each) if type(each) is int else each for each in value]
    kinds = {type(each) for each in elements}
    if len(kinds) != 1 or kinds.isdisjoint(_SETS):
        raise ValueError(f"a set of {len(elements)} elements of {len(kinds)} types is no value of a row")
    kind = _SETS[kinds.pop()]
    return {kind: sorted(typed(each)[kind[0]] for each in elements)}


def _number(value: int | Decimal) -> str:
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(f"{number} is no number of a row")
    try:
        number = _EXACT.plus(_EXACT.normalize(number))  # plus: zero has no sign
    except Inexact as error:
        raise ValueError(f"a number of more than {DIGITS} digits, or beyond all bounds") from error
    if len(number.as_tuple().digits) > DIGITS or (number and not _SMALLEST <= number.adjusted() <= _LARGEST):
        raise ValueError(f"a number has {DIGITS} digits and lies between 1E{_SMALLEST} and 1E{_LARGEST + 1}")
    return format(number, "f") if abs(number.adjusted()) < _PLAINLY else str(number)
