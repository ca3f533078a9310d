"""What a region durably remembers of the versions it has minted for a row, so that a retry mints the same one.

The memory is this region's entry in the contexts of the current stamp, of the old image's stamp and of the tombstone.
An entry keeps the sequence number of the record that it was minted for; only the entry of a stamping writer
names no record.
"""

from __future__ import annotations

from distributary.domain.change import StreamRecord
from distributary.domain.image import same_content
from distributary.domain.origin import Origin
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Writer
from distributary.domain.version import Instant, Version, mint


def recollect(record: StreamRecord, origin: Origin, state: State, region: str) -> Version | None:
    """Recall or mint the version of a local write; none where a later write of this region has overtaken it.

    A stamping writer's own version stands, unless an earlier record of this region, or the deletion beneath an insert,
    has a higher one: then the writer's clock lags or the stamp is a copy, and the write counts as unstamped.
    """
    entries = _entries(record, state, region)
    earlier = [entry for entry in entries if entry.sequence < record.sequence]
    for entry in entries:
        # One below an earlier record's was minted unaware of the tombstone, and has not been shipped.
        if entry.sequence == record.sequence and all(entry > each for each in earlier):
            return Version(*entry, region)
    if any(not entry.by_stamping_writer and entry.sequence > record.sequence for entry in entries):
        return None
    drawn = record.new.version if record.new and origin is Origin.STAMPED else None
    version = (
        drawn if drawn and _may_stand(drawn, record, earlier, state, region) else _mint(record, earlier, state, region)
    )
    later = [entry for entry in entries if entry.by_stamping_writer and entry > version.instant]
    if not later:
        return version
    return _mint(record, earlier + later, state, region) if _still_there(record, state) else None


def _entries(record: StreamRecord, state: State, region: str) -> list[Instant]:
    sources = [state.row.context] if state.row else []
    if state.tombstone:
        sources.append(state.tombstone.context)
    if record.old:
        sources.append(record.old.context)
    return [entry for entry in (source.of(region) for source in sources) if entry is not None]


def _may_stand(drawn: Version, record: StreamRecord, earlier: list[Instant], state: State, region: str) -> bool:
    """Whether a stamping writer's version is above what its write was made on top of, seen by the writer or not."""
    beneath = deleted_before(record, state, region)
    deletion = beneath.deletion if beneath else None
    return all(entry < drawn.instant for entry in earlier) and (deletion is None or deletion < drawn)


def _mint(record: StreamRecord, earlier: list[Instant], state: State, region: str) -> Version:
    above = [Version(*entry, region) for entry in earlier]
    above += [row.version for row in (record.old, record.new) if row is not None and row.version is not None]
    tombstone = deleted_before(record, state, region)
    if tombstone is not None and tombstone.deletion is not None and tombstone.deletion.region != region:
        above.append(tombstone.deletion)
    if state.row is not None and state.row.version is not None and _mixed(record, state.row, region):
        above.append(state.row.version)
    return mint(record.created_at, record.sequence, region, above=above)


def _still_there(record: StreamRecord, state: State) -> bool:
    """Whether the row is as the write has left it, so that no later one has overtaken that.

    A stamping writer's higher version names no record. It then is of a row that was there before, and was deleted since
    by a peer: the clock has stepped back, or the function's was ahead of the stream's.
    """
    return record.new is not None and state.row is not None and state.row.image == record.new.image


def _mixed(record: StreamRecord, row: Row, region: str) -> bool:
    """Whether the row shows this write under another region's version, put on it unseen: a state without a version."""
    if row.stamp is None or row.as_stamped or row.stamp.version.region == region or record.new is None:
        return False
    return row.stamp.writer is Writer.REPLICATION and same_content(row.content, record.new.content)


def deleted_before(record: StreamRecord, state: State, region: str) -> Tombstone | None:
    """The tombstone that an insert was made on top of: the present one, if it was there first.

    The record's time is floored, so a tombstone that came within the same tick counts as there first. So does the
    deletion of an earlier record of this region, which may have been captured only now.
    """
    tombstone = state.tombstone
    if record.old is not None or tombstone is None or tombstone.deletion is None:
        return None
    if tombstone.deletion.region == region and tombstone.deletion.sequence < record.sequence:
        return tombstone
    return tombstone if tombstone.arrived_at <= record.created_at + record.granularity else None
