"""At-least-once queues in memory, and the ports over them, for tests and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from distributary.adapters.memory.replica import proceed
from distributary.domain.delivery import Received
from distributary.domain.parcel import Parcel
from distributary.domain.version import MICROSECONDS


@dataclass
class _Held:
    """A message in a queue. visible_at: microseconds."""

    body: str
    attributes: Mapping[str, str]
    visible_at: int = 0
    receives: int = 0
    first_received_at: int = 0


@dataclass
class MemoryQueue:
    """A standard queue: no order, at least once. clock: microseconds. visibility: microseconds.

    max_receives: a message that was received so often and not deleted becomes a dead letter when it is due again.
    """

    clock: Callable[[], int]
    visibility: int = 360 * MICROSECONDS
    max_receives: int = 1000
    messages: dict[str, _Held] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    _ids: count[int] = field(default_factory=count)

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Put a message in."""
        self.messages[f"m{next(self._ids)}"] = _Held(body, attributes or {})

    def visible(self) -> list[str]:
        """The ids of the messages that could be received now."""
        if not self.messages:
            return []
        now = self.clock()
        due = [name for name, held in self.messages.items() if held.visible_at <= now]
        for name in [name for name in due if self.messages[name].receives >= self.max_receives]:
            self.dead.append(self.messages.pop(name).body)
            due.remove(name)
        return due

    def receive(self, name: str, *, hidden: bool = True) -> Received:
        """Receive one message by its id; it stays, invisible, until deleted or until its time comes.

        hidden: False where the queue delivers it a second time at once, as a standard queue may.
        """
        held, now = self.messages[name], self.clock()
        held.receives += 1
        held.first_received_at = held.first_received_at or now
        held.visible_at = now + self.visibility if hidden else now
        return Received(name, name, held.body, held.receives, held.first_received_at, held.attributes)

    def postpone(self, receipt: str, seconds: int) -> None:
        """`ports.Waiting`."""
        if receipt in self.messages:
            self.messages[receipt].visible_at = self.clock() + seconds * MICROSECONDS

    def delete(self, name: str) -> None:
        """A message was worked off."""
        self.messages.pop(name, None)


@dataclass
class MemoryInboxes:
    """`ports.Inboxes` over one queue a region. pause: called before and after each message; it may raise."""

    queues: Mapping[str, MemoryQueue]
    pause: Callable[[str], None] = proceed

    def send(self, region: str, messages: Sequence[str]) -> None:
        """See `ports.Inboxes`."""
        for message in messages:
            self.pause(f"send {region}")
            self.queues[region].send(message)
            self.pause(f"sent {region}")


@dataclass
class MemoryOutbox:
    """`ports.Outbox` over one queue."""

    queue: MemoryQueue
    pause: Callable[[str], None] = proceed

    def hold(self, region: str, messages: Sequence[str]) -> None:
        """See `ports.Outbox`."""
        for message in messages:
            self.pause("hold")
            self.queue.send(message, {"destination": region})
            self.pause("held")


@dataclass
class MemoryParking:
    """`ports.Parking` as a list."""

    parcels: list[Parcel] = field(default_factory=list)
    pause: Callable[[str], None] = proceed

    def park(self, parcels: Sequence[Parcel]) -> None:
        """See `ports.Parking`."""
        self.pause("park")
        self.parcels.extend(parcels)


@dataclass
class MemoryParked:
    """`ports.Parked` over what `MemoryParking` keeps."""

    parking: MemoryParking

    def take(self, limit: int) -> Sequence[tuple[str, Parcel]]:
        """See `ports.Parked`; receipts are places in the list."""
        return [(str(place), parcel) for place, parcel in enumerate(self.parking.parcels[:limit])]

    def discard(self, receipt: str) -> None:
        """See `ports.Parked`; discard the last first, since places move up."""
        del self.parking.parcels[int(receipt)]

    def put_back(self, receipt: str) -> None:
        """See `ports.Parked`; it has never been away."""
