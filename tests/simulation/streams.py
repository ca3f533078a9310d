"""Replicas with change streams, as DynamoDB has them: tables, shards and the functions that read those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from distributary.adapters.memory.journal import MemoryJournal
from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox
from distributary.adapters.memory.replica import MemoryReplica, MemoryTable
from distributary.adapters.memory.shards import MemoryShard, MemoryShards
from distributary.domain.dataset import Dataset, Engine
from distributary.domain.delivery import Arrival
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.deciding import merging, settling
from tests.simulation.regions import PLENTY, Region
from tests.simulation.world import World
from tests.simulation.writers import Writers


class Observer(Protocol):
    """Whoever wants to see each step of the decisions."""

    def applying(self, region: Any, decide: Callable[..., Any]) -> Callable[..., Any]:
        """The decision of apply, watched."""

    def settling(self, region: Any, decide: Callable[..., Any]) -> Callable[..., Any]:
        """The decision of capture, watched."""


class StreamWorld(World):
    """The world of such replicas."""

    observer: Observer | None = None

    engine = Engine.DYNAMODB
    regions: Sequence[StreamRegion]
    by_name: dict[str, StreamRegion]
    writers: Writers

    def region(self, name: str, skew: int) -> StreamRegion:
        """See `World`."""
        return StreamRegion(name, skew, self)

    def applications(self) -> Writers:
        """See `World`."""
        return Writers(self)


@dataclass(eq=False)
class StreamRegion(Region):
    """One such replica. busy: shards whose records an invocation has in hand."""

    world: StreamWorld
    table: MemoryTable = field(init=False)
    replica: MemoryReplica = field(init=False)
    shards: MemoryShards = field(init=False)
    journal: MemoryJournal = field(init=False)
    busy: set[MemoryShard] = field(default_factory=set)

    def prepare(self) -> None:
        """See `Region`."""
        choices = self.world.choices
        wide, whole = choices.chance(0.2), choices.chance(0.3)
        self.table = MemoryTable(self.clock, wide=wide, replaces_whole=whole)
        self.replica = MemoryReplica(self.table, pause=self.world.io)
        self.shards = MemoryShards(self.table.stream, self.clock)
        # It does not give others their turn: a call that ends at the write that follows has recorded and not written.
        self.journal = MemoryJournal(self.world.dataset.name)

    @property
    def idle(self) -> bool:
        """See `Region`."""
        return self.shards.idle

    def oldest_unread(self) -> int | None:
        """See `Region`: what waits longer than a day in a stream is lost."""
        return self.shards.oldest_unread()

    def split(self) -> None:
        """See `Region`."""
        self.shards.split(self.world.writers.row_of(self.world.choices.pick(self.world.writers.keys)))
        self.world.note(lambda: f"a shard of {self.name} splits")

    def restart(self) -> None:
        """See `Region`."""
        self.shards.rewind()
        self.world.note(lambda: f"the consumer of {self.name} starts at the oldest record")

    def capture(self) -> bool:
        """See `Region`: the next records of a shard that nobody has in hand."""
        shards = [shard for shard in self.shards.readable() if shard not in self.busy]
        if shards:
            self._capture(self.world.choices.pick(shards) if len(shards) > 1 else shards[0])
        return bool(shards)

    def _capture(self, shard: MemoryShard) -> None:
        """Invoke capture on the next records of a shard."""
        world, choices = self.world, self.world.choices
        start = shard.position
        records = shard.records[start : start + choices.pick((1, 1, 2, 3, 5))]
        arrivals = [Arrival(str(record.sequence), record, {}) for record in records]
        self.busy.add(shard)

        def done(report: Any) -> None:
            self.busy.discard(shard)
            taken = len(records)
            if report.failure is not None:
                taken = [arrival.position for arrival in arrivals].index(report.failure.position)
            shard.move(start + taken)
            if world.happens(world.setting.faults.rewind):
                shard.move(shard.position - choices.pick((1, 1, 2, 5)))

        remaining = 0 if world.happens(world.setting.faults.deadline) else PLENTY
        service = self.capturing()
        world.start(
            f"capture {[record.sequence for record in records]} in {self.name}",
            lambda: service.run(arrivals, lambda: remaining),
            done,
            lambda: self.busy.discard(shard),
        )

    def dataset_of(self, function: str) -> Dataset:
        """As the file describes it with which a function was deployed here. function: capture or apply."""
        del function
        return self.world.dataset

    def capturing(self) -> Capture:
        """The capture service of this region."""
        dataset = self.dataset_of("capture")
        world, settle = self.world, settling(dataset)
        if world.observer is not None:
            settle = replace(settle, decide=world.observer.settling(self, settle.decide))
        return Capture(
            dataset, "orders", self.name, self.replica, MemoryInboxes(world.queues, world.io),
            MemoryOutbox(self.outbox, world.io), self.parking, self.clock, world.unique, settling=settle,
            journal=self.journal,
        )  # fmt: skip

    def applying(self) -> Apply:
        """The apply service of this region."""
        dataset = self.dataset_of("apply")
        world, merge = self.world, merging(dataset)
        if world.observer is not None:
            merge = world.observer.applying(self, merge)
        return Apply(
            dataset, "orders", self.name, lambda _: self.replica, self.parking, self.inbox, self.clock,
            world.unique, world.sleep, decide=merge, journal=self.journal,
        )  # fmt: skip
