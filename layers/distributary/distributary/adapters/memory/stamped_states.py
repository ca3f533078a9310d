"""What the triggers of a table whose policies need memory make of a row, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from sys import maxsize
from typing import Any

from distributary.domain.crdt import ALWAYS, AttributeState, Chosen, Counter, Moment, Total
from distributary.domain.image import Image, content_of
from distributary.domain.policies import AttributePolicy
from distributary.domain.row import Row, Tombstone
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.stamp import Stamp, stamped
from distributary.domain.state_documents import document_of, state_from
from distributary.domain.state_texts import as_column, document_of_row
from distributary.domain.unjoined import tells_of_unjoined

_SHOWN = (AttributePolicy.ADD_WINS_SET, AttributePolicy.MAX, AttributePolicy.MIN)
"""Policies by which the row then shows another value, or another notation, than the one that was written."""


def written(before: Row | None, new: Image, stamp: Stamp, beneath: Tombstone | None, lattice: StateLattice) -> Image:
    """The whole row after an application's write of a stamp.

    before: none where the key is new; as far as its stamp is believed. beneath: the key's tombstone, likewise.
    """
    # A trigger reads what it can; one of earlier policies also what was written under later ones. It knows no Python.
    functions = dict.fromkeys(lattice.policies.functions, _the_last)
    lattice = replace(lattice, policies=replace(lattice.policies, functions=functions))
    reading = replace(lattice, policies=replace(lattice.policies, generation=maxsize))
    kept, before = _taken_out(before, lattice)
    known = state_of(before, reading) if before is not None else None
    deletion = (beneath.deletion if beneath is not None else None) or ALWAYS
    content = content_of(new)
    moment = Moment(stamp.version, 0)
    found = before.content if before is not None else {}
    state = lattice.written(known, found, content, moment, known.incarnation if known is not None else deletion)
    state = replace(
        state,
        context=stamp.context,
        attributes={name: _numbered(each, known, name, stamp) for name, each in state.attributes.items()},
    )
    shown = {name: lattice.lattices[name].value(each) for name, each in state.attributes.items()}
    own = {name: v for name, v in shown.items() if v is not None and lattice.lattices[name].policy in _SHOWN}
    document = _with_replaced(document_of(state), kept, state, (known, found, content), lattice)
    return stamped({**content, **own, **as_column(document)}, stamp)


def _the_last(_: Any, other: Any) -> Any:
    return other


def _taken_out(before: Row | None, lattice: StateLattice) -> tuple[Mapping[str, list[str]], Row | None]:
    """What nobody has joined yet, by column, and the row without that."""
    document = document_of_row(before.image) if before is not None else None
    if before is None or not tells_of_unjoined(document):
        return {}, before
    assert document is not None  # noqa: S101 - it was looked into
    parts = document["a"]
    kept = {name: part["q"] for name, part in parts.items() if "q" in part}
    rest = {name: {key: told for key, told in part.items() if key != "q"} for name, part in parts.items()}
    image = {**before.image, **as_column({**document, "a": {name: part for name, part in rest.items() if part}})}
    known = {name: each for name, each in kept.items() if name in lattice.lattices and lattice.lattices[name].chooses}
    return known, replace(before, image=image)


def _with_replaced(
    document: dict[str, Any],
    kept: Mapping[str, list[str]],
    state: RowState,
    write: tuple[RowState | None, Image, Image],
    lattice: StateLattice,
) -> dict[str, Any]:
    """The document with what is left to be joined: what was, and of a function's column what was replaced."""
    known, old, new = write
    parts = dict(document.get("a", {}))
    for name, rule in lattice.lattices.items():
        was = known.attributes.get(name) if known is not None else None
        was, now = was or rule.began(old.get(name)), state.attributes.get(name)
        if was is None or now is None or not isinstance(was.body, Chosen) or was.era != now.era:
            continue
        values = list(kept.get(name, ()))
        if rule.policy is AttributePolicy.CUSTOM and old[name] != new[name] and old[name]["S"] not in values:
            values.append(old[name]["S"])
        if values:
            parts[name] = {**parts.get(name, {}), "q": values}
    return {**document, "a": parts} if parts else document


def state_of(row: Row, lattice: StateLattice) -> RowState | None:
    """The state of a row; none of one that nobody has given a version."""
    if row.version is None:
        return None
    return state_from(document_of_row(row.image), row.content, row.version, row.context, lattice)


def _numbered(state: AttributeState, known: RowState | None, name: str, stamp: Stamp) -> AttributeState:
    """A counter with its region's total numbered one higher than before, where the write has changed it."""
    region = stamp.version.region
    before = known.attributes.get(name) if known is not None else None
    if state == before or not isinstance(state.body, Counter) or region not in state.body.totals:
        return state
    mine = before.body.totals.get(region) if before is not None and isinstance(before.body, Counter) else None
    total = Total(mine.number + 1 if mine is not None else 1, state.body.totals[region].amount)
    return replace(state, body=Counter(state.body.base, {**state.body.totals, region: total}))
