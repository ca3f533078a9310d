"""One simulated replica: its table, stream, queues and functions, and the invocations that are under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from greenlet import greenlet

from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.memory.replica import MemoryReplica, MemoryTable
from distributary.adapters.memory.shards import MemoryShard, MemoryShards
from distributary.domain.delivery import Arrival, Received
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.forward import Forward

if TYPE_CHECKING:
    from tests.simulation.world import World

PLENTY = 60_000


class Function(Enum):
    """The functions of a stack."""

    CAPTURE = "capture"
    APPLY = "apply"
    FORWARD = "forward"


@dataclass(eq=False)
class Process:
    """One invocation. access: where it stands. done: called with its answer. lost: called when it ends without one.

    resume: lets it go on to its next access.
    """

    name: str
    coroutine: greenlet
    started: int
    done: Callable[[Any], None]
    lost: Callable[[], None]
    access: str = "start"
    resume: Callable[[], bool] = field(init=False)


@dataclass(eq=False)
class Region:
    """One replica. skew: of its clock, microseconds; after a step it is off from the usual one.

    busy: shards whose records an invocation has in hand.
    """

    name: str
    skew: int
    world: World
    table: MemoryTable = field(init=False)
    replica: MemoryReplica = field(init=False)
    shards: MemoryShards = field(init=False)
    inbox: MemoryQueue = field(init=False)
    outbox: MemoryQueue = field(init=False)
    parking: MemoryParking = field(init=False)
    paused: set[Function] = field(default_factory=set)
    busy: set[MemoryShard] = field(default_factory=set)
    usual_skew: int = 0

    def __post_init__(self) -> None:
        self.usual_skew = self.skew
        choices = self.world.choices
        wide, whole = choices.chance(0.2), choices.chance(0.3)
        self.table = MemoryTable(self.clock, wide=wide, replaces_whole=whole)
        self.replica = MemoryReplica(self.table, pause=self.world.io)
        self.shards = MemoryShards(self.table.stream, self.clock)
        self.inbox, self.outbox = MemoryQueue(self.clock), MemoryQueue(self.clock)
        self.parking = MemoryParking(pause=self.world.io)
        self._turns: dict[Function, Callable[[], bool]] = {each: partial(self.invoke, each) for each in Function}

    def shift(self, by: int) -> None:
        """Set the clock forward, or back, for good."""
        self.usual_skew += by
        self.skew = self.usual_skew

    def clock(self) -> int:
        """Microseconds, as this region sees them."""
        return self.world.now + self.skew

    def turns(self) -> list[Callable[[], bool]]:
        """The functions that may have something to do; whether they have is found out when it is their turn."""
        found: list[Callable[[], bool]] = [self._turns[Function.APPLY]] if self.inbox.messages else []
        if not self.shards.idle:
            found.append(self._turns[Function.CAPTURE])
        if self.outbox.messages:
            found.append(self._turns[Function.FORWARD])
        return found

    def invoke(self, function: Function) -> bool:
        """Invoke a function if it has something to do; False where it has not, or stands still."""
        if function in self.paused:
            return False
        if function is Function.CAPTURE:
            shards = [shard for shard in self.shards.readable() if shard not in self.busy]
            if shards:
                self.capture(self.world.choices.pick(shards) if len(shards) > 1 else shards[0])
            return bool(shards)
        queue, call = (self.inbox, self.apply) if function is Function.APPLY else (self.outbox, self.forward)
        visible = queue.visible()
        if visible:
            call(visible)
        return bool(visible)

    def capture(self, shard: MemoryShard) -> None:
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

    def apply(self, visible: list[str]) -> None:
        """Invoke apply on some of the visible messages."""
        messages = self._receive(self.inbox, visible)
        service = self.applying()
        self._consume("apply", self.inbox, messages, lambda: service.run(messages, lambda: PLENTY))

    def forward(self, visible: list[str]) -> None:
        """Invoke forward on some of the visible messages."""
        messages = self._receive(self.outbox, visible)
        inboxes = MemoryInboxes(self.world.queues, self.world.io)
        service = Forward(self.world.dataset, inboxes, self.parking, self.outbox, self.clock)
        self._consume("forward", self.outbox, messages, lambda: service.run(messages, lambda: PLENTY))

    def capturing(self) -> Capture:
        """The capture service of this region."""
        world = self.world
        return Capture(
            world.dataset, "orders", self.name, self.replica, MemoryInboxes(world.queues, world.io),
            MemoryOutbox(self.outbox, world.io), self.parking, self.clock, world.unique,
        )  # fmt: skip

    def applying(self) -> Apply:
        """The apply service of this region."""
        world = self.world
        return Apply(
            world.dataset, "orders", self.name, lambda _: self.replica, self.parking, self.inbox, self.clock,
            world.unique, world.sleep,
        )  # fmt: skip

    def _receive(self, queue: MemoryQueue, visible: list[str]) -> list[Received]:
        world = self.world
        chosen = world.choices.some(visible, world.choices.pick((1, 1, 2, 4)))
        return [queue.receive(name, hidden=not world.happens(world.setting.faults.duplicate)) for name in chosen]

    def _consume(self, what: str, queue: MemoryQueue, messages: list[Received], run: Callable[[], Any]) -> None:
        world = self.world

        def done(report: Any) -> None:
            for message in messages:
                if message.id not in report.failed and not world.happens(world.setting.faults.duplicate):
                    queue.delete(message.id)

        world.start(f"{what} {[message.id for message in messages]} in {self.name}", run, done, lambda: None)
