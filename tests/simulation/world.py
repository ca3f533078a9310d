"""The simulated world: regions whose functions run as coroutines, switched at every I/O by one seeded scheduler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol

from greenlet import GreenletExit, getcurrent, greenlet

from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.errors import Throttled, Unavailable
from distributary.domain.image import Image
from distributary.domain.version import MICROSECONDS
from tests.simulation.choices import Choices
from tests.simulation.regions import Function, Process, Region
from tests.simulation.setting import HOUR, STEPS, YEAR, Setting

NAMES = ("ap-south-1", "eu-west-1", "eu-west-2", "sa-east-1", "us-east-1")
START = 1_750_000_000 * MICROSECONDS
TICKS = (0, 50_000, 100_000, 300_000)
LONG_TICKS = (HOUR // 3, 3 * HOUR, 20 * HOUR)
TIMEOUT = 60 * MICROSECONDS
SOON_EXPIRED = 23 * HOUR
AFTERWARDS = ("written", "remembered", "held", "sent", "noted", "advanced")
"""Accesses that have had their effect when they give others their turn."""


class Applications(Protocol):
    """Whoever writes the rows."""

    @property
    def keys(self) -> Sequence[Image]:
        """The keys of all rows."""

    def write(self, region: Any) -> None:
        """Make one write in a region."""

    def restate(self, region: Any) -> None:
        """Write every row again as it is, after a clock was repaired."""


class World(ABC):
    """Regions, writers and the scheduler. tell: is given a line for each thing that happens."""

    engine: ClassVar[Engine]
    regions: Sequence[Region]
    by_name: Mapping[str, Region]
    writers: Applications

    def __init__(self, choices: Choices, setting: Setting, tell: Callable[[str], None] | None = None) -> None:
        self.choices, self.setting, self.now = choices, setting, START
        names = NAMES[: setting.regions]
        self.dataset = self.described(Dataset("orders", self.engine, tuple(ReplicaSite(name) for name in names)))
        self.tell = tell
        self.writes = setting.writes
        self.faulty = True
        self.partitioned: set[str] = set()
        self.resumptions: list[Callable[[], bool]] = []
        self.processes: list[Process] = []
        self.regions = [self.region(name, skew) for name, skew in zip(names, setting.skews, strict=True)]
        self.by_name = {region.name: region for region in self.regions}
        self.queues = {region.name: region.inbox for region in self.regions}
        self.writers = self.applications()
        self.main = getcurrent()
        self.current: Process | None = None
        self._serial = 0
        self.ahead: Region | None = None
        self.repaired: Region | None = None

    def described(self, dataset: Dataset) -> Dataset:
        """The dataset, with policies of its own where it has some."""
        return dataset

    @abstractmethod
    def region(self, name: str, skew: int) -> Region:
        """A new region."""

    @abstractmethod
    def applications(self) -> Applications:
        """Those who write."""

    def happens(self, probability: float) -> bool:
        """Whether a fault strikes now."""
        return self.faulty and probability > 0 and self.choices.chance(probability)

    def unique(self) -> str:
        """A text that was not given before."""
        self._serial += 1
        return f"u{self._serial}"

    def io(self, access: str) -> None:
        """Called by the twins before and after each access: give others their turn, and perhaps fail."""
        directive = self.main.switch(access)
        if directive == "crash":
            raise GreenletExit
        if directive == "fail":
            raise Throttled(access) if len(access) % 2 else Unavailable(access)
        if access.startswith("send ") and access[5:] in self.partitioned:
            raise Unavailable(access)

    def sleep(self, seconds: float) -> None:
        """Let others have their turn; never fails."""
        del seconds
        self.io("sleep")

    def wait(self, free: Callable[[], bool]) -> None:
        """Let others have their turn until what the process waits for is over."""
        if self.current is not None:
            self.current.free = free
        self.io("wait")

    def start(self, name: str, run: Callable[[], Any], done: Callable[[Any], None], lost: Callable[[], None]) -> None:
        """Begin an invocation."""
        process = Process(name, greenlet(run), self.now, done, lost)
        process.resume = partial(self._resume, process)
        self.resumptions.append(process.resume)
        self.processes.append(process)
        self.note(lambda: f"invoke {name}")

    # --- the scheduler --------------------------------------------------------------------------------------------

    def run(self, limit: int = 60_000) -> bool:
        """Run until nothing is left to do; False when the world would not come to rest."""
        for _ in range(limit):
            self.choices.mark()
            self.now += self.choices.pick(TICKS)
            if not self._step():
                return True
        return False

    def _step(self) -> bool:
        if self.faulty and not self.writes:
            self._heal()
        slots: list[Callable[[], bool]] = [*self.resumptions]
        for region in self.regions:
            slots += region.turns()
        if self.writes and self.choices.chance(self.setting.haste):
            slots.append(self._write)
        while slots:
            if slots.pop(self.choices.below(len(slots)))():
                return True
        return self._write() if self.writes else self._wait()

    def _heal(self) -> None:
        self.faulty = False
        self.partitioned.clear()
        for region in self.regions:
            region.paused.clear()
        self.note(lambda: "all faults end")

    def _write(self) -> bool:
        """An application writes, and at times something happens to a region."""
        if self.setting.ahead is not None and self.ahead is None and self.repaired is None:
            self._go_ahead(self.regions[self.setting.ahead])
        self.writes -= 1
        region, faults = self.choices.pick(self.regions), self.setting.faults
        self.writers.write(region)
        if self.happens(faults.partition):
            self.partitioned = {self.choices.pick(self.regions).name} if self.choices.chance(0.5) else set()
            self.note(lambda: f"cut off: {sorted(self.partitioned) or 'nobody'}")
        if self.happens(faults.step):
            region.skew = region.usual_skew + self.choices.pick(STEPS)
            self.note(lambda: f"the clock of {region.name} is now off by {region.skew / MICROSECONDS:.1f} s")
        if self.happens(faults.split):
            region.split()
        if self.happens(faults.restart):
            region.restart()
        if self.happens(faults.pause):
            self._pause(self.choices.pick(self.regions))
        return True

    def _go_ahead(self, region: Region) -> None:
        """The clock of a region is a year ahead from now on. What it has not read would be lost, as in `_pause`."""
        if self.setting.writes - self.writes >= self.setting.after and region.oldest_unread() is None:
            region.shift(YEAR)
            self.ahead = region
            self.note(lambda: f"the clock of {region.name} is now a year ahead")

    def _pause(self, region: Region) -> None:
        """A function stands still for hours, or works again."""
        function = self.choices.pick(tuple(Function))
        region.paused ^= {function}
        tick = self.choices.pick(LONG_TICKS)
        unread = [oldest - each.skew for each in self.regions if (oldest := each.oldest_unread()) is not None]
        # What waits longer than a day in a stream is lost, and no protocol could help.
        if all(self.now + tick - oldest < SOON_EXPIRED for oldest in unread):
            self.now += tick
        self.note(lambda: f"paused in {region.name}: {sorted(each.value for each in region.paused)}; hours pass")

    def _wait(self) -> bool:
        """Nothing can be done now: let time pass to the next message, if there is one."""
        queues = [queue for region in self.regions for queue in (region.inbox, region.outbox)]
        times = [held.visible_at - queue.clock() for queue in queues for held in queue.messages.values()]
        if not times:
            return False
        self.now += max(1, min(times))
        return True

    def _resume(self, process: Process) -> bool:
        if process.free is not None and not process.free():
            return False
        process.free, self.current = None, process
        directive = self._directive(process)
        if directive != "go":
            self.note(lambda: f"{directive} at {process.access}: {process.name}")
        result = process.coroutine.switch(directive) if process.coroutine else process.coroutine.switch()
        if not process.coroutine.dead:
            process.access = result
            self.note(lambda: f"  {process.name}: {process.access}")
            if self.happens(self.setting.faults.abandon):
                self._give_up(process)
            return True
        self.resumptions.remove(process.resume)
        self.processes.remove(process)
        crashed = isinstance(result, GreenletExit)
        if crashed:
            process.lost()
        else:
            process.done(result)
        self.note(lambda: f"{'crashed' if crashed else 'ended'}: {process.name}")
        return True

    def _give_up(self, process: Process) -> None:
        """The poller gives an invocation up, but it goes on: another may get the same work beside it."""
        process.lost()
        process.done = lambda _: None
        process.lost = lambda: None
        self.note(lambda: f"given up, but still running: {process.name}")

    def _directive(self, process: Process) -> str:
        if not process.coroutine:
            return "go"
        if self.now - process.started > TIMEOUT:
            return "crash"
        faults = self.setting.faults
        if self.happens(faults.crash):
            return "crash"
        late = process.access.startswith(AFTERWARDS)
        fails = process.access != "sleep" and self.happens(faults.fail_after if late else faults.fail_before)
        return "fail" if fails else "go"

    def note(self, line: Callable[[], str]) -> None:
        """Tell what happens, if anybody listens."""
        if self.tell is not None:
            self.tell(line())
