"""Replicas whose databases stamp every write and keep a log, as PostgreSQL does, and the function that follows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from distributary.adapters.memory.journal import MemoryJournal
from distributary.adapters.memory.log import Committed, MemoryLog, Slot
from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox
from distributary.adapters.memory.stamped_bulk import StampedBulk
from distributary.adapters.memory.stamped_replica import StampedReplica
from distributary.adapters.memory.stamped_table import Committed as Write
from distributary.adapters.memory.stamped_table import StampedTable, Transaction
from distributary.domain.alert import Alert
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset, Engine
from distributary.domain.image import content_of, key_text
from distributary.domain.logged import Logged
from distributary.domain.policies import check_triggers
from distributary.domain.stamp import Stamp, Writer, stamped
from distributary.domain.state_texts import document_of_row
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, Version
from distributary.services.apply import Apply
from distributary.services.bulk_merge import BulkMerge
from distributary.services.capture_log import CaptureLog
from distributary.services.deciding import merging_stamped, stamped_lattice
from distributary.services.handover import HandOver
from tests.simulation.choices import Choices
from tests.simulation.log_conflicts import LogConflicts
from tests.simulation.regions import PLENTY, Region
from tests.simulation.setting import Setting
from tests.simulation.transactions import LARGE, Clients
from tests.simulation.world import World

TABLE = '"public"."orders"'
LOOKS = (4, 4, 8, 2, 16)
"""How often a call looks at the time that it has left, before it has none."""


class LogWorld(World):
    """The world of such replicas. in_bulk: what is plain is merged many rows at a time."""

    observer: LogConflicts | None = None
    in_bulk = False
    engine = Engine.AURORA
    regions: Sequence[LogRegion]
    writers: Clients

    def __init__(self, choices: Choices, setting: Setting, tell: Callable[[str], None] | None = None) -> None:
        self.in_bulk = self.draws_bulk(choices, setting)
        super().__init__(choices, setting, tell)

    def draws_bulk(self, choices: Choices, setting: Setting) -> bool:
        """Whether it is so; without a choice of its own, so that records from before play the same history."""
        del choices
        return setting.rows > 1

    def region(self, name: str, skew: int) -> LogRegion:
        """See `World`."""
        return LogRegion(name, skew, self)

    def applications(self) -> Clients:
        """See `World`. Some rows are there before anything happens."""
        clients = self.clients()
        for key in clients.keys:
            if self.choices.chance(0.6):
                version = Version(self.now - 100 * MICROSECONDS, 0, self.regions[0].name)
                stamp = Stamp(version, NOTHING_SEEN.including(version), Writer.REPLICATION)
                for region in self.regions:
                    region.table.rows[key_text(key)] = stamped({**key, "a": {"S": "0"}, "big": {"S": "0"}}, stamp)
        return clients

    def clients(self) -> Clients:
        """The applications themselves."""
        return Clients(self)


class Silence:
    """`ports.Announcements` that reach nobody."""

    def announce(self, alerts: Sequence[Alert]) -> None:
        """See `ports.Announcements`."""


@dataclass(eq=False)
class LogRegion(Region):
    """One such replica. size: writes of a portion. reading: the log as the call that is under way sees it.

    newest: the position behind the last transaction that tells of anything to do.
    """

    world: LogWorld
    table: StampedTable = field(init=False)
    replica: StampedReplica = field(init=False)
    slot: Slot = field(init=False)
    journal: MemoryJournal = field(init=False)
    size: int = 2
    newest: int = 0
    reading: MemoryLog | None = None

    def prepare(self) -> None:
        """See `Region`."""
        self.size = self.world.choices.pick((2, 1, 5))
        drift = self.world.dataset.max_clock_drift
        lattice = stamped_lattice(self.dataset_of("triggers"), TABLE)
        self.table = StampedTable(
            self.name, self.clock, drift, LARGE, waiting=self._wait, told=self._log, lattice=lattice
        )
        self.replica = StampedReplica(self.table, pause=self.world.io)
        self.slot = Slot(rows=self.table.rows)
        # It does not give others their turn: a call that ends at the write that follows has recorded and not written.
        self.journal = MemoryJournal(self.world.dataset.name)

    def dataset_of(self, function: str) -> Dataset:
        """As the file describes it with which something was deployed here. function: capture, apply or triggers."""
        del function
        return self.world.dataset

    @property
    def bulk(self) -> BulkMerge | None:
        """What merges many rows at a time, if anything does."""
        if not self.world.in_bulk:
            return None
        told = self.dataset_of("apply")
        return BulkMerge(self._deciding_of, self.clock, told.max_clock_drift, told.generation)

    def deciding(self, function: str) -> StampedReplica:
        """The rows, where policies decide; raises TriggersBehind."""
        lattice = self.table.lattice
        policies = self.dataset_of(function).policies_of(TABLE)
        check_triggers(policies, TABLE, lattice.policies.generation if lattice is not None else 1)
        return self.replica

    def _deciding_of(self, table: str) -> StampedBulk:
        """See `BulkMerge`."""
        self.deciding("apply")
        return self.bulk_of(table)

    def bulk_of(self, table: str) -> StampedBulk:
        """See `CaptureLog`."""
        del table
        return StampedBulk(self.table, self.world.io)

    @property
    def idle(self) -> bool:
        """See `Region`: an update of replication's own need not be read before an application writes again."""
        return self.slot.position >= self.newest

    def oldest_unread(self) -> int | None:
        """See `Region`: a log is kept."""
        return None

    def split(self) -> None:
        """The server ends the session that reads, as in a failover; the function does not know yet."""
        if self.reading is not None:
            self.reading.broken = True
            self.reading.release()
        self.world.note(lambda: f"the connections of {self.name} end")

    def restart(self) -> None:
        """The slot moves back, as after a crash of the server; the checkpoint does not."""
        self.split()
        self.slot.position -= min(self.slot.position, self.world.choices.pick((1, 2, 4, 1000)))
        self.world.note(lambda: f"the slot of {self.name} is back at {self.slot.position}")

    def capture(self) -> bool:
        """See `Region`: one call at a time, as far as its caller knows."""
        if self.reading is not None or self.idle:
            return False
        in_blocks = len(self.world.regions) % 2 == 0  # in half of the histories, without a choice of its own
        log = self.reading = MemoryLog(self.slot, self.size, self.world.io, in_blocks)
        service, looks = self.capturing(log), [PLENTY] * self.world.choices.pick(LOOKS)

        def ended() -> None:
            if self.reading is log:
                self.reading = None

        def given_up() -> None:
            """A function that ends takes its sessions along; one that was given up may keep them for a while."""
            if not self.world.choices.chance(0.5):
                log.broken = True
                log.release()
            ended()

        self.world.start(
            f"capture from {self.slot.position} in {self.name}",
            lambda: list(service.run(lambda: looks.pop() if looks else 0)),
            lambda _: ended(),
            given_up,
        )
        return True

    def capturing(self, log: MemoryLog) -> CaptureLog:
        """The capture service of this region."""
        world, dataset = self.world, self.dataset_of("capture")
        inboxes, outbox = MemoryInboxes(world.queues, world.io), MemoryOutbox(self.outbox, world.io)
        journal = world.observer.listening(self, self.journal) if world.observer is not None else self.journal
        handover = HandOver(dataset, self.name, inboxes, outbox)
        return CaptureLog(
            dataset, self.name, log, log, lambda _: self.replica, handover, self.parking, Silence(), self.clock,
            world.sleep, bulk_of=self.bulk_of if world.in_bulk else None, journal=journal,
            deciding_of=lambda _: self.deciding("capture"),
        )  # fmt: skip

    def applying(self) -> Apply:
        """The apply service of this region."""
        world, dataset = self.world, self.dataset_of("apply")
        decide = merging_stamped(dataset)
        if world.observer is not None:
            decide = world.observer.applying(self, decide)
        return Apply(
            dataset, TABLE, self.name, lambda _: self.deciding("apply"), self.parking, self.inbox, self.clock,
            world.unique, world.sleep, decide=decide, bulk=self.bulk, journal=self.journal,
        )  # fmt: skip

    def _wait(self, holder: Transaction) -> None:
        self.world.wait(lambda: holder.over)

    def _log(self, writes: Sequence[Write]) -> None:
        """What a commit adds to the log, as its decoder tells it."""
        position = len(self.slot.committed)
        local = [each for each in writes if each.stamp.writer is Writer.APPLICATION]
        logged = [self._logged(each, f"{position} {at}") for at, each in enumerate(local)]
        arrived = [
            self._logged(Write(each.key, each.key, each.stamp), f"{position} {at}").change
            for at, each in enumerate(writes)
            if each.stamp.writer is Writer.REPLICATION and each.inserted
        ]
        self.slot.committed.append(Committed(logged, len(writes) - len(local), arrived=arrived))
        if logged or arrived:
            self.newest = position + 1

    def _logged(self, write: Write, source: str) -> Logged:
        image: Any = None
        if write.image is not None:
            image = {name: value for name, value in content_of(write.image).items() if name not in write.missing}
        change = Change(
            self.world.dataset.name, TABLE, write.key, image, write.stamp.version, write.stamp.context, self.name,
            source, self.clock(), document_of_row(write.image or {}),
        )  # fmt: skip
        return Logged(change, write.stamp.text(), write.inserted, write.missing)
