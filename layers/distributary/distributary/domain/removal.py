"""Removes a row that a tombstone is newer than, in an order that lets racing functions see each other.

The tombstone is written first. Then the row is marked, the tombstone notes that we remove the row under that mark, and
the row is deleted on condition of the mark. Whoever writes a row looks at the tombstone afterwards (`look_again`), so
of two functions that race, one always sees the other.
"""

from __future__ import annotations

from dataclasses import replace

from distributary.domain.conflict import Side, conflict_by_version, judge
from distributary.domain.image import Image
from distributary.domain.place import Place
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, link_of_mark, stamped
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Write
from distributary.domain.version import Context, Version

ATTEMPTS = 25
"""How often one decision looks again before it leaves the row to a later delivery."""


def remove(row: Row, deletion: Version, context: Context, place: Place) -> Decision[bool]:
    """Mark the row, note the removal, delete it. False: the row was written meanwhile, look again.

    A mark that an application has copied from another region is replaced: the removal would count as its deletion.
    """
    marked = row
    if not (row.marked_in(place.region) and row.version == deletion and row.as_stamped):
        seen = row.context.merge(context).including(deletion)
        mark = Stamp(deletion, seen, Writer.REPLICATION_DELETES, row.digest, link_of_mark(row.image, place.region))
        marked = Row(stamped(row.content, mark))
        if not (yield Write(row, marked.image)):
            return False
    for _ in range(ATTEMPTS):
        stored: Tombstone | None = yield LookBack()
        known = stored.trusting(place.latest) if stored else Tombstone(deletion, context, place.now)
        seen = known.context.merge(marked.context)
        noted = replace(known, removing=deletion, removing_names=tuple(sorted(row.content)), context=seen)
        if noted == stored or (yield Remember(stored, noted)):
            yield Write(marked, None)
            return True
    return False


def look_again(written: Side, key: Image, place: Place) -> Decision[Tombstone | None]:
    """After a row was written: remove it if a newer tombstone is there. Returns the tombstone.

    A row that is marked already was left so by a call that ended before it was done. A deletion that came between has
    not met the row, so their conflict is put on record here.
    """
    tombstone: Tombstone | None = None
    for _ in range(ATTEMPTS):
        stored: Tombstone | None = yield LookBack()
        tombstone = stored.trusting(place.latest) if stored else None
        if tombstone is None or tombstone.deletion is None:
            break
        yield from _on_record(written, tombstone, tombstone.deletion, key, place)
        if tombstone.deletion <= written.version:
            break
        state: State = yield Look()
        row = state.trusting(place.latest).row
        if row is None or not row.as_stamped or row.version is None:
            break
        if not (row.marked or row.version == written.version):
            break
        deletion, context = (row.version, row.context) if row.marked else (tombstone.deletion, tombstone.context)
        if (yield from remove(row, deletion, context, place)):
            break
    return tombstone


def _on_record(written: Side, tombstone: Tombstone, deletion: Version, key: Image, place: Place) -> Decision[None]:
    """A conflict with a deletion: where the row stays, as the deletion's own, which may yet come to the row."""
    if not judge(written.version, written.context, deletion, tombstone.context).conflict:
        return
    deleted = Side(deletion, tombstone.context, None)
    if deletion > written.version or tombstone.removing == deletion:
        yield Record(conflict_by_version(written, deleted, key, place, late=True))
    else:
        yield Record(conflict_by_version(deleted, written, key, place))
