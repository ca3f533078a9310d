"""Merges a change into a replica whose database stamps every write itself, by a trigger in the writer's transaction.

There every state of a row carries its own stamp, and every write changes it. So a condition on the stamp alone sees all
that others have written since, and `merge`'s marks, links and settling have nothing to do here. What is left is the
order of two steps, which makes the two functions of a race see each other: a deletion is noted in the tombstone before
the row is looked at, and a row is inserted before the tombstone is looked back at.
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
from distributary.domain.row import State, Tombstone
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.steps import Decision, Look, LookBack, Remember, Write
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


def bury_inserted(version: Version, place: Place) -> Decision[bool]:
    """After a row of that version was inserted: remove it if a newer tombstone is there. True: it was removed.

    Apply does so for what it inserts, and capture for what applications insert: the trigger of an insert cannot see a
    tombstone that is not committed yet, and who wrote that tombstone could not see the row.
    """
    for _ in range(ATTEMPTS):
        stored: Tombstone | None = yield LookBack()
        tombstone = stored.trusting(place.latest) if stored else None
        if tombstone is None or not tombstone.covers(version):
            return False
        state: State = (yield Look()).trusting(place.latest)
        row = state.row
        if row is None or row.version is None or not tombstone.covers(row.version):
            return False
        if (yield Write(row, None)):
            return True
    raise NotSettled("the row was written again and again while it was to be removed")


def _put(change: Change, image: Image, place: Place) -> Decision[Merged]:
    for _ in range(ATTEMPTS):
        state: State = (yield Look()).trusting(place.latest)
        row, tombstone = state.row, state.tombstone
        if tombstone is not None and tombstone.covers(change.version):
            if row is not None and row.version == change.version:  # inserted by a delivery that ended too early
                yield from bury_inserted(change.version, place)
            judgement = judge(change.version, change.context, tombstone.deletion, tombstone.context)
            return Merged(Effect.KEPT, judgement.conflict)
        if row is None:
            if (yield Write(None, _taken(change, image, tombstone.context if tombstone else NOTHING_SEEN))):
                yield from bury_inserted(change.version, place)
                return Merged(Effect.INSERTED)
            continue
        judgement = judge(change.version, change.context, row.version, row.context)
        if judgement.verdict is not Verdict.NEWER:
            return _not_newer(judgement)
        if (yield Write(row, _taken(change, image, row.context))):
            return Merged(Effect.REPLACED, judgement.conflict)
    raise NotSettled("the row was written again and again while a change was to be merged")


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
        if judgement.verdict is Verdict.OLDER:
            return _not_newer(judgement)
        if (yield Write(row, None)):
            return Merged(Effect.DELETED, judgement.conflict)
    raise NotSettled("the row was written again and again while it was to be deleted")


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
