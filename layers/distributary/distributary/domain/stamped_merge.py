"""Merges a change into a replica whose database stamps every write itself, by a trigger in the writer's transaction.

There every state of a row carries its own stamp, and every write changes it. So a condition on the stamp alone sees all
that others have written since, and `merge`'s marks, links and settling have nothing to do here. What is left is the
order of two steps, which makes the two functions of a race see each other: a deletion is noted in the tombstone before
the row is looked at, and a row is inserted before the tombstone is looked back at.

Whoever meets a row that a tombstone covers removes it, whatever brought him there: it was left by a function that ended
before it looked back, and an application may have written the row since.

A row is looked at by its stamp alone, which most decisions need. Only where a conflict is found is it looked at whole,
since both states go on record.
"""

from __future__ import annotations

from dataclasses import replace

from distributary.domain.change import Change
from distributary.domain.conflict import Judgement, Side, Verdict, conflict_by_version, judge
from distributary.domain.errors import NotSettled
from distributary.domain.image import Image
from distributary.domain.merge import Effect, Merged
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from distributary.domain.version import NOTHING_SEEN, Context, Version


def merge_stamped(change: Change, place: Place, *, take_unsettled: bool = False) -> Decision[Merged]:
    """Bring a replica's row to the newer of its state and the change.

    take_unsettled: means nothing here, every row is settled; it is there for `merge`'s sake. Raises NotSettled when the
    row would not hold still.
    """
    del take_unsettled
    if change.image is None:
        return (yield from _delete(change, place))
    return (yield from _put(change, change.image, place))


def settle_inserted(key: Image, place: Place) -> Decision[bool]:
    """After an application here has inserted a row: remove it if a newer deletion is noted. True: it was removed.

    The insert's trigger cannot see a tombstone that is not committed yet, and who wrote that tombstone could not see
    the row. So capture looks, once others can see the insert: who notes a deletion after that finds the row himself.
    """
    whole = False
    for _ in range(ATTEMPTS):
        state: State = (yield Look(whole)).trusting(place.latest)
        row = _outlived(state)
        if row is None or state.tombstone is None:
            return False
        if (yield from _remove(key, row, state.tombstone, place, whole=whole)):
            return True
        whole = True
    raise NotSettled("the row was written again and again while it was to be removed")


def unseen_at_home(deletion: Version, row: Row, place: Place) -> bool:
    """Whether an application here has written the row without sight of a deletion that was made here, and unseen by it.

    A context has one entry for each region, so none tells this of two writes of one region. But where an application
    deletes a row it is gone: what is there beneath the deletion was committed after it, and could not see it.
    """
    written = row.stamp is not None and row.stamp.writer is Writer.APPLICATION and row.stamp.version.region
    return written == deletion.region == place.region


def _put(change: Change, image: Image, place: Place) -> Decision[Merged]:
    whole = False
    for _ in range(ATTEMPTS):
        state: State = (yield Look(whole)).trusting(place.latest)
        row, tombstone = state.row, state.tombstone
        outlived = _outlived(state)
        if outlived is not None and tombstone is not None:
            whole = not (yield from _remove(change.key, outlived, tombstone, place, whole=whole))
        elif tombstone is not None and tombstone.covers(change.version):
            return (yield from _stays_deleted(change, tombstone, place))
        elif row is None:
            merged = yield from _insert(change, image, tombstone, place)
            if merged is not None:
                return merged
        elif row.version == change.version:
            return Merged(Effect.DUPLICATE, (yield from _beside(change, tombstone, row.context, place)))
        else:
            merged = yield from _replace(change, image, row, place, whole=whole)
            if merged is not None:
                return merged
            whole = True
    raise NotSettled("the row was written again and again while a change was to be merged")


def _replace(change: Change, image: Image, row: Row, place: Place, *, whole: bool) -> Decision[Merged | None]:
    """Replace a row that is older. None: look again, whole, since it was written meanwhile or has to go on record."""
    judgement = judge(change.version, change.context, row.version, row.context)
    if judgement.conflict and not whole:
        return None
    yield from _on_record(judgement, _side(change), row, change.key, place)
    if judgement.verdict is not Verdict.NEWER:
        return Merged(Effect.KEPT, judgement.conflict)
    if not (yield Write(row, _taken(change, image, row.context))):
        return None
    return Merged(Effect.REPLACED, judgement.conflict)


def _stays_deleted(change: Change, tombstone: Tombstone, place: Place) -> Decision[Merged]:
    return Merged(Effect.KEPT, (yield from _meet_deletion(change, tombstone, place, late=True)))


def _insert(change: Change, image: Image, tombstone: Tombstone | None, place: Place) -> Decision[Merged | None]:
    """Insert and look back. None: look again, the row is there already, or a newer deletion was noted meanwhile."""
    conflict = yield from _over_the_deletion(change, tombstone, place)
    taken = _taken(change, image, tombstone.context if tombstone is not None else NOTHING_SEEN)
    if not (yield Write(None, taken)):
        return None
    stored: Tombstone | None = yield LookBack()
    noted = stored.trusting(place.latest) if stored is not None else None
    if noted is not None and noted.covers(change.version):
        return None
    conflict |= yield from _beside(change, noted, Row(taken).context, place)
    return Merged(Effect.INSERTED, conflict)


def _over_the_deletion(change: Change, tombstone: Tombstone | None, place: Place) -> Decision[bool]:
    """Whether an insert and the older deletion that was here know nothing of each other; that is on record then."""
    return tombstone is not None and (yield from _meet_deletion(change, tombstone, place, late=False))


def _meet_deletion(change: Change, tombstone: Tombstone, place: Place, *, late: bool) -> Decision[bool]:
    """Put on record that a put and the deletion that is noted know nothing of each other, if so."""
    if tombstone.deletion is None:
        return False
    judgement = judge(change.version, change.context, tombstone.deletion, tombstone.context)
    if judgement.conflict:
        present = Side(tombstone.deletion, tombstone.context, None)
        yield Record(conflict_by_version(_side(change), present, change.key, place, late=late))
    return judgement.conflict


def _beside(change: Change, tombstone: Tombstone | None, seen: Context, place: Place) -> Decision[bool]:
    """Whether an older deletion came while the change was inserted, and neither knows of the other.

    Who has noted it found no row. It is on record as if it came now, which it may yet do again. seen: by the row.
    """
    if tombstone is None or tombstone.deletion is None:
        return False
    judgement = judge(tombstone.deletion, tombstone.context, change.version, seen)
    if judgement.conflict:
        deletion = Side(tombstone.deletion, tombstone.context, None)
        yield Record(conflict_by_version(deletion, _side(change), change.key, place))
    return judgement.conflict


def _delete(change: Change, place: Place) -> Decision[Merged]:
    whole = False
    for _ in range(ATTEMPTS):
        state: State = (yield Look(whole)).trusting(place.latest)
        noted = _buried(state.tombstone, change)
        if noted != state.tombstone:
            if not (yield Remember(state.stored, noted)):
                continue
            state = (yield Look(whole)).trusting(place.latest)
        row = state.row
        if row is None:
            return Merged(Effect.DELETED if noted.deletion == change.version else Effect.KEPT)
        judgement = judge(change.version, change.context, row.version, row.context)
        if judgement.conflict and not whole:
            whole = True
        elif row.version is not None and not noted.covers(row.version):
            yield from _on_record(judgement, _side(change), row, change.key, place)
            return Merged(Effect.KEPT, judgement.conflict)
        elif (yield from _remove(change.key, row, noted, place, whole=whole)):
            return Merged(Effect.DELETED, _taken_unseen(noted, row, place) is not None)
        else:
            whole = True
    raise NotSettled("the row was written again and again while it was to be deleted")


def _remove(key: Image, row: Row, deletion: Tombstone, place: Place, *, whole: bool) -> Decision[bool]:
    """Remove a row that a deletion covers. False: look again, whole where it has to go on record."""
    unseen = _taken_unseen(deletion, row, place)
    if unseen is not None:
        if not whole:
            return False
        yield Record(conflict_by_version(*unseen, key, place, late=True))
    removed: bool = yield Write(row, None)
    return removed


def _taken_unseen(deletion: Tombstone, row: Row, place: Place) -> tuple[Side, Side] | None:
    """A deletion and the row that it takes; none where it has seen what the row shows, or is not told."""
    if deletion.deletion is None or row.version is None:
        return None
    judgement = judge(deletion.deletion, deletion.context, row.version, row.context)
    if not (judgement.conflict or unseen_at_home(deletion.deletion, row, place)):
        return None
    return Side(deletion.deletion, deletion.context, None), Side(row.version, row.context, row.content)


def _on_record(judgement: Judgement, arriving: Side, row: Row, key: Image, place: Place) -> Decision[None]:
    """Where neither writer had seen the other: the conflict goes into the journal before the row shows its outcome."""
    if judgement.conflict and row.version is not None:
        present = Side(row.version, row.context, row.content)
        yield Record(conflict_by_version(arriving, present, key, place))


def _side(change: Change) -> Side:
    return Side(change.version, change.context, change.image)


def _outlived(state: State) -> Row | None:
    """The row, where the tombstone says that it is to be no more."""
    row, tombstone = state.row, state.tombstone
    if row is None or row.version is None or tombstone is None or not tombstone.covers(row.version):
        return None
    return row


def _buried(tombstone: Tombstone | None, change: Change) -> Tombstone:
    """The newer of both deletions, with all that either of them had seen."""
    known = tombstone or Tombstone()
    deletion = known.deletion if known.covers(change.version) else change.version
    return replace(known, deletion=deletion, context=known.context.merge(change.context))


def _taken(change: Change, image: Image, seen: Context) -> Image:
    context = seen.merge(change.context).including(change.version)
    return stamped(image, Stamp(change.version, context, Writer.REPLICATION))
