"""The simulated world: regions whose functions run as coroutines, switched at every I/O by a seeded scheduler."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.memory.replica import MemoryReplica, MemoryTable
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.delivery import Arrival, Received
from distributary.domain.errors import Throttled, Unavailable
from distributary.domain.version import MICROSECONDS
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.forward import Forward
from tests.simulation.writers import Writers

NAMES = ("ap-south-1", "eu-west-1", "eu-west-2", "sa-east-1", "us-east-1")
START = 1_750_000_000 * MICROSECONDS
TICKS = (0, 50_000, 100_000, 300_000)
SKEWS = (0, 0, 0, -500_000, 500_000, -10_000_000, 10_000_000)
DEADLINE = 60_000


@dataclass(frozen=True)
class Faults:
    """Chances of what may go wrong at each I/O and each delivery, while faults last."""

    crash: float = 0.01
    fail_before: float = 0.01
    fail_after: float = 0.01
    duplicate: float = 0.1
    rewind: float = 0.03


@dataclass
class Region:
    """One replica with its table, queues and functions."""

    name: str
    skew: int
    world: World
    table: MemoryTable = field(init=False)
    replica: MemoryReplica = field(init=False)
    inbox: MemoryQueue = field(init=False)
    outbox: MemoryQueue = field(init=False)
    parking: MemoryParking = field(init=False)
    position: int = 0
    capturing: Process | None = None

    def __post_init__(self) -> None:
        shape = self.world.random
        wide, whole = shape.random() < 0.2, shape.random() < 0.3
        self.table = MemoryTable(self.clock, wide=wide, replaces_whole=whole)
        self.replica = MemoryReplica(self.table, pause=self.world.io)
        self.inbox = MemoryQueue(self.clock)
        self.outbox = MemoryQueue(self.clock)
        self.parking = MemoryParking(pause=self.world.io)

    def clock(self) -> int:
        """Microseconds, as this region sees them."""
        return self.world.now + self.skew


@dataclass
class Process:
    """One invocation of a function, and what is done when it ends."""

    coroutine: greenlet
    region: Region
    done: Callable[[Any], None]
    lost: Callable[[], None]


class World:
    """Regions, writers, and the scheduler."""

    def __init__(self, seed: int, writes: int, kinds: str = "u", regions: int | None = None) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.now = START
        count = regions or 2 + seed % 3
        self.dataset = Dataset("orders", Engine.DYNAMODB, tuple(ReplicaSite(name) for name in NAMES[:count]))
        self.regions = [Region(name, self.random.choice(SKEWS), self) for name in NAMES[:count]]
        self.by_name = {region.name: region for region in self.regions}
        self.faults = Faults()
        self.faulty = True
        self.partitioned: set[str] = set()
        self.processes: list[Process] = []
        self.writes = writes
        self.writers = Writers(self.random, kinds)
        self.main = getcurrent()
        self._serial = 0

    def unique(self) -> str:
        """A text that was not given before."""
        self._serial += 1
        return f"u{self._serial}"

    def io(self, access: str) -> None:
        """Called by the twins at each access: give others their turn, and perhaps fail."""
        directive = self.main.switch()
        if directive == "crash":
            raise GreenletExit
        if directive == "fail" and access != "sleep":
            raise Throttled(access) if len(access) % 2 else Unavailable(access)
        if access.startswith("send ") and access[5:] in self.partitioned:
            raise Unavailable(access)

    def sleep(self, seconds: float) -> None:
        """Let others have their turn; never fails."""
        del seconds
        self.io("sleep")

    # --- the functions of a region -------------------------------------------------------------------------------

    def capture(self, region: Region) -> Process:
        """Invoke capture on the next records."""
        size = self.random.choice((1, 1, 2, 3, 5))
        start = region.position
        records = region.table.stream[start : start + size]
        arrivals = [Arrival(str(record.sequence), record, {}) for record in records]
        service: Capture = Capture(
            self.dataset, "orders", region.name, region.replica, self.inboxes(), self.held(region),
            region.parking, region.clock, self.unique,
        )  # fmt: skip

        def done(report: Any) -> None:
            region.capturing = None
            taken = len(records)
            if report.failure is not None:
                taken = [arrival.position for arrival in arrivals].index(report.failure.position)
            region.position = start + taken
            if self.faulty and self.random.random() < self.faults.rewind:
                region.position = max(0, region.position - self.random.choice((1, 1, 2, 5)))

        def lost() -> None:
            region.capturing = None

        remaining = 0 if self.faulty and self.random.random() < 0.01 else DEADLINE
        process = self._spawn(region, lambda: service.run(arrivals, lambda: remaining), done, lost)
        region.capturing = process
        return process

    def apply(self, region: Region) -> Process:
        """Invoke apply on some visible messages."""
        messages = self._receive(region.inbox)
        service = Apply(
            self.dataset, "orders", region.name, region.replica, region.parking, region.inbox,
            region.clock, self.unique, self.sleep,
        )  # fmt: skip
        return self._consume(region, region.inbox, messages, lambda: service.run(messages, lambda: DEADLINE))

    def forward(self, region: Region) -> Process:
        """Invoke forward on some visible messages."""
        messages = self._receive(region.outbox)
        service = Forward(self.dataset, self.inboxes(), region.parking, region.outbox, region.clock)
        return self._consume(region, region.outbox, messages, lambda: service.run(messages, lambda: DEADLINE))

    def inboxes(self) -> MemoryInboxes:
        """The inboxes of all regions."""
        return MemoryInboxes({other.name: other.inbox for other in self.regions}, self.io)

    def held(self, region: Region) -> MemoryOutbox:
        """The outbox of a region."""
        return MemoryOutbox(region.outbox, self.io)

    def _receive(self, queue: MemoryQueue) -> list[Received]:
        visible = queue.visible()
        chosen = self.random.sample(visible, min(len(visible), self.random.choice((1, 1, 2, 4))))
        return [queue.receive(name) for name in chosen]

    def _consume(self, region: Region, queue: MemoryQueue, messages: list[Received], run: Callable[[], Any]) -> Process:
        def done(report: Any) -> None:
            for message in messages:
                again = self.faulty and self.random.random() < self.faults.duplicate
                if message.id not in report.failed and not again:
                    queue.delete(message.id)

        return self._spawn(region, run, done, lambda: None)

    def _spawn(
        self, region: Region, run: Callable[[], Any], done: Callable[[Any], None], lost: Callable[[], None]
    ) -> Process:
        process = Process(greenlet(run), region, done, lost)
        self.processes.append(process)
        return process

    # --- the scheduler --------------------------------------------------------------------------------------------

    def run(self, limit: int = 60_000) -> bool:
        """Run until nothing is left to do; False when the world would not come to rest."""
        for _ in range(limit):
            self.now += self.random.choice(TICKS)
            if not self._step():
                return True
        return False

    def _step(self) -> bool:
        self.faulty = self.writes > 0
        if not self.faulty:
            self.partitioned.clear()
        actions: list[Callable[[], Any]] = []
        if self.writes:
            actions.append(self._write)
        for region in self.regions:
            if region.capturing is None and region.position < len(region.table.stream):
                actions.append(lambda region=region: self.capture(region))  # type: ignore[misc]
            if region.inbox.visible():
                actions.append(lambda region=region: self.apply(region))  # type: ignore[misc]
            if region.outbox.visible():
                actions.append(lambda region=region: self.forward(region))  # type: ignore[misc]
        actions += [lambda process=process: self._resume(process) for process in self.processes]  # type: ignore[misc]
        if not actions:
            return self._wait()
        self.random.choice(actions)()
        return True

    def _write(self) -> None:
        self.writes -= 1
        self.writers.write(self.random.choice(self.regions))
        if self.random.random() < 0.1:
            self.partitioned = {self.random.choice(self.regions).name} if self.random.random() < 0.5 else set()

    def _wait(self) -> bool:
        """Nothing can be done now: let time pass to the next message, if there is one."""
        queues = [queue for region in self.regions for queue in (region.inbox, region.outbox)]
        times = [held.visible_at - queue.clock() for queue in queues for held in queue.messages.values()]
        if not times:
            return False
        self.now += max(1, min(times))
        return True

    def _resume(self, process: Process) -> None:
        directive = "go"
        if self.faulty and process.coroutine:
            chance = self.random.random()
            if chance < self.faults.crash:
                directive = "crash"
            elif chance < self.faults.crash + self.faults.fail_before + self.faults.fail_after:
                directive = "fail"
        result = process.coroutine.switch(directive) if process.coroutine else process.coroutine.switch()
        if not process.coroutine.dead:
            return
        self.processes.remove(process)
        if isinstance(result, GreenletExit):
            process.lost()
        else:
            process.done(result)
