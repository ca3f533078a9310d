"""What must hold at the end of every history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum

from distributary.domain.change import StreamRecord
from distributary.domain.image import STAMP_ATTRIBUTE, Image, key_text, same_content
from distributary.domain.row import Row
from distributary.domain.version import Version
from tests.simulation.streams import StreamRegion as Region
from tests.simulation.witness import Fault, Witness


def verdict(witness: Witness) -> Fault | None:
    """The first promise that was broken, or none."""
    return next(_broken(witness), None)


def _broken(witness: Witness) -> Iterator[Fault]:
    yield from witness.faults
    yield from left_behind(witness)
    yield from _overtaken(witness)
    for key in witness.world.writers.keys:
        yield from _disagreements(witness, key)
    yield from _lost(witness)
    yield from misread(witness)


def left_behind(witness: Witness) -> Iterator[Fault]:
    """What is parked, a dead letter, or was lost in a stream that nobody read."""
    for region in witness.world.regions:
        if region.parking.parcels:
            yield ("parked", region.name, region.parking.parcels[0])
        if region.inbox.dead or region.outbox.dead:
            yield ("dead letters", region.name)
        if region.shards.expired_unread:
            yield ("expired", region.name)


def _overtaken(witness: Witness) -> Iterator[Fault]:
    """In one region the order of versions is that of the writes."""
    for place, versions in witness.shipped.items():
        sane = {source: version for source, version in versions.items() if believed(witness, version)}
        if sane and sane[max(sane)] != max(sane.values()):
            yield ("the last write at home lost to an earlier one", place, versions)


def _disagreements(witness: Witness, key: Image) -> Iterator[Fault]:
    """Where regions differ in a row or its tombstone, or are equal but not at the newest version."""
    row, regions = key_text(key), witness.world.regions
    views = [_view(region.table.get(key)) for region in regions]
    if any(view != views[0] for view in views):
        yield ("diverged", key, views)
    deletions = [_deletion(witness, region, row) for region in regions]
    if any(each != deletions[0] for each in deletions) and not _beneath_the_row(regions, key, deletions):
        yield ("tombstones differ", key, deletions)
    minted = {v: digest for v, digest in witness.minted.get(row, {}).items() if believed(witness, v)}
    if minted:
        newest = max(minted)
        digest = minted[newest]
        if views[0] != ((digest, newest) if digest is not None else None):
            yield ("not the newest", key, newest, digest, views[0])


def _deletion(witness: Witness, region: Region, row: str) -> Version | None:
    tombstone = region.replica.tombstones.get(row)
    deletion = tombstone.deletion if tombstone is not None else None
    return deletion if deletion is not None and believed(witness, deletion) else None


def _beneath_the_row(regions: Sequence[Region], key: Image, deletions: list[Version | None]) -> bool:
    """Whether the row that is there was made on top of the newest deletion.

    Such a deletion was overtaken at home if its function crashed before it was shipped, and need not travel then.
    """
    newest = max(deletion for deletion in deletions if deletion is not None)
    rows = [Row(image) for region in regions if (image := region.table.get(key)) is not None]
    return any(row.context.covers(newest) for row in rows)


def believed(witness: Witness, version: Version) -> bool:
    """Whether a version is not from a clock that was a year ahead."""
    return version.timestamp <= witness.world.now + witness.world.dataset.max_clock_drift


def _view(image: Image | None) -> tuple[str, Version | None] | None:
    if image is None:
        return None
    row = Row(image)
    return row.digest, row.version


def _lost(witness: Witness) -> Iterator[Fault]:
    """Every acknowledged write was shipped, or a later one of its region on top of it was."""
    world = witness.world
    for (region, sequence), written in world.writers.log.items():
        record = world.by_name[region].table.stream[sequence - 1]
        shipped = witness.shipped.get((region, record.row), {})
        if not any(source >= sequence for source in shipped) and not _not_to_be_told(witness, region, record):
            yield ("an acknowledged write was lost", region, sequence, written)


def _not_to_be_told(witness: Witness, region: str, record: StreamRecord) -> bool:
    """Whether a write of an application looks like one of ours, or says the same, and so need not be shipped.

    The deletion of a row that was marked for deletion is the deletion that was under way. A row as we had inserted it,
    put back unchanged within two minutes of its deletion by an application with a copy, cannot be told from ours. A
    stamp of ours that an application puts back where it belongs, without any change of content, changes nothing. And a
    copy of what we had written, put over a copy of the very stamp that we had replaced, looks like that write of ours.
    """
    old, new = record.old, record.new
    classified = witness.origins.get((region, record.sequence))
    if classified is None or classified.local:
        return False
    under_way = new is None and old is not None and old.marked
    old_copy = old is None and new is not None and new.settled
    unchanged = old is not None and new is not None and same_content(old.content, new.content)
    return under_way or old_copy or unchanged or _done_by_us_before(witness, region, record)


def _done_by_us_before(witness: Witness, region: str, record: StreamRecord) -> bool:
    def stamp(row: Row | None) -> object:
        return row.image.get(STAMP_ATTRIBUTE) if row is not None else None

    return any(
        each.row == record.row and each.new == record.new and stamp(each.old) == stamp(record.old)
        for each in witness.world.by_name[region].table.stream[: record.sequence - 1]
        if (region, each.sequence) not in witness.world.writers.log
    )


def misread(witness: Witness) -> Iterator[Fault]:
    """Records that were classified otherwise than they were written.

    Our own write counts as local where an application has added an attribute that our condition could not see: the row
    became a mixture that nobody has a version for. It may count as local on a second delivery that finds it overtaken
    and ships nothing. A removal of ours that did not see an attribute added after the mark is told by its note in the
    tombstone; another removal of the row, before the first is captured, replaces the note. And what a call made of a
    row from the future, which it did not believe, counts as local where capture's clock is ahead by then and believes
    that row.
    """
    world = witness.world
    for (region, sequence), classified in witness.origins.items():
        by_application = (region, sequence) in world.writers.log
        record = world.by_name[region].table.stream[sequence - 1]
        mixture = record.new is not None and not record.new.as_stamped
        shipped = sequence in witness.shipped.get((region, record.row), {})
        untold = mixture or _note_gone(witness, region, record) or _took_the_future(witness, record)
        if classified.local and not by_application and shipped and not untold:
            yield ("misread as local", region, sequence, classified)
        if not classified.local and by_application and not _not_to_be_told(witness, region, record):
            yield ("misread as echo", region, sequence, classified)


def _note_gone(witness: Witness, region: str, record: StreamRecord) -> bool:
    if record.new is not None or record.old is None or not record.old.marked or record.old.as_stamped:
        return False
    later = witness.world.by_name[region].table.stream[record.sequence :]
    return any(each.row == record.row and each.new is not None and each.new.marked for each in later)


def _took_the_future(witness: Witness, record: StreamRecord) -> bool:
    """Whether a row from the future, which no right clock believes, gave way to one that is not."""
    old, new = record.old, record.new
    if old is None or new is None or old.version is None or new.version is None:
        return False
    latest = witness.world.now + witness.world.dataset.max_clock_drift
    return new.version.timestamp <= latest < old.version.timestamp


class Reader(Enum):
    """Whose write a reader of the home region saw disappear for a moment."""

    UNMODIFIED = "an unmodified writer's"
    STAMPING = "a stamping writer's"
    UNCHANGED = "a stamping writer's that changed no content, as before its deletion"
    DELETED = "a deletion, between an insert that had not seen it and the look back"
    BEHIND = "a stamping writer's that was given another version, since its clock was behind"


def vanished(witness: Witness) -> Counter[Reader]:
    """How often a write was replaced at home by an older state; it comes back when its own record is settled."""
    counted: Counter[Reader] = Counter()
    for region in witness.world.regions:
        last: dict[str, StreamRecord] = {}
        for record in region.table.stream:
            mine = last.get(record.row)
            if (region.name, record.sequence) in witness.world.writers.log:
                last[record.row] = record
            elif mine is not None and _replaced_by_older(witness, region.name, mine, record):
                counted[_whose(witness, region.name, mine)] += 1
    return counted


def _replaced_by_older(witness: Witness, region: str, mine: StreamRecord, record: StreamRecord) -> bool:
    version = witness.shipped.get((region, record.row), {}).get(mine.sequence)
    if version is None or record.old is None or mine.new is None:
        return False
    was_there = same_content(record.old.content, mine.new.content)
    stays = record.new is not None and same_content(record.old.content, record.new.content)
    by = record.new.version if record.new is not None else record.old.version
    return was_there and not stays and by is not None and by < version


def _whose(witness: Witness, region: str, mine: StreamRecord) -> Reader:
    written = witness.world.writers.log[(region, mine.sequence)]
    if not written.stamping:
        return Reader.UNMODIFIED
    if mine.old is not None and mine.new is not None and same_content(mine.old.content, mine.new.content):
        return Reader.UNCHANGED
    stands = mine.new is None or _as_drawn(mine.new, witness.shipped[(region, mine.row)][mine.sequence])
    return Reader.STAMPING if stands else Reader.BEHIND


def _as_drawn(row: Row, version: Version) -> bool:
    """Whether a write was given the version that its writer drew: the stamp's, or right above it for an open digest.

    Otherwise the writer's clock was behind what was there, or behind the time of the record.
    """
    if row.stamp is None:
        return True
    drawn = row.stamp.version
    return version == drawn if row.as_stamped else version.timestamp == drawn.timestamp + 1
