"""Values of an SQL database's columns as functions of custom policies get them, and back to PostgreSQL's text.

| handed as | plain | columns |
|---|---|---|
| text | str | any: the text is PostgreSQL's own |
| number | Decimal | exact numbers |
| boolean | bool | boolean |
| json | None, bool, str, Decimal, list, dict | json, jsonb |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from distributary.domain.errors import PolicyFailed
from distributary.domain.image import AttributeValue
from distributary.domain.notation import Notation, countable, value_of
from distributary.domain.policies import Handed

_BOOLEANS = {"t": True, "f": False}
_quoted = json.JSONEncoder(ensure_ascii=False).encode


def handed_out(value: AttributeValue, handed: Handed) -> Any:
    """The value as a function gets it, made anew; raises PolicyFailed where the text is nothing of the kind."""
    try:
        return _READ[handed](value["S"])
    except (KeyError, ValueError, ArithmeticError, RecursionError) as error:
        raise PolicyFailed(f"a value that cannot be handed to a function as {handed.value}") from error


def taken_back(result: Any, handed: Handed) -> AttributeValue:
    """The one text of what a function gave: equal values give equal texts. Raises PolicyFailed for any other type.

    NULL is no value of a column, so None is none either, but for the null of JSON.
    """
    try:
        text = _WRITTEN[handed](result)
        text.encode()  # fails for half of a pair of surrogates, which no database takes
    except (ValueError, RecursionError) as error:
        raise PolicyFailed(f"a function gave what no column of {handed.value} can hold") from error
    return {"S": text}


def _number_in(text: str) -> Decimal:
    number = countable({"S": text}, Notation.POSTGRESQL)
    if number is None:
        raise ValueError("no number that a policy can mean")
    return number


def _json_in(text: str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal, parse_constant=_refused)


def _refused(constant: str) -> Any:
    raise ValueError(constant)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:  # of all that no column can hold one error
        raise ValueError("no text")
    return value


def _number(value: Any) -> str:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise ValueError("no number")  # noqa: TRY004 - as above
    number = countable({"N": str(value)}, Notation.DYNAMODB)
    if number is None:
        raise ValueError("a number beyond all bounds")
    return str(value_of(number, Notation.POSTGRESQL)["S"])


def _boolean(value: Any) -> str:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 - as above
    return "t" if value else "f"


def _json(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(_text(value))
        case list() | tuple():
            return "[" + ",".join(map(_json, value)) + "]"
        case dict():
            return (
                "{"
                + ",".join(f"{_quoted(_text(name))}:{_json(value[name])}" for name in sorted(value, key=_text))
                + "}"
            )
    return _number(value)


_READ: Mapping[Handed, Callable[[str], Any]] = {
    Handed.TEXT: str,
    Handed.NUMBER: _number_in,
    Handed.BOOLEAN: _BOOLEANS.__getitem__,
    Handed.JSON: _json_in,
}
_WRITTEN: Mapping[Handed, Callable[[Any], str]] = {
    Handed.TEXT: _text,
    Handed.NUMBER: _number,
    Handed.BOOLEAN: _boolean,
    Handed.JSON: _json,
}
