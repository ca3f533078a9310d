"""Sites of an SQL database with a column that a function joins, each with capture over its log, and what it sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from distributary.adapters.memory.log import Committed as Transaction
from distributary.adapters.memory.log import MemoryLog
from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.memory.stamped_replica import StampedReplica
from distributary.adapters.memory.stamped_table import Committed
from distributary.domain.alert import Alert
from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.errors import PolicyFailed
from distributary.domain.facts import LogReport
from distributary.domain.image import STATE_ATTRIBUTE, content_of
from distributary.domain.logged import Logged
from distributary.domain.message import unpack
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, check_triggers
from distributary.domain.stamp import Writer
from distributary.domain.state_texts import document_in, document_of_row
from distributary.services.capture_log import CaptureLog
from distributary.services.handover import HandOver
from tests.unit.sites import PEER
from tests.unit.stamped_sites import SHOP, TABLE, StampedSite, key


def furthest(one: str, other: str) -> str:
    """A function of a user's: of two stages the later."""
    if "broken" in (one, other):
        raise PolicyFailed("a stage that nobody knows")
    return max(one, other, key=("new", "paid", "shipped").index)


STAGES = replace(
    SHOP,
    attributes={
        "public.orders.stage": AttributeRule(AttributePolicy.CUSTOM, "users:furthest", Handed.TEXT),
        "public.orders.n": AttributeRule(AttributePolicy.COUNTER),
    },
    functions={"users:furthest": furthest},
)
LATER = replace(STAGES, generation=2, functions={"users:furthest": min})
"""The same columns under policies of the next generation, by which the stage first in the alphabet stands."""


@dataclass
class JoiningSite(StampedSite):
    """capturing: with what capture is deployed, if with something else. in_blocks: how the log tells whole rows.

    triggers: the generation of their policies, where it is another than the functions'.
    """

    dataset: Dataset = STAGES
    capturing: Dataset | None = None
    triggers: int | None = None
    in_blocks: bool = False
    queues: dict[str, MemoryQueue] = field(default_factory=dict)
    announced: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.queues = {region: MemoryQueue(self.clock) for region in SHOP.regions}
        self.held, self.parking = MemoryQueue(self.clock), MemoryParking()
        self.log = MemoryLog(in_blocks=self.in_blocks, size=100)
        self.log.slot.rows = self.table.rows
        self.table.told = self._tell

    def announce(self, alerts: Sequence[Alert]) -> None:
        """See `ports.Announcements`."""
        self.announced += alerts

    def capture(self) -> list[LogReport]:
        """One call of capture, whose log is read once."""
        dataset = self.capturing or self.dataset
        handover = HandOver(dataset, self.region, MemoryInboxes(self.queues), MemoryOutbox(self.held))
        looks = [60_000] * 4
        return list(
            CaptureLog(
                dataset, self.region, self.log, self.log, lambda _: self.replica, handover, self.parking, self,
                self.clock, self._sleep, deciding_of=self._deciding_of,
            ).run(lambda: looks.pop() if looks else 0)
        )  # fmt: skip

    def sent(self, region: str = PEER) -> list[Change]:
        """What was shipped to a peer."""
        bodies = [each.body for each in self.queues[region].messages.values()]
        return [change for body in bodies for change in unpack(body, self.dataset)]

    def kept_for_later(self) -> list[Change]:
        """What comes back to this region through its own inbox."""
        bodies = [each.body for each in self.held.messages.values() if each.attributes["destination"] == self.region]
        return [change for body in bodies for change in unpack(body, self.dataset)]

    def stage(self) -> str | None:
        """What the function's column shows."""
        return (self.content() or {})["stage"].get("S")

    def document(self) -> dict[str, Any] | None:
        """What the row keeps beside its values."""
        return document_in((self.table.get(key()) or {}).get(STATE_ATTRIBUTE, {}).get("S"))

    def parts(self) -> dict[str, Any]:
        """What it keeps of columns with policies of their own."""
        found: dict[str, Any] = (self.document() or {}).get("a", {})
        return found

    def _deciding_of(self, table: str) -> StampedReplica:
        policies = (self.capturing or self.dataset).policies_of(table)
        check_triggers(policies, table, policies.generation if self.triggers is None else self.triggers)
        return self.replica

    def _sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000)

    def _tell(self, writes: Sequence[Committed]) -> None:
        local = [each for each in writes if each.stamp.writer is Writer.APPLICATION]
        self.log.slot.committed.append(Transaction([self._logged(each) for each in local], len(writes) - len(local)))

    def _logged(self, write: Committed) -> Logged:
        image = content_of(write.image) if write.image is not None else None
        change = Change(
            SHOP.name, TABLE, write.key, image, write.stamp.version, write.stamp.context, self.region, "0/0 1",
            self.now, document_of_row(write.image or {}),
        )  # fmt: skip
        return Logged(change, write.stamp.text(), write.inserted)


def exchange(*sites: JoiningSite) -> None:
    """Everybody captures, and gets what everybody has sent."""
    for one in sites:
        one.capture()
    for one in sites:
        for other in sites:
            for change in one.sent(other.region) if one is not other else ():
                other.merge(change)
