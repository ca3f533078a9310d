"""A database's log in memory, with an application and everything that capture hands its changes to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from distributary.adapters.memory.journal import MemoryJournal
from distributary.adapters.memory.log import Committed, MemoryLog
from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.memory.replica import MemoryReplica, MemoryTable
from distributary.domain.alert import Alert
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.errors import DistributaryError, UnknownTable
from distributary.domain.facts import LogReport
from distributary.domain.image import Image
from distributary.domain.logged import Logged
from distributary.domain.message import unpack
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, Version
from distributary.ports import Replica
from distributary.services import capture_log
from distributary.services.capture_log import CaptureLog
from distributary.services.handover import HandOver

HOME, PEER, FAR = "us-east-1", "eu-west-1", "ap-southeast-2"
SHOP = Dataset("shop", Engine.AURORA, tuple(map(ReplicaSite, (HOME, PEER, FAR))))
TABLE = '"public"."orders"'
NOW = 1_767_225_600 * MICROSECONDS


@dataclass
class Announced:
    """`ports.Announcements` in memory."""

    alerts: list[Alert] = field(default_factory=list)
    trouble: DistributaryError | None = None

    def announce(self, alerts: Sequence[Alert]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.alerts.extend(alerts)


@dataclass
class World:
    """A database's log and everything that capture hands its changes to. strikes: the accesses that fail, in turn.

    in_blocks: whether the log tells whole rows in blocks.
    """

    in_blocks: bool = False
    now: int = NOW
    strikes: deque[DistributaryError | None] = field(default_factory=deque)
    failing: Callable[[str], bool] = lambda _: True
    missing_tables: set[str] = field(default_factory=set)
    slept: list[float] = field(default_factory=list)
    accesses: list[str] = field(default_factory=list)
    announced: Announced = field(default_factory=Announced)
    serial: int = 0

    def __post_init__(self) -> None:
        self.log = MemoryLog(in_blocks=self.in_blocks, pause=self.access)
        self.queues = {region: MemoryQueue(self.clock) for region in SHOP.regions}
        self.held = MemoryQueue(self.clock)
        self.parking = MemoryParking(pause=self.access)
        self.journal = MemoryJournal(SHOP.name, pause=self.access)
        self.table = MemoryTable(self.clock)
        self.replica: Replica = MemoryReplica(self.table, pause=self.access)

    def clock(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * MICROSECONDS)

    def access(self, what: str) -> None:
        """Counts, and fails where the test wants it."""
        self.accesses.append(what)
        if self.strikes and self.failing(what) and (error := self.strikes.popleft()) is not None:
            raise error

    def replica_of(self, table: str) -> Replica:
        if table in self.missing_tables:
            raise UnknownTable(table)
        return self.replica

    # --- the application

    def commit(self, *writes: Logged, echoes: int = 0, alerts: tuple[Alert, ...] = ()) -> None:
        self.log.slot.committed.append(Committed(writes, echoes, alerts))

    def write(self, key: int, value: str | None = "x", **options: object) -> Logged:
        """A write of the application, with the next version."""
        self.serial += 1
        version = Version(NOW + self.serial, 0, HOME)
        context = NOTHING_SEEN.including(version)
        name: Image = {"id": {"S": str(key)}}
        image = {**name, "v": {"S": value}} if value is not None else None
        change = Change(SHOP.name, TABLE, name, image, version, context, HOME, "0/0 1", NOW)
        return replace(Logged(change, Stamp(version, context, Writer.APPLICATION).text()), **options)  # type: ignore[arg-type]

    # --- capture

    def service(self) -> CaptureLog:
        handover = HandOver(SHOP, HOME, MemoryInboxes(self.queues, self.access), MemoryOutbox(self.held, self.access))
        return CaptureLog(
            SHOP, HOME, self.log, self.log, self.replica_of, handover, self.parking, self.announced, self.clock,
            self.sleep, journal=self.journal,
        )  # fmt: skip

    def call(self, *, seconds: int = 30) -> list[LogReport]:
        """One call of the function, with so much time left beyond the reserve."""
        deadline = self.now + seconds * MICROSECONDS + capture_log.RESERVE * 1000
        return list(self.service().run(lambda: (deadline - self.now) // 1000))

    def arrived(self, region: str = PEER) -> list[Change]:
        """What a peer has or will have: in its inbox, or in the outbox for it."""
        bodies = [held.body for held in self.queues[region].messages.values()]
        bodies += [held.body for held in self.held.messages.values() if held.attributes.get("destination") == region]
        return [change for body in bodies for change in unpack(body, SHOP)]
