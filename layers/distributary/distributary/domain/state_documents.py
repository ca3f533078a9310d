"""What a row's state knows beside its values, as a document: JSON, a map of DynamoDB, and back with everything checked.

    i   the deletion that the row was made on top of; absent if none
    f   instead of it, the row from before its policies that it was made on top of, or the instant from which they hold
    g   the generation of the policies under which it was written, hexadecimal; absent if the first
    u   how often it was disputed since it was written, hexadecimal; absent if never
    b   the version of the row's base; absent if it is the stamp's
    o   the base's order
    w   for attribute_merge: names of attributes by their versions, unless b; one that is not in the row was removed
    a   for each attribute with a policy of its own, unless its value says all: e its era unless the first, and
        n, t    a counter's base, and each region's [number, amount]
        k, d    a set's kind, and its elements by the version that added them
        p       (empty) a value that the policy cannot mean, or none
        c       (empty) a value that a function has made and that an application could not have written

Nothing in a state is newer than the state, and the deletion beneath it is older.

A version is written as "timestamp.sequence.region", numbers hexadecimal and unpadded; amounts are decimal.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from distributary.domain.base_state import Base, Register, Registers, Unit
from distributary.domain.crdt import ALWAYS, AttributeState, Body, Chosen, Counter, Elements, Plain, Total
from distributary.domain.errors import MalformedStamp, PoliciesAhead
from distributary.domain.image import AttributeValue, Image
from distributary.domain.notation import Notation, elements_of, set_of, value_of
from distributary.domain.policies import Policy
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.stamp import parse_version, version_text
from distributary.domain.version import Context, Version

Document = Mapping[str, Any]

SPAN = 200
"""Powers of ten that a counter's amounts stay within; what is countable lies well within them."""


def document_of(state: RowState) -> dict[str, Any]:
    """The document of a state. `state_from` reads it, given the values that stand in the row."""
    told: dict[str, Any] = {}
    if state.incarnation != ALWAYS:
        told["f" if state.from_plain else "i"] = _text(state.incarnation)
    if state.generation > 1:
        told["g"] = f"{state.generation:x}"
    if state.disputes:
        told["u"] = f"{state.disputes:x}"
    told |= _unit(state.base, state.version) if isinstance(state.base, Unit) else _registers(state.base, state.version)
    own = {name: part for name, each in sorted(state.attributes.items()) if (part := _attribute(each))}
    return {**told, "a": own} if own else told


def state_from(
    document: Document | None, content: Image, version: Version, context: Context, lattice: StateLattice
) -> RowState:
    """Read a state: its document, and what stands in the row. Raises MalformedStamp for anything else.

    No document: the row is from before its policies. An attribute whose policy is new begins with the version of its
    value; one that has none any more is as any other. Raises PoliciesAhead for one of later policies than are known.
    """
    if document is None:
        return lattice.began(content, version, context)
    try:
        generation = _count(document.get("g", "1"))
        if generation > lattice.policies.generation:
            raise PoliciesAhead(f"a row of generation {generation}, this function has {lattice.policies.generation}")
        told = document.get("a", {})
        base_version = _version(document["b"], version) if "b" in document else version
        own: dict[str, AttributeState] = {}
        for name, each in lattice.lattices.items():
            state = _attribute_from(told[name], content.get(name), version, lattice) if name in told else None
            state = state or each.began(content.get(name), base_version)
            if state is not None:
                own[name] = state
        base = _base_from(document, lattice.without_own(content), (base_version, version), lattice)
        incarnation, from_plain = incarnation_in(document, version)
        disputes = _count(document.get("u", "0"))
        return RowState(version, context, base, own, incarnation, from_plain, generation, disputes)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise MalformedStamp(str(document)[:80]) from error


def incarnation_in(document: Document | None, version: Version) -> tuple[Version, bool]:
    """What a state of that version was made on top of, and whether that is a row from before its policies.

    Raises MalformedStamp.
    """
    try:
        if document is None or "f" in document:
            return (version if document is None else _version(document["f"], version)), True
        return (_older(document["i"], version) if "i" in document else ALWAYS), False
    except (TypeError, ValueError, AttributeError) as error:
        raise MalformedStamp(str(document)[:80]) from error


def tells_of_disputes(value: AttributeValue | None) -> bool:
    """Whether the document in a row's attribute does, without a look at the rest."""
    return value is not None and "u" in value.get("M", {})


def as_attribute(document: Document) -> AttributeValue:
    """The document as a map of DynamoDB."""
    return _typed(document)


def from_attribute(value: AttributeValue | None) -> Document | None:
    """The document in a row's attribute; none where there is none. Raises MalformedStamp."""
    if value is None:
        return None
    document = _untyped(value)
    if not isinstance(document, dict):
        raise MalformedStamp("a state that is no map")
    return document


def _unit(base: Unit, version: Version) -> dict[str, Any]:
    told: dict[str, Any] = {} if base.version == version else {"b": _text(base.version)}
    return {**told, "o": ".".join(f"{each:x}" for each in base.order)} if base.order else told


def _registers(base: Registers, version: Version) -> dict[str, Any]:
    by_version: dict[Version, list[str]] = {}
    for name, each in sorted(base.known.items()):
        by_version.setdefault(each.version, []).append(name)
    there = Tally(each.version for each in base.known.values() if each.value is not None)
    usual = max(there, key=lambda each: (there[each], each), default=version)
    told: dict[str, Any] = {} if usual == version else {"b": _text(usual)}
    others = {_text(at): _unusual(names, base) if at == usual else names for at, names in by_version.items()}
    others = {at: names for at, names in sorted(others.items()) if names}
    return {**told, "w": others} if others else told


def _unusual(names: Iterable[str], base: Registers) -> list[str]:
    """Those of the usual version that have to be named all the same: the row does not show that they were removed."""
    return [name for name in names if base.known[name].value is None]


def _base_from(document: Document, content: Image, versions: tuple[Version, Version], lattice: StateLattice) -> Base:
    version, newest = versions
    if lattice.policies.base is Policy.ATTRIBUTE_MERGE:
        known = {name: Register(version, value) for name, value in content.items()}
        for at, names in document.get("w", {}).items():
            known |= {_checked(name): Register(_version(at, newest), content.get(name)) for name in names}
        return Registers(known)
    order = tuple(int(each, 16) for each in document["o"].split(".")) if "o" in document else ()
    return Unit(content, version, _fitting(order, version, lattice))


def _fitting(order: tuple[int, ...], version: Version, lattice: StateLattice) -> tuple[int, ...]:
    """The order, or that of a state that nothing is known of where the document was made under other policies."""
    from_new = lattice.began({}, version).base
    assert isinstance(from_new, Unit)  # noqa: S101 - registers were read before
    return order if len(order) == len(from_new.order) else from_new.order


def _attribute(state: AttributeState) -> dict[str, Any]:
    told = _body(state.body)
    return told if state.era == ALWAYS else {**told, "e": _text(state.era)}


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
            return {"k": kind, "d": {_text(at): by_version[at] for at in sorted(by_version)}}
        case Plain():
            return {"p": ""}
        case Chosen(value):
            return {"c": ""} if "NULL" in value else {}


def _attribute_from(
    told: Document, value: AttributeValue | None, newest: Version, lattice: StateLattice
) -> AttributeState | None:
    if not isinstance(told, Mapping):
        raise TypeError(told)
    era = _version(told["e"], newest) if "e" in told else ALWAYS
    if "n" in told:
        totals = {_checked(r): Total(_count(number), _number(amount)) for r, (number, amount) in told["t"].items()}
        return AttributeState(Counter(_number(told["n"]), totals), era)
    if "k" in told:
        return AttributeState(_elements(told, newest, lattice), era)
    if "p" in told:
        return AttributeState(Plain(value), era)
    return AttributeState(Chosen(value), era) if value is not None else None


def _elements(told: Document, newest: Version, lattice: StateLattice) -> Elements:
    added: dict[str, frozenset[Version]] = {}
    for at, elements in told["d"].items():
        for element in elements:
            added[_checked(element)] = added.get(element, frozenset()) | {_version(at, newest)}
    kind = _checked(told["k"])
    shown = set_of(kind, added, lattice.notation)
    if added and elements_of(shown, lattice.notation) != (kind, frozenset(added)):
        raise ValueError(kind)
    return Elements(kind, added)


def _text(version: Version) -> str:
    return f"{version.timestamp:x}.{version.sequence:x}.{version.region}"


def _version(text: str, newest: Version) -> Version:
    timestamp, sequence, region = text.split(".")
    version = Version(int(timestamp, 16), int(sequence, 16), region)
    if _text(version) != text or version > newest:
        raise ValueError(text)
    return version if version == ALWAYS else parse_version(version_text(version))


def _older(text: str, than: Version) -> Version:
    version = _version(text, than)
    if version == than:
        raise ValueError(text)
    return version


def _count(text: str) -> int:
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


def _checked(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(text)
    return text


def _typed(value: Any) -> AttributeValue:
    if isinstance(value, Mapping):
        return {"M": {name: _typed(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"L": [_typed(inner) for inner in value]}
    return {"S": _checked(value)}


def _untyped(value: AttributeValue) -> Any:
    try:
        ((kind, inner),) = value.items()
        if kind == "M":
            return {name: _untyped(each) for name, each in inner.items()}
        if kind == "L":
            return [_untyped(each) for each in inner]
        if kind != "S":
            raise MalformedStamp(f"a state with a value of type {kind}")
        return _checked(inner)
    except (TypeError, ValueError, AttributeError) as error:
        raise MalformedStamp(str(value)[:80]) from error
