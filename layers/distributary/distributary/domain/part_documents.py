"""What a document says of single attributes, and of versions, numbers and texts in it; see `state_documents`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from distributary.domain.crdt import (
    ALWAYS,
    AttributeLattice,
    AttributeState,
    Body,
    Chosen,
    Counter,
    Elements,
    Plain,
    Total,
)
from distributary.domain.errors import MalformedStamp
from distributary.domain.image import AttributeValue
from distributary.domain.notation import Notation, elements_of, set_of, value_of
from distributary.domain.stamp import parse_version, version_text
from distributary.domain.version import Version

Part: TypeAlias = Mapping[str, Any]
"""What a document says of one attribute."""

SPAN = 200
"""Powers of ten that a counter's amounts stay within; what is countable lies well within them."""


def attribute_part(state: AttributeState) -> dict[str, Any]:
    """The part of an attribute in a document; empty where its value says all."""
    told = _body(state.body)
    return told if state.era == ALWAYS else {**told, "e": version_in(state.era)}


def _body(body: Body) -> dict[str, Any]:
    match body:
        case Counter(base, totals):
            amounts = {region: [f"{at.number:x}", _decimal(at.amount)] for region, at in sorted(totals.items())}
            return {"n": _decimal(base), "t": amounts}
        case Elements(kind, added):
            by_version: dict[Version, list[str]] = {}
            for element, versions in sorted(added.items()):
                for each in versions:
                    by_version.setdefault(each, []).append(element)
            return {"k": kind, "d": {version_in(at): by_version[at] for at in sorted(by_version)}}
        case Plain():
            return {"p": ""}
        case Chosen(value):
            return {"c": ""} if "NULL" in value else {}


def replaced_in(part: Part, each: AttributeLattice) -> list[AttributeValue]:
    """What writes have replaced and nobody has joined, of an attribute's part; raises MalformedStamp."""
    if "q" not in part:
        return []
    values, others = part["q"], part.keys() - {"q", "e"}
    if each.notation is not Notation.POSTGRESQL or others or not isinstance(values, list) or not values:
        raise MalformedStamp(str(part)[:80])
    return [{"S": checked_text(value)} for value in values]


def without_others(told: Any, each: AttributeLattice) -> Part | None:
    """An attribute's part; what a trigger has kept for a policy that joins values means nothing to any other."""
    if not isinstance(told, Mapping):
        raise TypeError(told)
    if "q" not in told or each.chooses:
        return told
    return {name: part for name, part in told.items() if name != "q"} or None


def attribute_from(
    told: Part, value: AttributeValue | None, newest: Version, each: AttributeLattice
) -> AttributeState | None:
    """An attribute's state, of its part and its value; raises one of many errors where it is none."""
    era = version_from(told["e"], newest) if "e" in told else ALWAYS
    replaced = replaced_in(told, each)
    if "n" in told:
        totals = {
            checked_text(r): Total(count_from(number), _number(amount)) for r, (number, amount) in told["t"].items()
        }
        return AttributeState(Counter(_number(told["n"]), totals), era)
    if "k" in told:
        return AttributeState(_elements(told, newest, each), era)
    if "p" in told:
        return AttributeState(Plain(value), era)
    if value is None:
        return None
    if replaced and "S" not in value:
        raise ValueError(told)
    return AttributeState(Chosen(each.chosen_of([*replaced, value])), era)


def _elements(told: Part, newest: Version, each: AttributeLattice) -> Elements:
    added: dict[str, frozenset[Version]] = {}
    for at, elements in told["d"].items():
        for element in elements:
            added[checked_text(element)] = added.get(element, frozenset()) | {version_from(at, newest)}
    kind = checked_text(told["k"])
    shown = set_of(kind, added, each.notation)
    if added and elements_of(shown, each.notation) != (kind, frozenset(added)):
        raise ValueError(kind)
    return Elements(kind, added)


def version_in(version: Version) -> str:
    """A version as documents write it."""
    return f"{version.timestamp:x}.{version.sequence:x}.{version.region}"


def version_from(text: str, newest: Version) -> Version:
    """A version that is none newer than that; raises ValueError."""
    timestamp, sequence, region = text.split(".")
    version = Version(int(timestamp, 16), int(sequence, 16), region)
    if version_in(version) != text or version > newest:
        raise ValueError(text)
    return version if version == ALWAYS else parse_version(version_text(version))


def count_from(text: str) -> int:
    """A number of writes or of something else that was counted; raises ValueError."""
    number = int(text, 16)
    if number < 0:
        raise ValueError(text)
    return number


def _decimal(number: Decimal) -> str:
    return str(value_of(number, Notation.DYNAMODB)["N"])


def _number(text: str) -> Decimal:
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not -SPAN < exponent <= number.adjusted() < SPAN:
        raise ValueError(text)
    return number


def checked_text(text: Any) -> str:
    """The text; raises TypeError where it is none."""
    if not isinstance(text, str):
        raise TypeError(text)
    return text
