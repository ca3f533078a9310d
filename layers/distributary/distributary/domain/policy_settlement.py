"""Settles a local write under policies with memory: takes it into the ledger, then makes the home row show it.

The ledger has it once, whatever becomes of the row (`own_writes`). The row is then made to show what the ledger and the
row know together. So a put that drops the row's state, or brings back an old one, costs nothing but a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, reduce

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Side, lost, unaware
from distributary.domain.crdt import ALWAYS
from distributary.domain.errors import NotSettled
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE, same_content
from distributary.domain.own_writes import OwnWrite, change_of, deletion_of, take_in
from distributary.domain.place import Place, trusted_until
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Ledger, Row, State, Tombstone
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.settled_rows import (
    conflict_between,
    joined_over,
    look_again,
    on_record,
    show,
    state_of,
    take_away_on_record,
)
from distributary.domain.settlement import Settled
from distributary.domain.state_documents import document_of
from distributary.domain.steps import Decision, Look, Record
from distributary.domain.version import Version


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
    place = reduce(Place.settling, records, place)
    told, last, noted = yield from take_in(believed, place, lattice, ignore_expired, since)
    settled = [Settled(origin) for origin in told]
    for at, record in enumerate(believed):
        if record.new is None and told[at].local and _is_of(noted.deletion, record, place):
            settled[at] = Settled(told[at], _deletion_again(OwnWrite(record, told[at], place, lattice, since), noted))
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
    latest = trusted_until(record, place)
    old = record.old.trusting(latest) if record.old else None
    return replace(record, old=old, new=record.new.trusting(latest) if record.new else None)


def _settle_put(here: OwnWrite, ledger: Ledger) -> Decision[Settled]:
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


def _show(here: OwnWrite, at: State, state: RowState) -> Decision[tuple[bool, bool]]:
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
    as_written = present is None and not ahead and _is_as_written(row, here.record, state)
    covered = present is not None and present.incarnation < deletion
    if tombstone is not None and (covered or (dead and (as_written or (row.marked and row.as_stamped)))):
        taken = yield from take_away_on_record(row, tombstone, here.record.key, here.place, here.lattice)
        return taken and dead, False  # of what is alive, the row that was put back over it was in the way
    if not dead and (as_written or (not ahead and (row.marked or present is not None))):
        return (yield from show(row, state, here.place, here.lattice, in_ledger=True)), False
    return True, False  # the application has written again, and its own record follows


def _is_as_written(row: Row, record: StreamRecord, state: RowState) -> bool:
    """Whether a row that shows no state is still what the record's write has left, not the same content put back.

    A row that shows a state is not, whatever its content: it may have come on top of a deletion. Nor is one that keeps
    the state of what was merged since.
    """
    if record.new is None or not same_content(row.content, record.new.content):
        return False
    as_stamped_then = row.image.get(STAMP_ATTRIBUTE) == record.new.image.get(STAMP_ATTRIBUTE)
    return as_stamped_then or STATE_ATTRIBUTE not in row.image or not lost(state.context, row.context)


def _join(here: OwnWrite, row: Row, present: RowState, state: RowState) -> Decision[tuple[bool, bool]]:
    joined = joined_over(present, state, here.lattice)
    if joined == present:
        return True, False
    conflict = yield from _meet(here, present, state, joined)
    return (yield from show(row, joined, here.place, here.lattice)), conflict


def _meet(here: OwnWrite, present: RowState, state: RowState, joined: RowState) -> Decision[bool]:
    if not unaware(state.version, state.context, present.context):
        return False
    visible = here.lattice.visible
    names = here.lattice.overwritten(state, present)
    arriving, there = (
        Side(each.version, each.context, visible(each), lost)
        for each, lost in zip((state, present), names, strict=True)
    )
    policy = here.lattice.policies.base.value
    yield Record(conflict_between(arriving, there, visible(joined), here.record.key, here.place, policy))
    return True


def _settle_deletion(here: OwnWrite, ledger: Ledger) -> Decision[Settled]:
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
    return Settled(here.origin, deletion_of(here, ledger))


def _put(here: OwnWrite, ledger: Ledger, state: RowState) -> Change:
    image = here.lattice.visible(state)
    return replace(change_of(here, ledger, image), context=state.context, state=document_of(state))


def _deletion_again(here: OwnWrite, tombstone: Tombstone) -> Change:
    """A deletion that later records of the row have overtaken in the ledger."""
    assert tombstone.deletion is not None  # noqa: S101 - it was found to be this record's
    context = tombstone.context.including(tombstone.deletion)
    ledger = Ledger(here.record.sequence, tombstone.deletion, None, context)
    return deletion_of(here, ledger)
