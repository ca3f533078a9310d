"""Rows under policies with memory: the state that a settled one shows, and the image that shows a state."""

from __future__ import annotations

from dataclasses import replace

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict, Resolution, Side, lost
from distributary.domain.errors import MalformedMessage, MalformedStamp
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE, Image, digest_of, same_content
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS, remove
from distributary.domain.row import Row, Tombstone
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.stamp import Stamp, Writer, link_of_insert, link_to, stamped, with_lowest_stamp
from distributary.domain.state_documents import as_attribute, document_of, from_attribute, state_from
from distributary.domain.steps import Decision, Look, LookBack, Record, Write


def state_of(row: Row | None, lattice: StateLattice) -> RowState | None:
    """The state that a row shows; none where a write of an application is on top of it, or its stamp is none of ours.

    A stamping application knows nothing of the state, so a row with its stamp is not settled either.
    """
    if row is None or row.stamp is None or not row.settled or row.stamp.writer is not Writer.REPLICATION:
        return None
    try:
        document = from_attribute(row.image.get(STATE_ATTRIBUTE))
        return state_from(document, row.content, row.stamp.version, row.stamp.context, lattice)
    except MalformedStamp:
        return None


def state_in(change: Change, lattice: StateLattice) -> RowState:
    """The state that a put tells of; raises MalformedMessage."""
    try:
        return state_from(change.state, change.image or {}, change.version, change.context, lattice)
    except MalformedStamp as error:
        raise MalformedMessage(f"a change with the state {error}") from error


def image_of(state: RowState, link: str, lattice: StateLattice) -> Image:
    """The whole row that shows a state."""
    content = lattice.visible(state)
    own = {} if state.plain_born else {STATE_ATTRIBUTE: as_attribute(document_of(state))}
    stamp = Stamp(state.version, state.context, Writer.REPLICATION, digest_of(content), link)
    return stamped({**content, **own}, stamp)


def joined_over(present: RowState, other: RowState, lattice: StateLattice) -> RowState:
    """Both as one, to be shown in place of the first; a write of ours is known by a version that never goes back."""
    joined = lattice.join(present, other)
    return replace(joined, version=present.version) if joined.version < present.version else joined


def show(
    row: Row | None, state: RowState, place: Place, lattice: StateLattice, *, in_ledger: bool = False
) -> Decision[bool]:
    """Make the row show a state; False: it was written meanwhile, or had to be given a stamp first, look again.

    The row is replaced whole, so that what it shows is exactly what its stamp says: an attribute that the condition
    could not see comes back with its own record. Content is replaced only over a stamp, so that nothing takes the
    replacement for an application's write. in_ledger: the ledger holds all of the state, so that its stamp alone may be
    written.
    """
    if row is None:
        inserted: bool = yield Write(None, image_of(state, link_of_insert(place.region, place.unique), lattice))
        return inserted
    image = image_of(state, link_to(row.image, place.region), lattice)
    changed = not same_content(Row(image).content, row.content)
    if changed and STAMP_ATTRIBUTE not in row.image:
        yield Write(row, with_lowest_stamp(row.content, place.region))
        return False
    written: bool = yield Write(row, image, whole=changed or not in_ledger)
    return written


def take_away_on_record(
    row: Row, deletion: Tombstone, key: Image, place: Place, lattice: StateLattice
) -> Decision[bool]:
    """Remove a row that a deletion met only after both were there: nobody else puts their conflict on record."""
    state = state_of(row, lattice)
    if state is not None:
        yield from on_record(state, deletion, key, place, lattice)
    return (yield from take_away(row, deletion, place))


def on_record(state: RowState, deletion: Tombstone, key: Image, place: Place, lattice: StateLattice) -> Decision[None]:
    """A deletion that takes what it has not seen is on record, named by both: each may have a conflict of its own."""
    if deletion.deletion is None or not lost(deletion.context, state.context):
        return
    taken = Side(state.version, state.context, lattice.visible(state))
    deleted = Side(deletion.deletion, deletion.context, None)
    policy = lattice.policies.base.value
    yield Record(replace(conflict_between(taken, deleted, None, key, place, policy), late=True))


def take_away(row: Row, deletion: Tombstone, place: Place) -> Decision[bool]:
    """Remove a row that was not made on top of a deletion. Its mark is above its stamp, so that it counts as ours."""
    assert deletion.deletion is not None  # noqa: S101 - nothing else is asked for
    version = max(deletion.deletion, row.version) if row.version else deletion.deletion
    return (yield from remove(row, version, deletion.context.including(deletion.deletion), place))


def look_again(key: Image, place: Place, lattice: StateLattice) -> Decision[None]:
    """After a row was written: remove it if a deletion is there that it was not made on top of."""
    for _ in range(ATTEMPTS):
        stored: Tombstone | None = yield LookBack()
        tombstone = stored.trusting(place.latest) if stored else None
        if tombstone is None or tombstone.deletion is None:
            break
        row = (yield Look()).trusting(place.latest).row
        state = state_of(row, lattice)
        if row is None or not row.as_stamped or not (row.marked or (state and state.incarnation < tombstone.deletion)):
            break
        if (yield from take_away_on_record(row, tombstone, key, place, lattice)):
            break


def conflict_between(
    arriving: Side, present: Side, after: Image | None, key: Image, place: Place, policy: str
) -> Conflict:
    """The conflict of two states, with what the row shows afterwards."""
    if _alike(after, present.image):
        resolution = Resolution.KEPT
    elif _alike(after, arriving.image):
        resolution = Resolution.ARRIVED
    else:
        resolution = Resolution.PARTLY if arriving.lost or present.lost else Resolution.MERGED
    if resolution is not Resolution.PARTLY:
        arriving, present = (replace(side, lost=frozenset()) for side in (arriving, present))
    return Conflict(place.dataset, place.table, key, arriving, present, policy, resolution, place.region, place.now)


def _alike(one: Image | None, other: Image | None) -> bool:
    if one is None or other is None:
        return one is other
    return same_content(one, other)
