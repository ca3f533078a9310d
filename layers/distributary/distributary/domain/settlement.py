"""Settles a local write: gives it its version and makes the home row show it, so that the next compare can tell.

This is the decision behind the capture service. Every branch reads the row as it is now, which may no longer be the one
of the record: the application, another region's change or a twin of this function may have written since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeGuard

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Side, conflict_by_version, judge
from distributary.domain.errors import NotSettled
from distributary.domain.image import same_content
from distributary.domain.local_write import LocalWrite
from distributary.domain.memory import deleted_before, recollect
from distributary.domain.merge import buried
from distributary.domain.origin import Origin, needs_tombstone, origin_of
from distributary.domain.place import Place, trusted_until
from distributary.domain.removal import ATTEMPTS, look_again, remove
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import UNKNOWN, Writer, link_to
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from distributary.domain.version import NOTHING_SEEN, Version


@dataclass(frozen=True, slots=True)
class Settled:
    """What a record was, and the change to ship; none for an echo or a write that a later one has overtaken."""

    origin: Origin
    change: Change | None = None
    conflict: bool = False


def settle(record: StreamRecord, place: Place, *, ignore_expired: bool = False) -> Decision[Settled]:
    """Classify a record and settle the home row; raises NotSettled when the row would not hold still.

    ignore_expired: deletions by the time to live stay in their region.
    """
    latest, place = trusted_until(record, place), place.settling(record)
    old = record.old.trusting(latest) if record.old else None
    new = record.new.trusting(latest) if record.new else None
    record = replace(record, old=old, new=new)
    tombstone: Tombstone | None = None
    if needs_tombstone(record, place.region):
        tombstone = _believed((yield LookBack()), place)
    origin = origin_of(record, place.region, tombstone)
    if origin is Origin.ECHO:
        inserted = new.version if new is not None and record.old is None else None
        if new is not None and inserted and tombstone is not None and tombstone.covers(inserted):
            yield from look_again(Side(inserted, new.context, new.content), record.key, place)
        return Settled(origin)
    if origin is Origin.EXPIRED and ignore_expired:
        return Settled(origin)
    if new is None:
        return (yield from _settle_deletion(record, origin, place))
    return (yield from _settle_put(record, new, origin, place))


def _settle_put(record: StreamRecord, new: Row, origin: Origin, place: Place) -> Decision[Settled]:
    tombstone: Tombstone | None = None
    if record.old is None or record.old.stamp is None:
        tombstone = _believed((yield LookBack()), place)
    state = State(new, tombstone)  # most rows still are as in the record, so a conditional write saves the read
    local = _local(record, origin, state, place)
    done = local is not None and (yield from _presume(local, new, origin))
    for _ in range(ATTEMPTS):
        if done and local is not None:
            state = replace(state, tombstone=(yield from look_again(local.side, record.key, place)))
            if _adds_nothing(_local(record, origin, state, place), local):
                return Settled(origin, local.change(), _conflict(local, state.row))
        state = (yield Look()).trusting(place.latest)
        local = _local(record, origin, state, place)
        if local is None:
            return Settled(origin)
        done = yield from _show(local, state)
    raise NotSettled("the row was written again and again while it was to be settled")


def _adds_nothing(again: LocalWrite | None, local: LocalWrite) -> bool:
    """Whether a write that is looked at again is what it was; it may have lost sight of a tombstone now replaced."""
    if again is None or again.version != local.version:
        return False
    return local.context.merge(again.context) == local.context


def _presume(local: LocalWrite, new: Row, origin: Origin) -> Decision[bool]:
    """Settle the row unseen, if it still is as in the record and needs no more than its stamp."""
    if origin is Origin.STAMPED:  # its version is checked against what the row remembers, so the row must be read
        return False
    if new.marked or (new.version is not None and new.version >= local.version):
        return False
    won: bool = yield Write(new, local.restamping(new))
    return won


def _show(local: LocalWrite, state: State) -> Decision[bool]:
    """Make the home row show the write or what has superseded it; False: it was written meanwhile, look again."""
    row = state.row
    if row is None:
        return (yield from _show_absent(local, state))
    newer = row.version is not None and row.version >= local.version
    yield from _on_record(local, row)
    if row.marked and newer and row.version is not None:
        if not (yield from _note(local, state)):
            return False
        return (yield from remove(row, row.version, row.context, local.place))
    if row.settled and newer:
        known = row.context.merge(local.context) == row.context  # a stamping writer may not have read the row
        won = known or (yield Write(row, local.noted_in(row)))
    elif same_content(row.content, local.row.content) and not row.marked:
        won = newer or (yield Write(row, local.restamping(row)))
    elif _written_by_us(row):
        won = yield Write(row, local.over(row))
    else:
        won = yield Write(row, local.advancing(row))
    return bool(won)


def _on_record(local: LocalWrite, present: Row) -> Decision[None]:
    """A conflict with what is in the row goes into the journal before the row shows its outcome."""
    if present.version is not None and _conflict(local, present):
        there = Side(present.version, present.context, None if present.marked else present.content)
        yield Record(conflict_by_version(local.side, there, local.record.key, local.place))


def _deletion_on_record(local: LocalWrite, tombstone: Tombstone) -> Decision[None]:
    """So does one with a deletion that took the row, or took nothing since the application had removed it again."""
    deletion, seen = tombstone.deletion, tombstone.context
    if deletion is not None and judge(local.version, local.context, deletion, seen).conflict:
        there = Side(deletion, seen, None)
        yield Record(conflict_by_version(local.side, there, local.record.key, local.place, late=True))


def _written_by_us(row: Row) -> bool:
    """Whether the content is one that we put there, so that no record of the application will tell of it."""
    return row.marked or (row.settled and row.stamp is not None and row.stamp.writer is Writer.REPLICATION)


def _show_absent(local: LocalWrite, state: State) -> Decision[bool]:
    tombstone = state.tombstone
    removed_by_us = tombstone is not None and tombstone.removing is not None and tombstone.deletion is not None
    if tombstone is not None and (removed_by_us or tombstone.covers(local.version)):
        yield from _deletion_on_record(local, tombstone)
    if not (yield from _note(local, state)):
        return False
    if tombstone is not None and removed_by_us and not tombstone.covers(local.version):
        won: bool = yield Write(None, local.put_back(tombstone))
        return won
    return True


def _note(local: LocalWrite, state: State) -> Decision[bool]:
    known = state.tombstone or Tombstone()
    noted = replace(known, context=known.context.including(local.version))
    if noted == state.tombstone:
        return True
    won: bool = yield Remember(state.stored, noted)
    return won


def _believed(tombstone: Tombstone | None, place: Place) -> Tombstone | None:
    return tombstone.trusting(place.latest) if tombstone else None


def _settle_deletion(record: StreamRecord, origin: Origin, place: Place) -> Decision[Settled]:
    removed = link_to(record.old.image, place.region) if record.old else UNKNOWN
    for _ in range(ATTEMPTS):
        state: State = (yield Look()).trusting(place.latest)
        local = _local(record, origin, state, place)
        if local is None:
            return Settled(origin)
        noted = replace(buried(state.tombstone, local.change(), place), removed=removed)
        if noted != state.tombstone:
            if not (yield Remember(state.stored, noted)):
                continue
            state = (yield Look()).trusting(place.latest)
        row = state.row
        if row is not None and row.settled:
            yield from _on_record(local, row)
        if row is None or row.version is None or row.version > local.version or not _written_by_us(row):
            return Settled(origin, local.change())
        yield from remove(row, local.version, local.context, place)
    raise NotSettled("the row was written again and again while it was to be deleted")


def _local(record: StreamRecord, origin: Origin, state: State, place: Place) -> LocalWrite | None:
    version = recollect(record, origin, state, place.region)
    if version is None:
        return None
    context = record.old.context if record.old else NOTHING_SEEN
    if record.new is not None:
        context = context.merge(record.new.context)
    beneath = deleted_before(record, state, place.region)
    if beneath is not None and beneath.deletion is not None and beneath.deletion < version:
        context = context.merge(beneath.context)
    if _shows_what_was_there(state.row, version, record):
        context = context.merge(state.row.context)
    return LocalWrite(record, version, context.including(version), place)


def _shows_what_was_there(row: Row | None, version: Version, record: StreamRecord) -> TypeGuard[Row]:
    """Whether the row's stamp says what a write was made on top of, as its record may not, if nothing had a stamp then.

    Nothing is merged into a row that is not settled, and what is settled at this version is this write; but an insert
    may have been shown over what came after it. A stamp that names another region may be a copy.
    """
    if record.old is None or record.old.version is not None:
        return False
    if row is None or row.version is None or row.version > version or row.version.region != version.region:
        return False
    return row.version == version or not (row.settled or row.marked)


def _conflict(local: LocalWrite, present: Row | None) -> bool:
    if present is None or present.version is None:
        return False
    return judge(local.version, local.context, present.version, present.context).conflict
