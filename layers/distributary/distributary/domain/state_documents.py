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
        q       values that writes have replaced and nobody has joined with the row's own, see `unjoined` (SQL only)

Nothing in a state is newer than the state, and the deletion beneath it is older.

A version is written as "timestamp.sequence.region", numbers hexadecimal and unpadded; amounts are decimal.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from decimal import InvalidOperation
from typing import Any

from distributary.domain.base_state import Base, Register, Registers, Unit
from distributary.domain.crdt import ALWAYS, AttributeState
from distributary.domain.errors import MalformedStamp, PoliciesAhead
from distributary.domain.image import AttributeValue, Image
from distributary.domain.part_documents import (
    attribute_from,
    attribute_part,
    checked_text,
    count_from,
    version_from,
    version_in,
    without_others,
)
from distributary.domain.policies import Policy
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.version import Context, Version

Document = Mapping[str, Any]


def document_of(state: RowState) -> dict[str, Any]:
    """The document of a state. `state_from` reads it, given the values that stand in the row."""
    told: dict[str, Any] = {}
    if state.incarnation != ALWAYS:
        told["f" if state.from_plain else "i"] = version_in(state.incarnation)
    if state.generation > 1:
        told["g"] = f"{state.generation:x}"
    if state.disputes:
        told["u"] = f"{state.disputes:x}"
    told |= _unit(state.base, state.version) if isinstance(state.base, Unit) else _registers(state.base, state.version)
    own = {name: part for name, each in sorted(state.attributes.items()) if (part := attribute_part(each))}
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
        generation = generation_in(document)
        if generation > lattice.policies.generation:
            raise PoliciesAhead(f"a row of generation {generation}, this function has {lattice.policies.generation}")
        told = document.get("a", {})
        base_version = version_from(document["b"], version) if "b" in document else version
        own: dict[str, AttributeState] = {}
        for name, each in lattice.lattices.items():
            part = without_others(told[name], each) if name in told else None
            state = attribute_from(part, content.get(name), version, each) if part is not None else None
            state = state or each.began(content.get(name), base_version)
            if state is not None:
                own[name] = state
        base = _base_from(document, lattice.without_own(content), (base_version, version), lattice)
        incarnation, from_plain = incarnation_in(document, version)
        disputes = count_from(document.get("u", "0"))
        return RowState(version, context, base, own, incarnation, from_plain, generation, disputes)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise MalformedStamp(str(document)[:80]) from error


def generation_in(document: Document) -> int:
    """Of the policies under which a state was written; raises MalformedStamp."""
    try:
        return count_from(document.get("g", "1"))
    except (TypeError, ValueError) as error:
        raise MalformedStamp(str(document)[:80]) from error


def incarnation_in(document: Document | None, version: Version) -> tuple[Version, bool]:
    """What a state of that version was made on top of, and whether that is a row from before its policies.

    Raises MalformedStamp.
    """
    try:
        if document is None or "f" in document:
            return (version if document is None else version_from(document["f"], version)), True
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
    told: dict[str, Any] = {} if base.version == version else {"b": version_in(base.version)}
    return {**told, "o": ".".join(f"{each:x}" for each in base.order)} if base.order else told


def _registers(base: Registers, version: Version) -> dict[str, Any]:
    by_version: dict[Version, list[str]] = {}
    for name, each in sorted(base.known.items()):
        by_version.setdefault(each.version, []).append(name)
    there = Tally(each.version for each in base.known.values() if each.value is not None)
    usual = max(there, key=lambda each: (there[each], each), default=version)
    told: dict[str, Any] = {} if usual == version else {"b": version_in(usual)}
    others = {version_in(at): _unusual(names, base) if at == usual else names for at, names in by_version.items()}
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
            known |= {checked_text(name): Register(version_from(at, newest), content.get(name)) for name in names}
        return Registers(known)
    order = tuple(int(each, 16) for each in document["o"].split(".")) if "o" in document else ()
    return Unit(content, version, _fitting(order, version, lattice))


def _fitting(order: tuple[int, ...], version: Version, lattice: StateLattice) -> tuple[int, ...]:
    """The order, or that of a state that nothing is known of where the document was made under other policies."""
    from_new = lattice.began({}, version).base
    assert isinstance(from_new, Unit)  # noqa: S101 - registers were read before
    return order if len(order) == len(from_new.order) else from_new.order


def _older(text: str, than: Version) -> Version:
    version = version_from(text, than)
    if version == than:
        raise ValueError(text)
    return version


def _typed(value: Any) -> AttributeValue:
    if isinstance(value, Mapping):
        return {"M": {name: _typed(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"L": [_typed(inner) for inner in value]}
    return {"S": checked_text(value)}


def _untyped(value: AttributeValue) -> Any:
    try:
        ((kind, inner),) = value.items()
        if kind == "M":
            return {name: _untyped(each) for name, each in inner.items()}
        if kind == "L":
            return [_untyped(each) for each in inner]
        if kind != "S":
            raise MalformedStamp(f"a state with a value of type {kind}")
        return checked_text(inner)
    except (TypeError, ValueError, AttributeError) as error:
        raise MalformedStamp(str(value)[:80]) from error
