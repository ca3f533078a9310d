"""Settles a local write under policies with memory: takes it into the ledger, then makes the home row show it.

What an application has done is the difference of the two images of its record; it is taken into this region's ledger
once, in the order of the records, whatever becomes of the row. The row is then made to show what the ledger and the row
know together. So a put that drops the row's state, or brings back an old one, costs nothing but a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Side, unaware
from distributary.domain.crdt import ALWAYS, Moment
from distributary.domain.errors import NotSettled
from distributary.domain.image import STATE_ATTRIBUTE, Image, same_content
from distributary.domain.memory import deleted_before
from distributary.domain.merge import buried
from distributary.domain.origin import Origin, origin_of
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Ledger, Row, State, Tombstone
from distributary.domain.row_state import BEGUN, RowState, StateLattice
from distributary.domain.settled_rows import (
    conflict_between,
    image_of,
    joined_over,
    look_again,
    on_record,
    show,
    state_of,
    take_away_on_record,
)
from distributary.domain.settlement import Settled
from distributary.domain.stamp import UNKNOWN, link_of_insert, link_to
from distributary.domain.state_documents import document_of, tells_of_disputes
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember
from distributary.domain.version import NOTHING_SEEN, Version, mint


@dataclass(frozen=True)
class _Here:
    """The circumstances of settling one record. since: see `settle_states`."""

    record: StreamRecord
    origin: Origin
    place: Place
    lattice: StateLattice
    since: int


def settle_states(
    records: Sequence[StreamRecord],
    place: Place,
    lattice: StateLattice,
    *,
    since: int = 0,
    ignore_expired: bool = False,
) -> Decision[list[Settled]]:
    """Classify records of one row, in their order, and settle the home row.

    Raises NotSettled when that does not hold still. All are taken in together. The last of the local ones has a change
    to ship, which has the others in it; so has a deletion, over which a row that was there before may have come back.
    since: when the table has got these policies, microseconds; 0 if it never had others. ignore_expired: deletions by
    the time to live stay in their region.
    """
    believed = tuple(map(partial(_trusted, place=place), records))
    told, last, noted = yield from _take_in(believed, place, lattice, ignore_expired, since)
    settled = [Settled(origin) for origin in told]
    for at, record in enumerate(believed):
        if record.new is None and told[at].local and _is_of(noted.deletion, record, place):
            settled[at] = Settled(told[at], _deletion_again(_Here(record, told[at], place, lattice, since), noted))
    if last is not None:
        at, here, ledger = last
        put = ledger.image is not None
        settled[at] = yield from (_settle_put(here, ledger) if put else _settle_deletion(here, ledger))
    elif any(record.old is None for record in records):
        # An insert of ours, by a call that ended before it had looked.
        yield from look_again(records[0].key, place, lattice)
    return settled


def _is_of(deletion: Version | None, record: StreamRecord, place: Place) -> bool:
    """Whether the newest deletion is that of a record."""
    return deletion is not None and deletion.region == place.region and deletion.sequence == record.sequence


def _trusted(record: StreamRecord, place: Place) -> StreamRecord:
    latest = record.created_at + record.granularity + place.max_clock_drift
    old = record.old.trusting(latest) if record.old else None
    return replace(record, old=old, new=record.new.trusting(latest) if record.new else None)


def _take_in(
    records: Sequence[StreamRecord], place: Place, lattice: StateLattice, ignore_expired: bool, since: int
) -> Decision[tuple[list[Origin], tuple[int, _Here, Ledger] | None, Tombstone]]:
    """Take local writes into the ledger, durably: what each record was, which is its last, and the new tombstone."""
    for _ in range(ATTEMPTS):
        stored: Tombstone | None = yield LookBack()
        known = stored.trusting(place.latest) if stored else Tombstone()
        noted, told, last = known, list[Origin](), None
        for at, record in enumerate(records):
            here = _told(_Here(record, origin_of(record, place.region, noted), place, lattice, since))
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


def _told(here: _Here) -> _Here:
    """What we have decided and others may have decided otherwise counts as a write of ours, on top of all."""
    record, lattice = here.record, here.lattice
    shown = record.new.image.get(STATE_ATTRIBUTE) if record.new else None
    if here.origin is not Origin.ECHO or not tells_of_disputes(shown):
        return here
    before, after = state_of(record.old, lattice), state_of(record.new, lattice)
    if after is None or after.disputes <= (before.disputes if before else 0):
        return here
    return replace(here, record=replace(record, old=record.new), origin=Origin.REWRITTEN)


def _noted(here: _Here, tombstone: Tombstone) -> Tombstone:
    """The tombstone with the record in its ledger."""
    ledger = _ledger(here, tombstone)
    noted = replace(tombstone, ledger=ledger)
    if ledger.image is None:
        removed = link_to(here.record.old.image, here.place.region) if here.record.old else UNKNOWN
        noted = replace(buried(noted, _deletion(here, ledger), here.place), removed=removed)
    return noted


def _ledger(here: _Here, tombstone: Tombstone) -> Ledger:
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


def _known(here: _Here, tombstone: Tombstone) -> RowState | None:
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


def _version(here: _Here, known: RowState | None, beneath: Tombstone | None, tombstone: Tombstone) -> Version:
    record, region = here.record, here.place.region
    above = [known.version] if known and known.version.timestamp else []
    above += [beneath.deletion] if beneath and beneath.deletion else []
    above += [tombstone.ledger.version] if tombstone.ledger else []
    rows = (record.old, record.new)
    drawn = record.new.version if record.new and here.origin is Origin.STAMPED else None
    if drawn is not None and all(each < drawn for each in above):
        return drawn
    above += [row.version for row in rows if row is not None and row.version is not None]
    return mint(record.created_at, record.sequence, region, above=above)


def _settle_put(here: _Here, ledger: Ledger) -> Decision[Settled]:
    state = state_of(Row(ledger.image or {}), here.lattice)
    if state is None:
        raise NotSettled("what the ledger keeps is from the future")
    conflict = False
    presumed = here.record.new  # most rows still are as in the record, so a conditional write saves the read
    if presumed is not None and not presumed.marked:
        done = yield from show(presumed, state, here.place, here.lattice, in_ledger=True)
    else:
        done = False
    for _ in range(ATTEMPTS):
        if done:
            yield from look_again(here.record.key, here.place, here.lattice)
            return Settled(here.origin, _put(here, ledger, state), conflict)
        at: State = (yield Look()).trusting(here.place.latest)
        done, conflict = yield from _show(here, at, state)
    raise NotSettled("the row was written again and again while it was to be settled")


def _show(here: _Here, at: State, state: RowState) -> Decision[tuple[bool, bool]]:
    """Make the home row show the write beside all else; whether that is done, and whether it met a conflict."""
    row, tombstone = at.row, at.tombstone
    deletion = tombstone.deletion if tombstone and tombstone.deletion else ALWAYS
    dead = state.incarnation < deletion
    if dead and tombstone is not None:
        yield from on_record(state, tombstone, here.record.key, here.place, here.lattice)
    if row is None:
        # Gone since: by a deletion that is above it, or by the application, whose record follows. Unless we took it for
        # a row that was here before that deletion, as when an application had put back a copy of that.
        taken_by_us = tombstone is not None and tombstone.removing is not None and not dead
        return (not taken_by_us or (yield from show(None, state, here.place, here.lattice))), False
    present = state_of(row, here.lattice)
    alike = present is not None and (present.incarnation == state.incarnation or present.from_plain or state.from_plain)
    if present is not None and alike and not dead:
        return (yield from _join(here, row, present, state))
    ahead = row.version is not None and row.version > state.version
    as_written = here.record.new is not None and same_content(row.content, here.record.new.content) and not ahead
    covered = present is not None and present.incarnation < deletion
    if tombstone is not None and (covered or (dead and (as_written or (row.marked and row.as_stamped)))):
        taken = yield from take_away_on_record(row, tombstone, here.record.key, here.place, here.lattice)
        return taken and dead, False  # of what is alive, the row that was put back over it was in the way
    if not dead and (as_written or (not ahead and (row.marked or present is not None))):
        return (yield from show(row, state, here.place, here.lattice, in_ledger=True)), False
    return True, False  # the application has written again, and its own record follows


def _join(here: _Here, row: Row, present: RowState, state: RowState) -> Decision[tuple[bool, bool]]:
    joined = joined_over(present, state, here.lattice)
    if joined == present:
        return True, False
    conflict = yield from _meet(here, present, state, joined)
    return (yield from show(row, joined, here.place, here.lattice)), conflict


def _meet(here: _Here, present: RowState, state: RowState, joined: RowState) -> Decision[bool]:
    if not unaware(state.version, state.context, present.context):
        return False
    visible = here.lattice.visible
    arriving, there = (Side(each.version, each.context, visible(each)) for each in (state, present))
    policy = here.lattice.policies.base.value
    yield Record(conflict_between(arriving, there, visible(joined), here.record.key, here.place, policy))
    return True


def _settle_deletion(here: _Here, ledger: Ledger) -> Decision[Settled]:
    for _ in range(ATTEMPTS):
        at: State = (yield Look()).trusting(here.place.latest)
        row, tombstone = at.row, at.tombstone
        present = state_of(row, here.lattice)
        if row is None or tombstone is None or tombstone.deletion is None:
            break
        if not (row.marked and row.as_stamped) and (present is None or present.incarnation >= tombstone.deletion):
            break
        if (yield from take_away_on_record(row, tombstone, here.record.key, here.place, here.lattice)):
            break
    else:
        raise NotSettled("the row was written again and again while it was to be deleted")
    return Settled(here.origin, _deletion(here, ledger))


def _put(here: _Here, ledger: Ledger, state: RowState) -> Change:
    image = here.lattice.visible(state)
    document = None if state.plain_born else document_of(state)
    return replace(_change(here, ledger, image), context=state.context, state=document)


def _deletion(here: _Here, ledger: Ledger) -> Change:
    return replace(_change(here, ledger, None), context=ledger.context)


def _deletion_again(here: _Here, tombstone: Tombstone) -> Change:
    """A deletion that later records of the row have overtaken in the ledger."""
    assert tombstone.deletion is not None  # noqa: S101 - it was found to be this record's
    context = tombstone.context.including(tombstone.deletion)
    ledger = Ledger(here.record.sequence, tombstone.deletion, None, context)
    return _deletion(here, ledger)


def _change(here: _Here, ledger: Ledger, image: Image | None) -> Change:
    place, record = here.place, here.record
    return Change(
        place.dataset, place.table, record.key, image, ledger.version, NOTHING_SEEN, place.region,
        str(record.sequence), place.now,
    )  # fmt: skip
