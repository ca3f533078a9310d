"""Values that a trigger could not join: it knows no Python, so it keeps what a write has replaced beside the new value.

In a document that is the part `q` of an attribute: the values that were replaced since somebody who knows the function
has joined them, oldest first. What such a state means is all of them and the row's own value, joined; so whoever reads
a state joins them. The row shows the last one written until capture has met the write in the log: it ships the row
joined, and makes the home row show the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from distributary.domain.change import Change
from distributary.domain.errors import MalformedRecord, NotSettled, PoliciesAhead
from distributary.domain.image import AttributeValue, Image
from distributary.domain.part_documents import replaced_in
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Row, State
from distributary.domain.row_state import StateLattice
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.state_documents import Document, document_of, generation_in, state_from
from distributary.domain.state_texts import as_column, document_of_row
from distributary.domain.steps import Decision, Look, Write
from distributary.domain.version import Version, mint


def tells_of_unjoined(document: Document | None) -> bool:
    """Whether anything is left to be joined."""
    parts = document.get("a") if document is not None else None
    return isinstance(parts, Mapping) and any(isinstance(part, Mapping) and "q" in part for part in parts.values())


def joined(change: Change, lattice: StateLattice | None) -> Change:
    """A local write as it travels: with nothing left to be joined. lattice: none where the last write stands by now.

    Raises PoliciesAhead for a state of later policies than are known here, PolicyFailed as functions do, and
    MalformedRecord for a state that no trigger has written.
    """
    assert change.image is not None  # noqa: S101 - a deletion has no state
    assert change.state is not None  # noqa: S101 - nothing else is asked for
    try:
        if lattice is not None:
            _check_generation(change.state, lattice)
        image, document = _joined(change.image, change.state, lattice)
    except (TypeError, ValueError) as error:  # MalformedStamp, too
        raise MalformedRecord(f"a row with the state {str(change.state)[:80]}") from error
    return replace(change, image=image, state=document)


def show_joined(shipped: Change, place: Place, lattice: StateLattice) -> Decision[None]:
    """Make the home row show what its state says, whoever has written it since; what is joined already stays.

    It stays the same write. But one of earlier policies may have been shipped by a call of theirs, joined otherwise,
    and shown here: then what is decided now is a write of this region, which capture hands over like any other.
    """
    for _ in range(ATTEMPTS):
        state: State = (yield Look(whole=True)).trusting(place.latest)
        row = state.row
        if row is None or row.version is None:
            return
        document = document_of_row(row.image)
        if document is None:
            return
        earlier = _check_generation(document, lattice) < lattice.policies.generation
        if not tells_of_unjoined(document) and not (earlier and row.version == shipped.version):
            return
        if earlier:
            image = _decided_here(row, document, row.version, place, lattice)
        else:
            content, told = _joined(row.content, document, lattice)
            stamp = Stamp(row.version, row.context, Writer.REPLICATION)
            image = stamped({**content, **as_column(told)}, stamp)
        if (yield Write(row, image)):
            return
    raise NotSettled("the row was written again and again while it was to show what was joined")


def _decided_here(row: Row, document: Document, version: Version, place: Place, lattice: StateLattice) -> Image:
    known = state_from(document, row.content, version, row.context, lattice)
    state = lattice.rewritten(known, mint(place.now, 0, place.region, above=[version]))
    content = {**lattice.visible(state), **as_column(document_of(state))}
    return stamped(content, Stamp(state.version, state.context, Writer.APPLICATION))


def _check_generation(document: Document, lattice: StateLattice) -> int:
    generation = generation_in(document)
    if generation > lattice.policies.generation:
        raise PoliciesAhead(f"a row of generation {generation}, this function has {lattice.policies.generation}")
    return generation


def _joined(content: Image, document: Document, lattice: StateLattice | None) -> tuple[Image, Document]:
    """The row and its document, of which nothing else changes."""
    parts: dict[str, Mapping[str, Any]] = dict(document["a"])
    shown: dict[str, AttributeValue] = {}
    for name, part in document["a"].items():
        if "q" not in part:
            continue
        rule = lattice.lattices.get(name) if lattice is not None else None
        value = content.get(name)
        if rule is not None and rule.chooses and value is not None:
            shown[name] = rule.chosen_of([*replaced_in(part, rule), value])
        parts[name] = {key: each for key, each in part.items() if key != "q"}
    told = {key: each for key, each in document.items() if key != "a"}
    left = {name: part for name, part in parts.items() if part}
    return {**content, **shown}, {**told, "a": left} if left else told
