"""A site: one replica of three in memory, with an application, our services and a clock that only the test moves."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.memory.replica import MemoryTable
from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.delivery import Arrival
from distributary.domain.errors import DistributaryError
from distributary.domain.image import STAMP_ATTRIBUTE, Image, key_text
from distributary.domain.merge import Merged, merge
from distributary.domain.message import pack
from distributary.domain.place import Place
from distributary.domain.row import Row, Tombstone
from distributary.domain.settlement import Settled, settle
from distributary.domain.stamp import UNKNOWN, Stamp, Writer, stamped
from distributary.domain.steps import Decision
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, STAMPING_SEQUENCE, Context, Version
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.forward import Forward
from distributary.services.rounds import run
from tests.unit.refusals import RefusingReplica

SECOND = MICROSECONDS
HOME, PEER, FAR = "us-east-1", "eu-west-1", "ap-southeast-2"
NOW = 1_767_225_600 * SECOND
ORDERS = Dataset("orders", Engine.DYNAMODB, tuple(map(ReplicaSite, (HOME, PEER, FAR))))
PLENTY = 60_000
"""Milliseconds that a function has left at its start."""
ENDLESS = 1_000
"""More records than any test's stream has."""


def plenty() -> int:
    """A deadline that is far away."""
    return PLENTY


def key(pk: str = "a") -> Image:
    """The key of a row of the dataset."""
    return {"pk": {"S": pk}}


def item(pk: str = "a", **attributes: Any) -> Image:
    """A row of the dataset: texts as they are, all else as numbers."""
    typed = {name: {"S": v} if isinstance(v, str) else {"N": str(v)} for name, v in attributes.items()}
    return {**key(pk), **typed}


T = TypeVar("T")


@dataclass
class Site:
    """One replica. Each action of its application costs a second, so that records differ in their times."""

    region: str = HOME
    dataset: Dataset = ORDERS
    now: int = NOW
    taken: int = 0
    serial: count[int] = field(default_factory=count)
    interruptions: dict[str, deque[Callable[[], object]]] = field(default_factory=lambda: defaultdict(deque))
    accesses: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    recorded: list[Conflict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = MemoryTable(self.clock)
        self.replica = RefusingReplica(self.table, pause=self._access)
        self.queues = {region: MemoryQueue(self.clock) for region in self.dataset.regions}
        self.inbox = self.queues[self.region]
        self.inboxes = MemoryInboxes(self.queues, pause=self._access)
        self.held = MemoryQueue(self.clock)
        self.outbox = MemoryOutbox(self.held, pause=self._access)
        self.parking = MemoryParking(pause=self._access)

    # --- the world around it

    def clock(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._access("sleep")

    def unique(self) -> str:
        return f"unique{next(self.serial)}"

    def interrupt(self, access: str, *actions: Callable[[], object]) -> None:
        """Do something else at the next accesses of that kind, one action each, just before it happens."""
        self.interruptions[access].extend(actions)

    def fail(self, access: str, error: DistributaryError, times: int = 1) -> None:
        """Raise an error at the next accesses of that kind."""

        def strike() -> None:
            raise error

        self.interrupt(access, *[strike] * times)

    def _access(self, access: str) -> None:
        self.accesses.append(access)
        if self.interruptions[access]:
            self.interruptions[access].popleft()()

    # --- the application, which knows nothing of stamps unless a test says so

    def put(self, pk: str = "a", **attributes: Any) -> None:
        self.put_image(item(pk, **attributes))

    def put_image(self, image: Image) -> None:
        self.now += SECOND
        self.table.write({"pk": image["pk"]}, image)

    def update(self, pk: str = "a", **attributes: Any) -> None:
        self.put_image({**(self.table.get(key(pk)) or {}), **item(pk, **attributes)})

    def delete(self, pk: str = "a", *, expired: bool = False) -> None:
        self.now += SECOND
        self.table.write(key(pk), None, expired=expired)

    def put_stamped(self, pk: str = "a", timestamp: int | None = None, digest: str | None = None, **more: Any) -> None:
        """Write as `ReplicatedModel` does, with the clock's time or a given one."""
        old = self.row(pk)
        version = Version(timestamp or self.now + SECOND, STAMPING_SEQUENCE + 7, self.region)
        context = (old.context if old else NOTHING_SEEN).including(version)
        content = item(pk, **more)
        digest = Row(content).digest if digest is None else digest
        self.put_image(stamped(content, Stamp(version, context, Writer.APPLICATION, digest, UNKNOWN)))

    # --- what it holds

    def row(self, pk: str = "a") -> Row | None:
        image = self.table.get(key(pk))
        return Row(image) if image is not None else None

    def present(self, pk: str = "a") -> Row:
        row = self.row(pk)
        assert row is not None, "the row is absent"
        return row

    def content(self, pk: str = "a") -> Image | None:
        row = self.row(pk)
        return row.content if row else None

    def tombstone(self, pk: str = "a") -> Tombstone | None:
        return self.replica.tombstones.get(key_text(key(pk)))

    def state(self, pk: str = "a") -> tuple[Image | None, Version | None]:
        """What converges: content and version."""
        row = self.row(pk)
        return (row.content, row.version) if row else (None, None)

    # --- our decisions, one at a time

    def place(self) -> Place:
        return Place(self.dataset.name, "orders", self.region, self.now, self.dataset.max_clock_drift, self.unique())

    def settle(self, record: StreamRecord, **options: bool) -> Settled:
        return self._decide(record.key, settle(record, self.place(), **options))

    def merge(self, change: Change, *, take_unsettled: bool = False) -> Merged:
        return self._decide(change.key, merge(change, self.place(), take_unsettled=take_unsettled))

    def _decide(self, row: Image, decision: Decision[T]) -> T:
        (result,) = run(self.replica, [(row, decision)], self._record)
        if isinstance(result, DistributaryError):
            raise result
        return result

    def _record(self, conflicts: Sequence[Conflict]) -> None:
        self._access("record")
        self.recorded.extend(conflicts)

    def last(self) -> StreamRecord:
        """The newest record of the change stream."""
        return self.table.stream[-1]

    def next(self) -> StreamRecord:
        """The first record that no `settle_all` has taken yet."""
        return self.table.stream[self.taken]

    def settle_all(self) -> list[Settled]:
        """Work off the change stream to its end, our own echoes included."""
        done: list[Settled] = []
        while self.taken < len(self.table.stream):
            assert len(done) < ENDLESS, "our own writes are taken for an application's, again and again"
            done.append(self.settle(self.next()))
            self.taken += 1
        return done

    def changes(self) -> list[Change]:
        """Work off the change stream; what is to be shipped."""
        return [settled.change for settled in self.settle_all() if settled.change is not None]

    def change(self) -> Change:
        """Work off the change stream, of which exactly one change is to be shipped."""
        (change,) = self.changes()
        return change

    # --- our services

    def capture(self, **options: Any) -> Capture:
        return Capture(
            self.dataset, "orders", self.region, self.replica, self.inboxes, self.outbox, self.parking,
            self.clock, self.unique, **options,
        )  # fmt: skip

    def apply(self, **options: Any) -> Apply:
        parts: Mapping[str, Any] = {
            "replica_of": lambda _: self.replica,
            "parking": self.parking,
            "waiting": self.inbox,
        } | options
        return Apply(
            dataset=self.dataset, table="orders", region=self.region,
            clock=self.clock, unique=self.unique, sleep=self.sleep, **parts,
        )  # fmt: skip

    def forward(self) -> Forward:
        return Forward(self.dataset, self.inboxes, self.parking, self.held, self.clock)

    def arrivals(self) -> list[Arrival]:
        """The whole change stream as an event source delivers it."""
        return [Arrival(str(each.sequence), each, {"sequence": each.sequence}) for each in self.table.stream]


def stamp_image(content: Image, version: Version, context: Context = NOTHING_SEEN, link: str = UNKNOWN) -> Image:
    """A row as replication writes it."""
    stamp = Stamp(version, context.including(version), Writer.REPLICATION, Row(content).digest, link)
    return stamped(content, stamp)


def stamp_text(image: Image) -> str:
    """The stamp of an image to the letter."""
    text: str = image[STAMP_ATTRIBUTE]["S"]
    return text


def message(*changes: Change, home: str = PEER, dataset: Dataset = ORDERS) -> str:
    """One inbox message with these changes."""
    (text,) = pack(dataset, home, changes)
    return text


def change_of(pk: str = "a", at: int = NOW, home: str = PEER, *, sequence: int = 1, **attributes: Any) -> Change:
    """A put of another region."""
    return _change(pk, item(pk, **attributes), Version(at, sequence, home), NOTHING_SEEN)


def deletion_of(pk: str = "a", at: int = NOW, home: str = PEER, *, sequence: int = 1) -> Change:
    """A deletion of another region."""
    return _change(pk, None, Version(at, sequence, home), NOTHING_SEEN)


def knowing(change: Change, *seen: Version) -> Change:
    """The change of a writer that had seen these versions."""
    context = Context()
    for version in seen:
        context = context.including(version)
    return _change(change.key["pk"]["S"], change.image, change.version, context)


def _change(pk: str, image: Image | None, version: Version, context: Context) -> Change:
    home, source = version.region, str(version.sequence)
    return Change("orders", "orders", key(pk), image, version, context.including(version), home, source, NOW)
