"""Merges a change of another region into a replica under policies with memory: two states become one.

Like `merge`, but what arrives is joined with what is there instead of compared, and a deletion removes what was not
made on top of it, whatever the versions say.
"""

from __future__ import annotations

from dataclasses import replace

from distributary.domain.change import Change
from distributary.domain.conflict import Side, unaware
from distributary.domain.crdt import ALWAYS
from distributary.domain.errors import NotSettled
from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.merge import Effect, Merged, buried
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.settled_rows import (
    conflict_between,
    look_again,
    show,
    state_in,
    state_of,
    take_away,
    take_away_on_record,
)
from distributary.domain.steps import Decision, Look, Record, Remember
from distributary.domain.version import Context, Version


def merge_states(change: Change, place: Place, lattice: StateLattice, *, take_unsettled: bool) -> Decision[Merged]:
    """Join a change into a replica's row; raises NotSettled while a local write of it has not been captured.

    take_unsettled: a row that nobody has given a version, and of which no local write is known, is taken as it is.
    """
    if change.image is None:
        return (yield from _delete(change, place, lattice, take_unsettled))
    return (yield from _put(change, state_in(change, lattice), place, lattice, take_unsettled))


def _put(
    change: Change, arriving: RowState, place: Place, lattice: StateLattice, take_unsettled: bool
) -> Decision[Merged]:
    for _ in range(ATTEMPTS):
        state: State = (yield Look()).trusting(place.latest)
        row, tombstone = state.row, state.tombstone
        present = _present(row, tombstone, lattice, take_unsettled)
        deletion = tombstone.deletion if tombstone else None
        if row is not None and tombstone and deletion and (present is None or present.incarnation < deletion):
            yield from take_away_on_record(row, tombstone, change.key, place, lattice)
            continue
        if tombstone and deletion and arriving.incarnation < deletion:
            return (yield from _stays_deleted(change, deletion, tombstone.context, place, lattice))
        if arriving.incarnation > (deletion or ALWAYS):  # the deletion beneath it, which has not arrived yet
            noted = buried(tombstone, replace(change, version=arriving.incarnation), place)
            yield Remember(state.stored, noted)
            continue
        joined = lattice.join(present, arriving) if present else arriving
        if row is not None and joined == present:
            return Merged(Effect.DUPLICATE)
        merged = yield from _conclude(change, present, joined, row, place, lattice)
        if (yield from show(row, joined, place, lattice)):
            yield from look_again(change.key, place, lattice)
            return merged
    raise NotSettled("the row was written again and again while a change was to be merged")


def _present(
    row: Row | None, tombstone: Tombstone | None, lattice: StateLattice, take_unsettled: bool
) -> RowState | None:
    """The state that is there; that of a row which is gone but for its writes in the ledger; none if there is none."""
    ledger = tombstone.ledger if tombstone else None
    if row is None:
        kept = state_of(Row(ledger.image), lattice) if ledger and ledger.image is not None else None
        deletion = tombstone.deletion if tombstone else None
        return kept if kept and not (deletion and kept.incarnation < deletion) else None
    if row.marked and row.as_stamped and tombstone and tombstone.deletion:
        return None  # somebody has announced to remove it
    state = state_of(row, lattice)
    without_version = STAMP_ATTRIBUTE not in row.image or (row.stamp is not None and row.version is None)
    if state is None and take_unsettled and ledger is None and without_version:
        return None  # below whatever arrives; what was written here comes back with its own record
    if state is None:
        raise NotSettled("a local write of the row is still in the change stream")
    return state


def _conclude(
    change: Change, present: RowState | None, joined: RowState, row: Row | None, place: Place, lattice: StateLattice
) -> Decision[Merged]:
    """What becomes of the change if the row is written as planned; a conflict is on record before that."""
    if row is None or present is None:
        return Merged(Effect.INSERTED)
    shown, before = lattice.visible(joined), lattice.visible(present)
    conflict = unaware(change.version, change.context, present.context)
    if conflict:
        arriving, there = Side(change.version, change.context, change.image), _side(present, before)
        yield Record(conflict_between(arriving, there, shown, change.key, place, lattice.policies.base.value))
    return Merged(Effect.KEPT if shown == before else Effect.REPLACED, conflict)


def _stays_deleted(
    change: Change, deletion: Version, context: Context, place: Place, lattice: StateLattice
) -> Decision[Merged]:
    yield from look_again(change.key, place, lattice)
    conflict = unaware(change.version, change.context, context)
    if conflict:
        arriving, there = Side(change.version, change.context, change.image), Side(deletion, context, None)
        yield Record(conflict_between(arriving, there, None, change.key, place, lattice.policies.base.value))
    return Merged(Effect.KEPT, conflict)


def _delete(change: Change, place: Place, lattice: StateLattice, take_unsettled: bool) -> Decision[Merged]:
    for _ in range(ATTEMPTS):
        state: State = (yield Look()).trusting(place.latest)
        noted = buried(state.tombstone, change, place)
        if noted != state.tombstone:
            if not (yield Remember(state.stored, noted)):
                continue
            state = (yield Look()).trusting(place.latest)
        row = state.row
        if row is None:
            return Merged(Effect.DELETED if noted.deletion == change.version else Effect.KEPT)
        present = _present(row, state.tombstone, lattice, take_unsettled)
        if present is not None and present.incarnation >= (noted.deletion or change.version):
            return Merged(Effect.KEPT)
        conflict = present is not None and unaware(change.version, change.context, present.context)
        if present is not None and conflict:
            image: Image = lattice.visible(present)
            arriving = Side(change.version, change.context, None)
            policy = lattice.policies.base.value
            yield Record(conflict_between(arriving, _side(present, image), None, change.key, place, policy))
        if (yield from take_away(row, noted, place)):
            return Merged(Effect.DELETED, conflict)
    raise NotSettled("the row was written again and again while it was to be deleted")


def _side(state: RowState, image: Image) -> Side:
    return Side(state.version, state.context, image)
