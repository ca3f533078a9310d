"""What must hold at the end of every history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributary.domain import origin, settlement
from distributary.domain.change import Change, StreamRecord
from distributary.domain.image import Image, digest_of, key_text, same_content
from distributary.domain.message import unpack
from distributary.domain.origin import Origin
from distributary.domain.row import Row, Tombstone
from distributary.domain.version import Version
from tests.simulation.world import World
from tests.simulation.writers import KEYS


class Witness:
    """Sees every message: what each version stands for, and what it was made on top of."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.minted: dict[str, dict[Version, str | None]] = {}
        self.shipped: dict[tuple[str, str], dict[int, Version]] = {}
        self.faults: list[tuple[Any, ...]] = []
        for region in world.regions:
            region.inbox.send = self._listening(region.inbox.send)  # type: ignore[method-assign]

    def _listening(self, send: Any) -> Any:
        def listen(body: str, attributes: Any = None) -> None:
            for change in unpack(body, self.world.dataset):
                self.note(change)
            send(body, attributes)

        return listen

    def note(self, change: Change) -> None:
        """A version stands for one content, and is above what it was made on top of."""
        digest = digest_of(change.image) if change.image is not None else None
        known = self.minted.setdefault(change.row, {})
        self._check_time(change, known)
        if known.setdefault(change.version, digest) != digest:
            self.faults.append(("minted twice", change.row, change.version))
        beneath = self.world.writers.beneath.get((change.home, int(change.source)))
        if beneath is not None and change.version <= beneath:
            self.faults.append(("lost to what it was made on top of", change.row, change.version, beneath))
        self.shipped.setdefault((change.home, change.row), {})[int(change.source)] = change.version

    def _check_time(self, change: Change, known: dict[Version, str | None]) -> None:
        """A version's time is the write's, or follows from a version that was there before; never from the capture."""
        record = self.world.by_name[change.home].table.stream[int(change.source) - 1]
        stamps = [row.stamp.version for row in (record.old, record.new) if row is not None and row.stamp is not None]
        times = {version.timestamp for version in (*known, *stamps)}
        time = change.version.timestamp
        if time != record.created_at and time not in times and time - 1 not in times:
            self.faults.append(("a time from nowhere", change.row, change.version))


def verdict(world: World, witness: Witness) -> tuple[Any, ...] | None:
    """The first promise that was broken, or none."""
    if witness.faults:
        return witness.faults[0]
    for place, versions in witness.shipped.items():
        if versions[max(versions)] != max(versions.values()):
            return ("the last write at home lost to an earlier one", place, versions)
    for region in world.regions:
        if region.parking.parcels:
            return ("parked", region.name, region.parking.parcels[0])
    return next((broken for key in KEYS if (broken := _disagreement(world, witness, key))), None)


def _disagreement(world: World, witness: Witness, key: Image) -> tuple[Any, ...] | None:
    """Where regions differ in a row, or are equal but not at the newest version."""
    views = [_view(region.table.get(key)) for region in world.regions]
    if any(view != views[0] for view in views):
        return ("diverged", key, views)
    minted = witness.minted.get(key_text(key))
    if minted:
        newest = max(minted)
        expected = (minted[newest], newest) if minted[newest] is not None else None
        if views[0] != expected:
            return ("not the newest", key, newest, minted[newest], views[0])
    return None


def _view(image: Image | None) -> tuple[str, Version | None] | None:
    if image is None:
        return None
    row = Row(image)
    return row.digest, row.version


Origins = dict[tuple[str, int], Origin]
"""Region and sequence number of a record, and how the production code classified it last."""


def misread(world: World, witness: Witness, origins: Origins) -> tuple[Any, ...] | None:
    """The first record that was classified otherwise than it was written, or none.

    Five cases are as they should be. Our own write counts as local where an application has added an attribute that
    our condition could not see: the row became a mixture that nobody has a version for. It may count as local on a
    second delivery that finds it overtaken and ships nothing. And a deletion by an application of a row that was
    marked for deletion is the deletion that was under way. And a row as we had inserted
    it, put back unchanged within two minutes of its deletion by an application with a copy, cannot be told from ours.
    A stamp of ours that an application puts back where it belongs, without any change of content, changes nothing.
    """
    for (region, sequence), classified in origins.items():
        by_application = sequence in world.writers.mine.get(region, set())
        record = world.by_name[region].table.stream[sequence - 1]
        mixture = record.new is not None and not record.new.as_stamped
        shipped = sequence in witness.shipped.get((region, record.row), {})
        if classified.local and not by_application and not mixture and shipped:
            return ("misread as local", region, sequence, classified)
        under_way = record.new is None and record.old is not None and record.old.marked
        old_copy = record.old is None and record.new is not None and record.new.settled
        unchanged = record.old and record.new and same_content(record.old.content, record.new.content)
        if not classified.local and by_application and not (under_way or old_copy or unchanged):
            return ("misread as echo", region, sequence, classified)
    return None


@contextmanager
def watching_origins() -> Iterator[Origins]:
    """Record each classification that the production code makes."""
    origins: Origins = {}
    original = origin.origin_of

    def watching(record: StreamRecord, region: str, tombstone: Tombstone | None) -> Origin:
        classified = original(record, region, tombstone)
        origins[(region, record.sequence)] = classified
        return classified

    settlement.__dict__["origin_of"] = watching
    try:
        yield origins
    finally:
        settlement.__dict__["origin_of"] = original
