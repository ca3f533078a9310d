"""Sees every message of a history: what each version stands for, and what it was made on top of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributary.domain import origin, own_writes, settlement
from distributary.domain.change import Change, StreamRecord
from distributary.domain.image import digest_of
from distributary.domain.message import unpack
from distributary.domain.origin import Origin
from distributary.domain.row import Tombstone
from distributary.domain.version import Version
from tests.simulation.conflict_witness import ConflictWitness
from tests.simulation.streams import StreamWorld as World

Fault = tuple[Any, ...]
"""A broken promise: its name, and what shows it."""


class Witness:
    """minted: by row, version and digest of the content. shipped: by region and row, source and version."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.minted: dict[str, dict[Version, str | None]] = {}
        self.shipped: dict[tuple[str, str], dict[int, Version]] = {}
        self.origins: dict[tuple[str, int], Origin] = {}
        self.faults: list[Fault] = []
        self._seen: set[str] = set()
        self.conflicts = ConflictWitness(world, origins=self.origins)
        for region in world.regions:
            for queue in (region.inbox, region.outbox):
                queue.send = self._listening(queue.send)  # type: ignore[method-assign]

    def _listening(self, send: Any) -> Any:
        def listen(body: str, attributes: Any = None) -> None:
            if body not in self._seen:
                self._seen.add(body)
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
        written = self.world.writers.log.get((change.home, int(change.source)))
        beneath = written.beneath if written is not None else None
        if beneath is not None and change.version <= beneath and not self._deleted_anew(change, beneath):
            self.faults.append(("lost to what it was made on top of", change.row, change.version, written))
        self.shipped.setdefault((change.home, change.row), {})[int(change.source)] = change.version

    def _deleted_anew(self, change: Change, beneath: Version) -> bool:
        """Whether another deletion, unseen by the writer, has taken the place of the one beneath: it wins over both."""
        tombstone = self.world.by_name[change.home].replica.tombstones.get(change.row)
        return tombstone is not None and tombstone.deletion is not None and tombstone.deletion > beneath

    def _check_time(self, change: Change, known: dict[Version, str | None]) -> None:
        """A version's time is the write's, or follows from a version that was there before; never from the capture."""
        before = self.world.by_name[change.home].table.stream[: int(change.source)]
        record = before[-1]
        stamps = [row.stamp.version for row in (record.old, record.new) if row is not None and row.stamp is not None]
        times = {version.timestamp for version in (*known, *stamps)}
        times |= {earlier.created_at for earlier in before if earlier.row == record.row}
        time = change.version.timestamp
        if time not in times and time - 1 not in times:
            self.faults.append(("a time from nowhere", change.row, change.version))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record how the production code classifies each record; the last time counts."""
        original = origin.origin_of

        def watching(record: StreamRecord, region: str, tombstone: Tombstone | None) -> Origin:
            classified = original(record, region, tombstone)
            self.origins[(region, record.sequence)] = classified
            return classified

        for module in (settlement, own_writes):
            module.__dict__["origin_of"] = watching
        try:
            yield
        finally:
            for module in (settlement, own_writes):
                module.__dict__["origin_of"] = original
