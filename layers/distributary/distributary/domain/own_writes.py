"""Takes this region's own writes of a row into its ledger, under policies with memory: each once, in their order.

What an application has done is the difference of the two images of its record, on top of all that it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from distributary.domain.change import Change, StreamRecord
from distributary.domain.crdt import ALWAYS, Moment
from distributary.domain.errors import NotSettled
from distributary.domain.image import STATE_ATTRIBUTE, Image
from distributary.domain.memory import deleted_before
from distributary.domain.merge import buried
from distributary.domain.origin import Origin, origin_of
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Ledger, Row, State, Tombstone
from distributary.domain.row_state import BEGUN, RowState, StateLattice
from distributary.domain.settled_rows import image_of, state_of
from distributary.domain.stamp import UNKNOWN, link_of_insert, link_to
from distributary.domain.state_documents import tells_of_disputes
from distributary.domain.steps import Decision, LookBack, Remember
from distributary.domain.version import NOTHING_SEEN, Version, mint


@dataclass(frozen=True)
class OwnWrite:
    """A record, whose write it shows, and the circumstances of settling it. since: see `settle_states`."""

    record: StreamRecord
    origin: Origin
    place: Place
    lattice: StateLattice
    since: int


def take_in(
    records: Sequence[StreamRecord], place: Place, lattice: StateLattice, ignore_expired: bool, since: int
) -> Decision[tuple[list[Origin], tuple[int, OwnWrite, Ledger] | None, Tombstone]]:
    """Take local writes into the ledger, durably: what each record was, which is its last, and the new tombstone."""
    for _ in range(ATTEMPTS):
        stored: Tombstone | None = yield LookBack()
        known = stored.trusting(place.latest) if stored else Tombstone()
        noted, told, last = known, list[Origin](), None
        for at, record in enumerate(records):
            here = _told(OwnWrite(record, origin_of(record, place.region, noted), place, lattice, since))
            told.append(here.origin)
            if here.origin is Origin.ECHO or (here.origin is Origin.EXPIRED and ignore_expired):
                continue
            if noted.ledger is None or noted.ledger.sequence < record.sequence:
                noted = _noted(here, noted)
            if noted.ledger is not None and noted.ledger.sequence == record.sequence:
                last = at, here, noted.ledger
        if noted == known or (yield Remember(stored, noted)):
            return told, last, noted
    raise NotSettled("the ledger was written again and again while records were to be taken in")


def _told(here: OwnWrite) -> OwnWrite:
    """What we have decided and others may have decided otherwise counts as a write of ours, on top of all."""
    record, lattice = here.record, here.lattice
    shown = record.new.image.get(STATE_ATTRIBUTE) if record.new else None
    if here.origin is not Origin.ECHO or not tells_of_disputes(shown):
        return here
    before, after = state_of(record.old, lattice), state_of(record.new, lattice)
    if after is None or after.disputes <= (before.disputes if before else 0):
        return here
    return replace(here, record=replace(record, old=record.new), origin=Origin.REWRITTEN)


def _noted(here: OwnWrite, tombstone: Tombstone) -> Tombstone:
    """The tombstone with the record in its ledger."""
    ledger = _ledger(here, tombstone)
    noted = replace(tombstone, ledger=ledger)
    if ledger.image is None:
        removed = link_to(here.record.old.image, here.place.region) if here.record.old else UNKNOWN
        noted = replace(buried(noted, deletion_of(here, ledger), here.place), removed=removed)
    return noted


def _ledger(here: OwnWrite, tombstone: Tombstone) -> Ledger:
    record, place, lattice = here.record, here.place, here.lattice
    known = _known(here, tombstone)
    beneath = _beneath(record, tombstone, place)
    version = _version(here, known, beneath, tombstone)
    if record.new is None:
        seen = (known.context if known else NOTHING_SEEN).including(version)
        return Ledger(record.sequence, version, None, seen)
    deletion = beneath.deletion if beneath and beneath.deletion else known.incarnation if known else ALWAYS
    incarnation = max(deletion, Version(here.since, 0, BEGUN)) if here.since else deletion
    old = record.old.content if record.old else {}
    state = lattice.written(known, old, record.new.content, Moment(version, record.sequence), incarnation)
    if beneath is not None:
        state = replace(state, context=state.context.merge(beneath.context))
    link = link_of_insert(place.region, place.unique)
    return Ledger(record.sequence, version, image_of(state, link, lattice))


def _known(here: OwnWrite, tombstone: Tombstone) -> RowState | None:
    """All that the row's writer had before him: what is in the ledger, and what was merged into the row since.

    Of a row that was read in another region and put here as it was, also its state: a change that met it here before
    its record was captured found itself in it, and does not come again.
    """
    ledger, old = tombstone.ledger, here.record.old
    kept = state_of(Row(ledger.image), here.lattice) if ledger and ledger.image is not None else None
    seen = state_of(old, here.lattice)
    if kept is None and seen is None and old is not None:
        began = here.lattice.began(old.content, old.version or ALWAYS, old.context)
        seen = replace(began, incarnation=ALWAYS, from_plain=False)  # its stamp may be a mark, or say nothing of it
    known = [state for state in (kept, seen, state_of(here.record.new, here.lattice)) if state is not None]
    return reduce(here.lattice.join, known) if known else None


def _beneath(record: StreamRecord, tombstone: Tombstone, place: Place) -> Tombstone | None:
    """The deletion that an insert was made on top of."""
    return deleted_before(record, State(None, tombstone), place.region)


def _version(here: OwnWrite, known: RowState | None, beneath: Tombstone | None, tombstone: Tombstone) -> Version:
    record, region = here.record, here.place.region
    above = [known.version] if known and known.version.timestamp else []
    above += [beneath.deletion] if beneath and beneath.deletion else []
    above += [tombstone.ledger.version] if tombstone.ledger else []
    above += [Version(here.since, 0, BEGUN)] if here.since else []  # a stamping writer's clock may lag behind that
    rows = (record.old, record.new)
    drawn = record.new.version if record.new and here.origin is Origin.STAMPED else None
    if drawn is not None and all(each < drawn for each in above):
        return drawn
    above += [row.version for row in rows if row is not None and row.version is not None]
    return mint(record.created_at, record.sequence, region, above=above)


def deletion_of(here: OwnWrite, ledger: Ledger) -> Change:
    """The deletion that the ledger holds, as a change to ship."""
    return replace(change_of(here, ledger, None), context=ledger.context)


def change_of(here: OwnWrite, ledger: Ledger, image: Image | None) -> Change:
    """A change of the ledger's version, with that image; what it has seen is left open."""
    place, record = here.place, here.record
    return Change(
        place.dataset, place.table, record.key, image, ledger.version, NOTHING_SEEN, place.region,
        str(record.sequence), place.now,
    )  # fmt: skip
