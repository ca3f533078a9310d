"""What must hold at the end of every history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributary.domain import origin, settlement
from distributary.domain.change import Change, StreamRecord
from distributary.domain.image import Image, digest_of, key_text
from distributary.domain.message import unpack
from distributary.domain.origin import Origin
from distributary.domain.row import Row, Tombstone
from distributary.domain.version import Version
from tests.simulation.world import World
from tests.simulation.writers import KEYS


class Witness:
    """Sees every message and keeps what each version stood for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.minted: dict[str, dict[Version, str | None]] = {}
        self.contents: dict[str, dict[Version, Image | None]] = {}
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
        """A version must stand for one content only."""
        digest = digest_of(change.image) if change.image is not None else None
        known = self.minted.setdefault(change.row, {})
        if known.setdefault(change.version, digest) != digest:
            self.faults.append(("minted twice", change.row, change.version))
        self.contents.setdefault(change.row, {})[change.version] = change.image


def verdict(world: World, witness: Witness) -> tuple[Any, ...] | None:
    """The first promise that was broken, or none."""
    if witness.faults:
        return witness.faults[0]
    for region in world.regions:
        if region.parking.parcels:
            return ("parked", region.name, region.parking.parcels[0])
    for key in KEYS:
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


def misread(world: World, origins: Origins) -> tuple[Any, ...] | None:
    """The first record that was classified otherwise than it was written, or none.

    One kind of our own writes counts as local, and rightly so: where an application has added an attribute that our
    condition could not see, the row became a mixture that nobody has a version for.
    """
    for (region, sequence), classified in origins.items():
        by_application = sequence in world.writers.mine.get(region, set())
        record = world.by_name[region].table.stream[sequence - 1]
        mixture = record.new is not None and not record.new.as_stamped
        if classified.local and not by_application and mixture:
            continue
        if classified.local != by_application:
            return ("misread", region, sequence, classified)
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
