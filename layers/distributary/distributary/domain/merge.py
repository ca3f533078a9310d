"""Merges a change of another region into this replica: the decision behind the apply service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from distributary.domain.change import Change
from distributary.domain.conflict import Judgement, Side, Verdict, conflict_by_version, judge
from distributary.domain.errors import NotSettled
from distributary.domain.image import STAMP_ATTRIBUTE, Image, digest_of
from distributary.domain.place import Place
from distributary.domain.removal import ATTEMPTS, look_again, remove
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, link_of_insert, link_to, stamped, with_lowest_stamp
from distributary.domain.steps import Decision, Look, Record, Remember, Write
from distributary.domain.version import NOTHING_SEEN, Context


class Effect(Enum):
    """What a change did to the replica."""

    INSERTED = "inserted"
    REPLACED = "replaced"
    DELETED = "deleted"
    KEPT = "kept"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Merged:
    """The effect of one change, and whether it met a state that its writer had not seen, nor the other way round."""

    effect: Effect
    conflict: bool = False


def merge(change: Change, place: Place, *, take_unsettled: bool) -> Decision[Merged]:
    """Bring a replica's row to the newer of its state and the change; raises NotSettled while it cannot tell.

    take_unsettled: the row's stamp is taken as it is although its content is not what the stamp says, because the
    local write that changed it has not been captured for too long.
    """
    if change.image is None:
        return (yield from _delete(change, place, take_unsettled))
    return (yield from _put(change, change.image, place, take_unsettled))


def _put(change: Change, image: Image, place: Place, take_unsettled: bool) -> Decision[Merged]:
    for _ in range(ATTEMPTS):
        read: State = yield Look()
        state = read.trusting(place.latest)
        row, tombstone = state.row, state.tombstone
        if tombstone is not None and tombstone.covers(change.version):
            if row is not None and row.version is not None and row.marked and row.as_stamped:
                yield from remove(row, row.version, row.context, place)  # a delivery ended before it was done
                continue
            return (yield from _stay_deleted(change, state, tombstone, place))
        if row is None:
            seen = tombstone.context if tombstone else NOTHING_SEEN
            conflict = yield from _over_the_deletion(change, tombstone, place)
            taken = _taken(change, image, seen, link_of_insert(place.region, place.unique))
            if (yield Write(None, taken)):
                yield from look_again(_shown(taken), change.key, place)
                return Merged(Effect.INSERTED, conflict)
            continue
        if row.marked:
            yield from _finish(row, place, take_unsettled)
            continue
        merged = yield from _replace(row, change, image, place, take_unsettled)
        if merged is not None:
            return merged
    raise NotSettled("the row was written again and again while a change was to be merged")


def _replace(row: Row, change: Change, image: Image, place: Place, take_unsettled: bool) -> Decision[Merged | None]:
    """Replace a row that is older. None: look again, it was written meanwhile, or had to be given a stamp first."""
    _require_settled(row, take_unsettled)
    if STAMP_ATTRIBUTE not in row.image:
        # Without a stamp in it, nothing would tell our replacement of just this row from an application's write.
        yield Write(row, with_lowest_stamp(row.content, place.region))
        return None
    judgement = judge(change.version, change.context, row.version, row.context)
    yield from _on_record(judgement, change, _side(row), place)
    if judgement.verdict is not Verdict.NEWER:
        return _merged(judgement)
    taken = _taken(change, image, row.context, link_to(row.image, place.region))
    if not (yield Write(row, taken)):
        return None
    yield from look_again(_shown(taken), change.key, place)
    return Merged(Effect.REPLACED, judgement.conflict)


def _delete(change: Change, place: Place, take_unsettled: bool) -> Decision[Merged]:
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
        if row.marked:
            yield from _finish(row, place, take_unsettled)
            continue
        _require_settled(row, take_unsettled)
        judgement = judge(change.version, change.context, row.version, row.context)
        yield from _on_record(judgement, change, _side(row), place)
        if judgement.verdict is not Verdict.NEWER:
            return _merged(judgement)
        if (yield from remove(row, change.version, change.context, place)):
            return Merged(Effect.DELETED, judgement.conflict)
    raise NotSettled("the row was written again and again while it was to be deleted")


def buried(tombstone: Tombstone | None, change: Change, place: Place) -> Tombstone:
    """The tombstone after a deletion: the newer of both deletions, and all that either of them had seen."""
    known = tombstone or Tombstone()
    if known.covers(change.version):
        return replace(known, context=known.context.merge(change.context))
    return replace(known, deletion=change.version, context=known.context.merge(change.context), arrived_at=place.now)


def _finish(row: Row, place: Place, take_unsettled: bool) -> Decision[None]:
    """Whoever meets a mark finishes the deletion, unless an application has written the row since."""
    if not (row.as_stamped or take_unsettled):
        raise NotSettled("the row was written after its deletion had been announced")
    if row.version is not None:
        yield from remove(row, row.version, row.context, place)


def _require_settled(row: Row, take_unsettled: bool) -> None:
    if not (row.settled or take_unsettled):
        raise NotSettled("a local write of the row is still in the change stream")


def _taken(change: Change, image: Image, seen: Context, link: str) -> Image:
    context = seen.merge(change.context).including(change.version)
    return stamped(image, Stamp(change.version, context, Writer.REPLICATION, digest_of(image), link))


def _stay_deleted(change: Change, state: State, tombstone: Tombstone, place: Place) -> Decision[Merged]:
    if state.row is not None and state.row.version == change.version:  # inserted by a delivery that ended too early
        # An application may have written on top of it since: what it shows is not what met the deletion.
        inserted = Side(change.version, state.row.context, change.image)
        yield from look_again(inserted, change.key, place)
    judgement = judge(change.version, change.context, tombstone.deletion, tombstone.context)
    if tombstone.deletion is not None:
        yield from _on_record(judgement, change, Side(tombstone.deletion, tombstone.context, None), place)
    return Merged(Effect.KEPT, judgement.conflict)


def _over_the_deletion(change: Change, tombstone: Tombstone | None, place: Place) -> Decision[bool]:
    """Whether an insert and the older deletion that was here know nothing of each other; that is on record then."""
    if tombstone is None or tombstone.deletion is None:
        return False
    judgement = judge(change.version, change.context, tombstone.deletion, tombstone.context)
    yield from _on_record(judgement, change, Side(tombstone.deletion, tombstone.context, None), place)
    return judgement.conflict


def _shown(image: Image) -> Side:
    """A row with a stamp, as one of the two states of a conflict."""
    row = Row(image)
    assert row.version is not None  # noqa: S101 - it was written with one
    return Side(row.version, row.context, row.content)


def _side(row: Row) -> Side | None:
    return Side(row.version, row.context, row.content) if row.version else None


def _on_record(judgement: Judgement, change: Change, present: Side | None, place: Place) -> Decision[None]:
    """Where neither writer had seen the other: the conflict goes into the journal before the row shows its outcome."""
    if judgement.conflict and present is not None:
        arriving = Side(change.version, change.context, change.image)
        yield Record(conflict_by_version(arriving, present, change.key, place))


def _merged(judgement: Judgement) -> Merged:
    return Merged(Effect.DUPLICATE if judgement.verdict is Verdict.SAME else Effect.KEPT, judgement.conflict)
