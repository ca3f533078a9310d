"""A site whose dataset has policies: its decisions keep a memory of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from distributary.domain.change import Change, StreamRecord
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset
from distributary.domain.errors import DistributaryError
from distributary.domain.image import Image
from distributary.domain.merge import Merged
from distributary.domain.policies import AttributePolicy, AttributeRule
from distributary.domain.settlement import Settled
from distributary.domain.steps import Decision
from distributary.services.deciding import merging, settling
from distributary.services.rounds import run
from tests.unit.sites import NOW, ORDERS, SECOND, Site

T = TypeVar("T")
STOCK = replace(
    ORDERS,
    attributes={"n": AttributeRule(AttributePolicy.COUNTER), "tags": AttributeRule(AttributePolicy.ADD_WINS_SET)},
)
"""Orders with a counter and a set; of the other attributes the last write stands."""
BEGIN = NOW + 100 * SECOND
LATE = replace(STOCK, generation=2, policies_from=BEGIN)
"""Orders that get these policies while they are in use, all regions at one instant."""


@dataclass
class StateSite(Site):
    """One replica of STOCK. conflicts: what it has put into the journal."""

    dataset: Dataset = STOCK
    conflicts: list[Conflict] = field(default_factory=list)

    def settle(self, record: StreamRecord, **options: bool) -> Settled:
        (settled,) = self.settle_together([record], **options)
        return settled

    def settle_together(self, records: Sequence[StreamRecord], **options: bool) -> list[Settled]:
        """One decision on records of one row, as capture takes it."""
        options = {"ignore_expired": False, **options}
        return self._decided(records[0].key, settling(self.dataset).decide(records, self.place(), **options))

    def merge(self, change: Change, *, take_unsettled: bool = False) -> Merged:
        return self._decided(change.key, merging(self.dataset)(change, self.place(), take_unsettled=take_unsettled))

    def _decided(self, row: Image, decision: Decision[T]) -> T:
        (result,) = run(self.replica, [(row, decision)], self.conflicts.extend)
        if isinstance(result, DistributaryError):
            raise result
        return result

    def tag(self, *tags: str) -> None:
        """An application adds to the set, or makes it what it is to be."""
        row = self.table.get({"pk": {"S": "a"}}) or {"pk": {"S": "a"}}
        self.put_image({**row, "tags": {"SS": sorted(tags)}})

    @property
    def number(self) -> str | None:
        """What the counter shows."""
        return (self.content() or {}).get("n", {}).get("N")

    @property
    def tags(self) -> list[str] | None:
        """What the set shows."""
        return (self.content() or {}).get("tags", {}).get("SS")


def with_policies(site: Site) -> StateSite:
    """The same replica after its functions were deployed with the policies that are yet to begin."""
    deployed = StateSite(site.region, dataset=LATE, now=site.now)
    deployed.table, deployed.replica, deployed.taken = site.table, site.replica, site.taken
    deployed.table.clock = deployed.clock
    return deployed
