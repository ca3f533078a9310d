"""Merges a change of another region into a replica under policies with memory: two states become one.

Like `merge`, but what arrives is joined with what is there instead of compared, and a deletion removes what was not
made on top of it, whatever the versions say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from distributary.domain.change import Change
from distributary.domain.conflict import Side, lost, unaware
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
    joined_over,
    look_again,
    show,
    state_in,
    state_of,
    take_away,
    take_away_on_record,
)
from distributary.domain.steps import Decision, Look, Record, Remember
from distributary.domain.version import Context, Version


def merge_states(
    change: Change, place: Place, lattice: StateLattice, *, since: int = 0, take_unsettled: bool
) -> Decision[Merged]:
    """Join a change into a replica's row; raises NotSettled while a local write of it has not been captured.

    since: when the table has got these policies, microseconds; 0 if it never had others. take_unsettled: a row that
    nobody has given a version, and of which no local write is known, is taken as it is.
    """
    here = _Here(change, place, lattice, since, take_unsettled)
    if change.image is None:
        return (yield from _delete(here))
    return (yield from _put(here, state_in(change, lattice)))


@dataclass(frozen=True)
class _Here:
    """The circumstances of merging one change; see `merge_states`."""

    change: Change
    place: Place
    lattice: StateLattice
    since: int
    take_unsettled: bool


def _put(here: _Here, arriving: RowState) -> Decision[Merged]:
    change, place, lattice = here.change, here.place, here.lattice
    for _ in range(ATTEMPTS):
        state: State = (yield Look()).trusting(place.latest)
        row, tombstone = state.row, state.tombstone
        present = _present(here, row, tombstone)
        deletion = tombstone.deletion if tombstone else None
        if row is not None and tombstone and deletion and (present is None or present.incarnation < deletion):
            yield from take_away_on_record(row, tombstone, change.key, place, lattice)
            continue
        if tombstone and deletion and arriving.incarnation < deletion:
            return (yield from _stays_deleted(change, deletion, tombstone.context, place, lattice))
        if arriving.incarnation > (deletion or ALWAYS) and not arriving.from_plain:
            # The deletion beneath it has not arrived yet. What was written on top of that deletion, whoever inserts a
            # row over the tombstone has not seen.
            seen = change.context.before(arriving.incarnation).including(arriving.incarnation)
            noted = buried(tombstone, replace(change, version=arriving.incarnation, context=seen), place)
            yield Remember(state.stored, noted)
            continue
        joined = joined_over(present, arriving, lattice) if present else arriving
        if row is not None and joined == present:
            return (yield from _already_there(change, present, lattice, place))
        merged = yield from _conclude(here, arriving, present if row is not None else None, joined)
        if (yield from show(row, joined, place, lattice)):
            yield from look_again(change.key, place, lattice)
            return merged
    raise NotSettled("the row was written again and again while a change was to be merged")


def _already_there(change: Change, present: RowState, lattice: StateLattice, place: Place) -> Decision[Merged]:
    """A change that gives the row nothing. If the row has not seen it, a deletion beneath the row came as we looked."""
    conflict = unaware(change.version, change.context, present.context)
    if conflict:
        arriving, image = Side(change.version, change.context, change.image), lattice.visible(present)
        policy = lattice.policies.base.value
        yield Record(conflict_between(arriving, _side(present, image), image, change.key, place, policy))
    return Merged(Effect.KEPT if conflict else Effect.DUPLICATE, conflict)


def _present(here: _Here, row: Row | None, tombstone: Tombstone | None) -> RowState | None:
    """The state that is there; that of a row which is gone but for its writes in the ledger; none if there is none."""
    lattice, take_unsettled = here.lattice, here.take_unsettled
    ledger = tombstone.ledger if tombstone else None
    if row is None:
        kept = state_of(Row(ledger.image), lattice) if ledger and ledger.image is not None else None
        deletion = tombstone.deletion if tombstone else None
        return kept if kept and not (deletion and kept.incarnation < deletion) else None
    if row.marked and row.as_stamped and tombstone and tombstone.deletion:
        return None  # somebody has announced to remove it
    state = state_of(row, lattice)
    if state is not None:
        return state
    if ledger is None and take_unsettled and _never_had_a_version(row):
        return None  # below whatever arrives; what was written here comes back with its own record
    early = row.version if ledger is None and (row.settled or take_unsettled) else None
    if early and early.timestamp < here.since and (take_unsettled or here.change.context.covers(early)):
        return lattice.began(row.content, early, row.context)  # a stamping writer's, captured before the policies began
    raise NotSettled("a local write of the row is still in the change stream")


def _never_had_a_version(row: Row) -> bool:
    """Whether nobody has given the row a version that is believed."""
    lowest = row.stamp is not None and row.version is None
    return STAMP_ATTRIBUTE not in row.image or lowest or row.from_the_future


def _conclude(here: _Here, arriving: RowState, present: RowState | None, joined: RowState) -> Decision[Merged]:
    """What becomes of the change if the row is written as planned; a conflict is on record before that."""
    if present is None:
        return Merged(Effect.INSERTED)
    change, place, lattice = here.change, here.place, here.lattice
    shown, before = lattice.visible(joined), lattice.visible(present)
    conflict = unaware(change.version, change.context, present.context)
    if conflict:
        lost_there, lost_arriving = lattice.overwritten(present, arriving)
        there = _side(present, before, lost_there)
        told = Side(change.version, change.context, change.image, lost_arriving)
        yield Record(conflict_between(told, there, shown, change.key, place, lattice.policies.base.value))
    return Merged(Effect.KEPT if shown == before else Effect.REPLACED, conflict)


def _stays_deleted(
    change: Change, deletion: Version, context: Context, place: Place, lattice: StateLattice
) -> Decision[Merged]:
    conflict = not context.covers(change.version)
    if conflict:
        arriving, there = Side(change.version, change.context, change.image), Side(deletion, context, None)
        yield Record(conflict_between(arriving, there, None, change.key, place, lattice.policies.base.value))
    yield from look_again(change.key, place, lattice)
    return Merged(Effect.KEPT, conflict)


def _delete(here: _Here) -> Decision[Merged]:
    change, place = here.change, here.place
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
        present = _present(here, row, state.tombstone)
        if present is not None and present.incarnation >= (noted.deletion or change.version):
            return Merged(Effect.KEPT)
        merged = yield from _take(here, row, present, noted)
        if merged is not None:
            return merged
    raise NotSettled("the row was written again and again while it was to be deleted")


def _take(here: _Here, row: Row, present: RowState | None, noted: Tombstone) -> Decision[Merged | None]:
    """Remove a row on record, be it that another, newer deletion takes it. None: it was written meanwhile."""
    if noted.deletion != here.change.version:
        taken, conflict = (yield from take_away_on_record(row, noted, here.change.key, here.place, here.lattice)), False
    else:
        conflict = yield from _deletion_on_record(here, present)
        taken = yield from take_away(row, noted, here.place)
    return Merged(Effect.DELETED, conflict) if taken else None


def _deletion_on_record(here: _Here, present: RowState | None) -> Decision[bool]:
    """Whether a deletion takes what it has not seen; that is on record then."""
    change, place, lattice = here.change, here.place, here.lattice
    if present is None or not lost(change.context, present.context):
        return False
    arriving, there = Side(change.version, change.context, None), _side(present, lattice.visible(present))
    yield Record(conflict_between(arriving, there, None, change.key, place, lattice.policies.base.value))
    return True


def _side(state: RowState, image: Image, lost: frozenset[str] = frozenset()) -> Side:
    return Side(state.version, state.context, image, lost)
