"""Sees what everybody sees of the rows of stamping databases, and says at the end whether every promise was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from distributary.domain.change import Change
from distributary.domain.image import Image, digest_of, key_text
from distributary.domain.message import unpack
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import Version
from tests.simulation.checks import Reader
from tests.simulation.logs import LogRegion, LogWorld
from tests.simulation.witness import Fault

State = tuple[Version, str | None]
"""A version, and the digest of its content; none for a deletion."""


class LogWitness:
    """shipped: all changes that were handed over. faults: what was broken on the way. vanished: see `Reader`."""

    def __init__(self, world: LogWorld) -> None:
        self.world = world
        self.shipped: list[Change] = []
        self.faults: list[Fault] = []
        self.vanished: Counter[Reader] = Counter()
        self._seen: set[str] = set()
        for region in world.regions:
            for queue in (region.inbox, region.outbox):
                queue.send = self._listening(queue.send)  # type: ignore[method-assign]
            region.table.show = self._watching(region, region.table.show)  # type: ignore[method-assign]
            region.table.stamp_over = self._comparing(region.table.stamp_over)  # type: ignore[method-assign]

    # --- on the way

    def _listening(self, send: Any) -> Any:
        def listen(body: str, attributes: Any = None) -> None:
            if body not in self._seen:
                self._seen.add(body)
                self.shipped += unpack(body, self.world.dataset)
            send(body, attributes)

        return listen

    def _comparing(self, stamp_over: Callable[..., Stamp]) -> Callable[..., Stamp]:
        """A write is above what it is made on top of, and knows of all that the writer could see."""

        def compare(clock: int, old: Stamp | None, tombstone: Tombstone | None, number: int = 0) -> Stamp:
            stamp = stamp_over(clock, old, tombstone, number)
            beneath = [(old.version, old.context)] if old is not None else []
            if tombstone is not None and tombstone.deletion is not None:
                beneath.append((tombstone.deletion, tombstone.context))
            for version, context in beneath:
                if not self.sane(version):
                    continue
                if stamp.version <= version:
                    self.faults.append(("made on top of a newer version", stamp.version, version))
                if stamp.context.merge(context.until(self._latest)) != stamp.context:
                    self.faults.append(("an application's write forgets what was seen", stamp.version, version))
            return stamp

        return compare

    def _watching(self, region: LogRegion, show: Callable[..., None]) -> Callable[..., None]:
        def watch(row: str, image: Image | None, writer: Writer) -> None:
            old = region.table.rows.get(row)
            before, after = Row(old) if old is not None else None, Row(image) if image is not None else None
            if writer is Writer.REPLICATION:
                self._compare(region, row, before, after)
            show(row, image, writer)

        return watch

    def _compare(self, region: LogRegion, row: str, before: Row | None, after: Row | None) -> None:
        """What replication does to a row that others see."""
        tombstone = region.table.tombstones.get(row)
        if before is None and after is not None and after.version is not None:
            if tombstone is not None and tombstone.covers(after.version):
                self.vanished[Reader.DELETED] += 1
        elif before is not None and before.version is not None and self.sane(before.version):
            by = after.version if after is not None else tombstone.deletion if tombstone is not None else None
            if by is None or (by < before.version if after is None else by <= before.version):
                self.faults.append(("a newer state vanished", region.name, row, before.version, by))
            seen = before.context.until(self._latest)
            if after is not None and after.context.merge(seen) != after.context:
                self.faults.append(("an applied row forgets what was seen", region.name, row, after.version))

    # --- at the end

    def verdict(self) -> Fault | None:
        """The first promise that was broken, or none."""
        return next(self._broken(), None)

    def _broken(self) -> Iterator[Fault]:
        yield from self.faults
        for region in self.world.regions:
            if region.parking.parcels:
                yield ("parked", region.name, region.parking.parcels[0])
            if region.inbox.dead or region.outbox.dead:
                yield ("dead letters", region.name)
            if region.inbox.messages or region.outbox.messages or not region.idle:
                yield ("in flight for ever", region.name)
            if region.table.open:
                yield ("locked for ever", region.name)
        yield from self._invented()
        for key in self.world.writers.keys:
            yield from self._disagreements(key)

    def _invented(self) -> Iterator[Fault]:
        """What was shipped was written there, as it was shipped."""
        committed = {
            (region.name, key_text(each.key), each.stamp.version, digest_of_image(each.image))
            for region in self.world.regions
            for each in region.table.log
            if each.stamp.writer is Writer.APPLICATION and each.stamp.version.region == region.name
        }
        for change in self.shipped:
            digest = digest_of(change.image) if change.image is not None else None
            if (change.home, change.row, change.version, digest) not in committed:
                yield ("nobody wrote it", change)

    def _disagreements(self, key: Image) -> Iterator[Fault]:
        """Where regions differ in a row or its tombstone, or are equal but not at the newest state committed."""
        row, regions = key_text(key), self.world.regions
        images = [region.table.get(key) for region in regions]
        views = [_view(image) for image in images]
        if any(view != views[0] for view in views):
            yield ("diverged", key, views)
        deletions = [self._deletion(region.table.tombstones.get(row)) for region in regions]
        newest = max((each for each in deletions if each is not None), default=None)
        beneath = any(newest is not None and Row(image).context.covers(newest) for image in images if image is not None)
        if any(each != newest for each in deletions) and not beneath:
            yield ("tombstones differ", key, deletions)
        states = list(self._committed(row))
        if states:
            # Writes of one microsecond of which one could not see the other may share a version; deletions win.
            version, digest = max(states, key=lambda state: (state[0], state[1] is None))
            if views[0] != ((version, digest) if digest is not None else None):
                yield ("not the newest", key, version, digest, views[0])

    def _committed(self, row: str) -> Iterator[State]:
        for region in self.world.regions:
            for each in region.table.log:
                mine = each.stamp.writer is Writer.APPLICATION and key_text(each.key) == row
                if mine and self.sane(each.stamp.version):
                    yield each.stamp.version, digest_of_image(each.image)

    def _deletion(self, tombstone: Tombstone | None) -> Version | None:
        deletion = tombstone.deletion if tombstone is not None else None
        return deletion if deletion is not None and self.sane(deletion) else None

    @property
    def _latest(self) -> int:
        return self.world.now + self.world.dataset.max_clock_drift

    def sane(self, version: Version) -> bool:
        """Whether a version is not from a clock that was a year ahead."""
        return version.timestamp <= self._latest


def digest_of_image(image: Image | None) -> str | None:
    """The digest of a row's content; none for no row."""
    return Row(image).digest if image is not None else None


def _view(image: Image | None) -> tuple[Version | None, str] | None:
    return (Row(image).version, Row(image).digest) if image is not None else None
