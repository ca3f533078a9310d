"""One simulated replica: its queues and functions, whatever its database, and the invocations that are under way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from greenlet import greenlet

from distributary.adapters.memory.queues import MemoryInboxes, MemoryParking, MemoryQueue
from distributary.domain.delivery import Received
from distributary.services.apply import Apply
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

    resume: lets it go on to its next access. free: none, or whether what it waits for is over.
    """

    name: str
    coroutine: greenlet
    started: int
    done: Callable[[Any], None]
    lost: Callable[[], None]
    access: str = "start"
    free: Callable[[], bool] | None = None
    resume: Callable[[], bool] = field(init=False)


@dataclass(eq=False)
class Region(ABC):
    """One replica. skew: of its clock, microseconds; after a step it is off from the usual one."""

    name: str
    skew: int
    world: World
    inbox: MemoryQueue = field(init=False)
    outbox: MemoryQueue = field(init=False)
    parking: MemoryParking = field(init=False)
    paused: set[Function] = field(default_factory=set)
    usual_skew: int = 0

    def __post_init__(self) -> None:
        self.usual_skew = self.skew
        self.prepare()
        self.inbox, self.outbox = MemoryQueue(self.clock), MemoryQueue(self.clock)
        self.parking = MemoryParking(pause=self.world.io)
        self._turns: dict[Function, Callable[[], bool]] = {each: partial(self.invoke, each) for each in Function}

    @abstractmethod
    def prepare(self) -> None:
        """Set the database up."""

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Whether there is certainly nothing for capture to read."""

    @abstractmethod
    def capture(self) -> bool:
        """Invoke capture if there is something for it; False where there is not."""

    @abstractmethod
    def applying(self) -> Apply:
        """The apply service of this region."""

    @abstractmethod
    def oldest_unread(self) -> int | None:
        """When the oldest write that capture has not read was made; none where nothing of it can expire."""

    @abstractmethod
    def split(self) -> None:
        """Something happens in the database that changes how its writes are told."""

    @abstractmethod
    def restart(self) -> None:
        """Capture starts again at what it had read before."""

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
        if not self.idle:
            found.append(self._turns[Function.CAPTURE])
        if self.outbox.messages:
            found.append(self._turns[Function.FORWARD])
        return found

    def invoke(self, function: Function) -> bool:
        """Invoke a function if it has something to do; False where it has not, or stands still."""
        if function in self.paused:
            return False
        if function is Function.CAPTURE:
            return self.capture()
        queue, call = (self.inbox, self.apply) if function is Function.APPLY else (self.outbox, self.forward)
        visible = queue.visible()
        if visible:
            call(visible)
        return bool(visible)

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
