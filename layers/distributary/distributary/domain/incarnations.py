"""Which deletion a row of a stamping database was made on top of, and which is the newest that is known of its key."""

from __future__ import annotations

from dataclasses import replace

from distributary.domain.crdt import ALWAYS
from distributary.domain.row import Row, Tombstone
from distributary.domain.state_documents import incarnation_in
from distributary.domain.state_texts import document_of_row
from distributary.domain.version import Context, Version


def deletion_in(tombstone: Tombstone | None) -> Version:
    """The deletion that is noted; ALWAYS if none is."""
    return (tombstone.deletion if tombstone is not None else None) or ALWAYS


def known_deletion(row: Row | None, tombstone: Tombstone | None) -> Version:
    """The newest deletion that is known here, be it by the row that was made on top of it; raises MalformedStamp."""
    incarnation, from_plain = _foundation(row)
    return deletion_in(tombstone) if from_plain else max(deletion_in(tombstone), incarnation)


def incarnation_of(row: Row | None) -> Version:
    """See `RowState.incarnation`; raises MalformedStamp."""
    return _foundation(row)[0]


def buried(tombstone: Tombstone | None, deletion: Version, context: Context) -> Tombstone:
    """The newer of both deletions, with all that either of them had seen."""
    known = tombstone or Tombstone()
    return replace(known, deletion=max(deletion, deletion_in(known)), context=known.context.merge(context))


def _foundation(row: Row | None) -> tuple[Version, bool]:
    """What the row was made on top of, and whether that is a row from before its policies."""
    if row is None or row.version is None:
        return ALWAYS, False
    return incarnation_in(document_of_row(row.image), row.version)
