"""A replica in memory that refuses rows as a database does: for good, for now, or for their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from distributary.adapters.memory.replica import MemoryReplica
from distributary.domain.errors import DistributaryError, ItemTooLarge
from distributary.domain.image import Image
from distributary.domain.steps import Write
from distributary.ports import Outcome


@dataclass
class RefusingReplica(MemoryReplica):
    """The twin of a database that refuses rows. refusals: by partition key. limit: of an item's size, for texts."""

    refusals: dict[str, DistributaryError] = field(default_factory=dict)
    limit: int | None = None

    def write(self, writes: Sequence[tuple[Image, Write]]) -> Sequence[Outcome]:
        """See `ports.Replica`; the neighbours of a refused write are none of its business."""
        outcomes: list[Outcome] = []
        for row, write in writes:
            refusal = self.refusals.get(row["pk"]["S"])
            size = sum(len(name) + len(value.get("S", "")) for name, value in (write.image or {}).items())
            if self.limit is not None and size > self.limit:
                refusal = ItemTooLarge(f"{size} bytes")
            outcomes += [refusal] if refusal else super().write([(row, write)])
        return outcomes
