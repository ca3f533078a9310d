"""Merges a change into a replica whose database stamps every write itself, under policies with memory.

As in `stamped_merge` a condition on the stamp alone sees everything, a deletion is noted before the row is looked at,
and a row is inserted before the tombstone is looked back at. But two states are joined instead of compared, and a
deletion removes what was not made on top of it, whatever the versions say.

Stamps and documents tell whether one of two states has all of the other in it. Only where neither has, so that there is
a conflict, is the row read whole. What is decided there of a state from earlier policies is written as a write of this
region, which capture hands over like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from distributary.domain.change import Change
from distributary.domain.conflict import Side, concurrent, lost
from distributary.domain.crdt import ALWAYS
from distributary.domain.errors import NotSettled
from distributary.domain.image import Image
from distributary.domain.incarnations import buried, deletion_in, incarnation_of, known_deletion
from distributary.domain.merge import Effect, Merged
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.settled_rows import conflict_between, state_in
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.stamped_merge import unseen_at_home
from distributary.domain.state_documents import Document, document_of, state_from
from distributary.domain.state_texts import as_column, document_of_row
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from distributary.domain.version import Context, Version, mint


@dataclass(frozen=True)
class _Here:
    """The row of which something is decided, and where."""

    key: Image
    place: Place
    lattice: StateLattice


@dataclass(frozen=True)
class _Put(_Here):
    """A put that arrives. state: what it tells of."""

    change: Change
    content: Image
    state: RowState

    @property
    def image(self) -> Image:
        """The row, where nothing is there that the put had not seen."""
        return _image(self.content, self.change.state, self.state.version, self.state.context)

    @property
    def side(self) -> Side:
        return Side(self.change.version, self.change.context, self.content)

    def beneath(self, tombstone: Tombstone | None) -> Tombstone:
        """The tombstone with the deletion that the put was made on top of, which has not arrived yet.

        Of what the put had seen only what is older than that deletion may be claimed for it: the rest was written on
        top of it, and whoever inserts a row over this tombstone has not seen that.
        """
        deletion = self.state.incarnation
        return buried(tombstone, deletion, self.state.context.before(deletion).including(deletion))

    def removal(self, tombstone: Tombstone | None) -> Side:
        """The deletion that takes a row away; what the put had seen of the row, the deletion beneath it had, too."""
        deletion, seen = deletion_in(tombstone), tombstone.context if tombstone is not None else Context()
        return Side(deletion, seen.merge(self.state.context) if self.state.incarnation >= deletion else seen, None)


def merge_stamped_states(
    change: Change, place: Place, lattice: StateLattice, *, take_unsettled: bool = False
) -> Decision[Merged]:
    """Join a change into a replica's row.

    take_unsettled: means nothing here, as in `merge_stamped`. Raises NotSettled when the row would not hold still,
    MalformedMessage for a state that cannot be.
    """
    del take_unsettled
    if change.image is None:
        return (yield from _delete(change, place, lattice))
    arriving = state_in(change, lattice)
    arriving = replace(arriving, context=arriving.context.including(arriving.version))
    return (yield from _put(_Put(change.key, place, lattice, change, change.image, arriving)))


def settle_inserted_states(key: Image, place: Place, lattice: StateLattice) -> Decision[bool]:
    """As `stamped_merge.settle_inserted`: remove a row that was not made on top of the deletion that is noted."""
    whole = False
    for _ in range(ATTEMPTS):
        state: State = (yield Look(whole)).trusting(place.latest)
        row, tombstone = state.row, state.tombstone
        if row is None or tombstone is None or not _outlived(row, tombstone):
            return False
        deletion = Side(deletion_in(tombstone), tombstone.context, None)
        if (yield from _remove(_Here(key, place, lattice), row, deletion, whole=whole)):
            return True
        whole = True
    raise NotSettled("the row was written again and again while it was to be removed")


def _put(here: _Put) -> Decision[Merged]:
    whole = False
    for _ in range(ATTEMPTS):
        state: State = (yield Look(whole)).trusting(here.place.latest)
        row, tombstone = state.row, state.tombstone
        known = known_deletion(row, tombstone)
        if row is not None and _outlived(row, tombstone):
            whole = not (yield from _remove(here, row, here.removal(tombstone), whole=whole))
        elif here.state.incarnation < known:
            return (yield from _stays_deleted(here, known, tombstone, row))
        elif here.state.incarnation > max(known, incarnation_of(row)) and not here.state.from_plain:
            yield Remember(state.stored, here.beneath(tombstone))
        elif row is None:
            if (yield from _insert(here)):
                return Merged(Effect.INSERTED)
        else:
            merged = yield from _meet(here, row, whole=whole)
            if merged is not None:
                return merged
            whole = True
    raise NotSettled("the row was written again and again while a change was to be merged")


def _insert(here: _Put) -> Decision[bool]:
    """Insert and look back. False: look again, the row is there already, or a newer deletion was noted meanwhile."""
    if not (yield Write(None, here.image)):
        return False
    noted: Tombstone | None = yield LookBack()
    return noted is None or deletion_in(noted.trusting(here.place.latest)) <= here.state.incarnation


def _meet(here: _Put, row: Row, *, whole: bool) -> Decision[Merged | None]:
    """Join with the row. None: look again, whole."""
    arriving, incarnation = here.state, incarnation_of(row)
    no_older, no_newer = incarnation >= arriving.incarnation, incarnation <= arriving.incarnation
    if row.version is not None and no_older and _within(arriving.version, arriving.context, row.context):
        return Merged(Effect.DUPLICATE if arriving.version == row.version else Effect.KEPT)
    if row.version is None or (no_newer and _within(row.version, row.context, arriving.context)):
        return Merged(Effect.REPLACED) if (yield Write(row, here.image)) else None
    return (yield from _join(here, row)) if whole else None


def _join(here: _Put, row: Row) -> Decision[Merged | None]:
    """Make a row that was read whole show both states. None: look again, it was written meanwhile."""
    present = _state_of(row, here.lattice)
    joined = here.lattice.join(present, here.state)
    if joined == present:
        return Merged(Effect.KEPT)
    writer = Writer.REPLICATION
    if joined.disputes > present.disputes:  # decided of earlier policies' states, so that others may decide otherwise
        version = mint(here.place.now, 0, here.place.region, above=[joined.version])
        joined, writer = here.lattice.rewritten(joined, version), Writer.APPLICATION
    shown = here.lattice.visible(joined)
    conflict = concurrent(here.state.context, present.context)
    if conflict:
        lost_there, lost_arriving = here.lattice.overwritten(present, here.state)
        arriving, there = replace(here.side, lost=lost_arriving), replace(_side(row), lost=lost_there)
        yield from _on_record(here, arriving, there, shown)
    if not (yield Write(row, _image(shown, document_of(joined), joined.version, joined.context, writer))):
        return None
    return Merged(Effect.KEPT if shown == row.content else Effect.REPLACED, conflict)


def _stays_deleted(here: _Put, deletion: Version, tombstone: Tombstone | None, row: Row | None) -> Decision[Merged]:
    """The put was not made on top of a deletion that is known; row: one that was.

    Where the tombstone is of that deletion it alone tells what that had seen: the row has seen more since.
    """
    context = tombstone.context if tombstone is not None else Context()
    if row is not None and deletion != deletion_in(tombstone):
        context = context.merge(row.context)
    conflict = lost(context, here.state.context)
    if conflict:
        yield from _on_record(here, here.side, Side(deletion, context, None), None, late=True)
    return Merged(Effect.KEPT, conflict)


def _delete(change: Change, place: Place, lattice: StateLattice) -> Decision[Merged]:
    here = _Here(change.key, place, lattice)
    whole = False
    for _ in range(ATTEMPTS):
        state: State = (yield Look(whole)).trusting(place.latest)
        noted = buried(state.tombstone, change.version, change.context)
        if noted != state.tombstone:
            if not (yield Remember(state.stored, noted)):
                continue
            state = (yield Look(whole)).trusting(place.latest)
        row = state.row
        if row is None:
            return Merged(Effect.DELETED if noted.deletion == change.version else Effect.KEPT)
        if row.version is not None and not _outlived(row, noted):
            return Merged(Effect.KEPT)
        side = Side(deletion_in(noted), noted.context, None)
        conflict = _takes_unseen(side, row, place)
        if (yield from _remove(here, row, side, whole=whole)):
            return Merged(Effect.DELETED, conflict)
        whole = True
    raise NotSettled("the row was written again and again while it was to be deleted")


def _remove(here: _Here, row: Row, deletion: Side, *, whole: bool) -> Decision[bool]:
    """Remove a row that was not made on top of a deletion. False: look again, whole where it goes on record."""
    if _takes_unseen(deletion, row, here.place):
        if not whole:
            return False
        yield from _on_record(here, deletion, _side(row), None, late=True)
    removed: bool = yield Write(row, None)
    return removed


def _takes_unseen(deletion: Side, row: Row, place: Place) -> bool:
    """Whether a deletion takes with the row what it has not seen."""
    return row.version is not None and (
        lost(deletion.context, row.context) or unseen_at_home(deletion.version, row, place)
    )


def _on_record(
    here: _Here, arriving: Side, present: Side, after: Image | None, *, late: bool = False
) -> Decision[None]:
    policy = here.lattice.policies.base.value
    conflict = conflict_between(arriving, present, after, here.key, here.place, policy)
    row = arriving if arriving.image is not None else present
    yield Record(replace(conflict, late=late, state=row.context))


def _side(row: Row) -> Side:
    assert row.version is not None  # noqa: S101 - nothing is in conflict with what has no version
    return Side(row.version, row.context, row.content)


def _within(version: Version, context: Context, seen: Context) -> bool:
    """Whether who has seen that much has all of a state in his own."""
    return seen.covers(version) and seen.merge(context) == seen


def _outlived(row: Row, tombstone: Tombstone | None) -> bool:
    """Whether the row was not made on top of the deletion. One without a version gives way to whatever comes."""
    return row.version is not None and incarnation_of(row) < deletion_in(tombstone)


def _state_of(row: Row, lattice: StateLattice) -> RowState:
    """The state of a row that was read whole; raises MalformedStamp."""
    return state_from(document_of_row(row.image), row.content, row.version or ALWAYS, row.context, lattice)


def _image(
    content: Image, document: Document | None, version: Version, context: Context, writer: Writer = Writer.REPLICATION
) -> Image:
    return stamped({**content, **as_column(document)}, Stamp(version, context, writer))
