"""Merges a change into a replica whose database stamps every write itself, by a trigger in the writer's transaction.

There every state of a row carries its own stamp, and every write changes it. So a condition on the stamp alone sees all
that others have written since, and `merge`'s marks, links and settling have nothing to do here. What is left is the
order of two steps, which makes the two functions of a race see each other: a deletion is noted in the tombstone before
the row is looked at, and a row is inserted before the tombstone is looked back at.

Whoever meets a row that a tombstone covers removes it, whatever brought him there: it was left by a function that ended
before it looked back, and an application may have written the row since.
"""

from __future__ import annotations

from dataclasses import replace

from distributary.domain.change import Change
from distributary.domain.conflict import Judgement, Verdict, judge
from distributary.domain.errors import NotSettled
from distributary.domain.image import Image
from distributary.domain.merge import Effect, Merged
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.steps import Decision, Look, LookBack, Remember, Write
from distributary.domain.version import NOTHING_SEEN, Context


def merge_stamped(change: Change, place: Place, *, take_unsettled: bool = False) -> Decision[Merged]:
    """Bring a replica's row to the newer of its state and the change.

    take_unsettled: means nothing here, every row is settled; it is there for `merge`'s sake. Raises NotSettled when the
    row would not hold still.
    """
    del take_unsettled
    if change.image is None:
        return (yield from _delete(change, place))
    return (yield from _put(change, change.image, place))


def settle_inserted(place: Place) -> Decision[bool]:
    """After an application here has inserted a row: remove it if a newer deletion is noted. True: it was removed.

    The insert's trigger cannot see a tombstone that is not committed yet, and who wrote that tombstone could not see
    the row. So capture looks, once others can see the insert: who notes a deletion after that finds the row himself.
    """
    for _ in range(ATTEMPTS):
        row = _outlived((yield Look()).trusting(place.latest))
        if row is None:
            return False
        if (yield Write(row, None)):
            return True
    raise NotSettled("the row was written again and again while it was to be removed")


def _put(change: Change, image: Image, place: Place) -> Decision[Merged]:
    for _ in range(ATTEMPTS):
        state: State = (yield Look()).trusting(place.latest)
        row, tombstone = state.row, state.tombstone
        outlived = _outlived(state)
        if outlived is not None:
            yield Write(outlived, None)
        elif tombstone is not None and tombstone.covers(change.version):
            judgement = judge(change.version, change.context, tombstone.deletion, tombstone.context)
            return Merged(Effect.KEPT, judgement.conflict)
        elif row is None:
            if (yield from _insert(change, image, tombstone.context if tombstone else NOTHING_SEEN, place)):
                return Merged(Effect.INSERTED)
        else:
            judgement = judge(change.version, change.context, row.version, row.context)
            if judgement.verdict is not Verdict.NEWER:
                return _not_newer(judgement)
            if (yield Write(row, _taken(change, image, row.context))):
                return Merged(Effect.REPLACED, judgement.conflict)
    raise NotSettled("the row was written again and again while a change was to be merged")


def _insert(change: Change, image: Image, seen: Context, place: Place) -> Decision[bool]:
    """Insert and look back. False: look again, the row is there already, or a newer deletion was noted meanwhile."""
    if not (yield Write(None, _taken(change, image, seen))):
        return False
    noted: Tombstone | None = yield LookBack()
    return noted is None or not noted.trusting(place.latest).covers(change.version)


def _delete(change: Change, place: Place) -> Decision[Merged]:
    for _ in range(ATTEMPTS):
        state: State = (yield Look()).trusting(place.latest)
        noted = _buried(state.tombstone, change)
        if noted != state.tombstone:
            if not (yield Remember(state.stored, noted)):
                continue
            state = (yield Look()).trusting(place.latest)
        row = state.row
        if row is None:
            return Merged(Effect.DELETED if noted.deletion == change.version else Effect.KEPT)
        judgement = judge(change.version, change.context, row.version, row.context)
        if row.version is not None and not noted.covers(row.version):
            return _not_newer(judgement)
        if (yield Write(row, None)):
            return Merged(Effect.DELETED, judgement.conflict)
    raise NotSettled("the row was written again and again while it was to be deleted")


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


def _not_newer(judgement: Judgement) -> Merged:
    return Merged(Effect.DUPLICATE if judgement.verdict is Verdict.SAME else Effect.KEPT, judgement.conflict)
