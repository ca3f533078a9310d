"""Two states that meet in a replica, what a decision has seen of them, and which meetings are on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from distributary.domain.change import Change
from distributary.domain.image import Image
from distributary.domain.row import Tombstone
from distributary.domain.version import Version
from tests.simulation.known import NOTHING, Known, bits


@dataclass(frozen=True)
class Meeting:
    """Two states that met in a replica. told: whether that was on record by then. how: what became of them."""

    region: str
    row: str
    arriving: Known
    present: Known
    how: str
    told: bool = False

    @property
    def changing(self) -> bool:
        """Whether the row shows what became of it, so that it has to be on record by then."""
        return self.how in ("written", "removed")


@dataclass
class Seen:
    """What a decision has read last, and what was known there then. deletions: all that it has read."""

    image: Image | None = None
    row: Known = NOTHING
    tombstone: Tombstone | None = None
    deletion: Known = NOTHING
    deletions: dict[Version, Known] = field(default_factory=dict)
    change: Change | None = None
    inserted: bool = False
    shown: bool = False

    def read(self, tombstone: Tombstone | None, known: Known) -> None:
        """A tombstone was read."""
        self.tombstone, self.deletion = tombstone, known
        if tombstone is not None and tombstone.deletion is not None:
            self.deletions[tombstone.deletion] = known


@dataclass
class OnRecord:
    """Which writes the journals name as having met which. is_deletion: whether a write is one."""

    plain: bool
    is_deletion: Callable[[int], bool]
    _told: dict[tuple[str, str], set[tuple[int, int]]] = field(default_factory=dict)

    def tell(self, region: str, row: str, arriving: Known, present: Known, *, joined: bool) -> None:
        """A conflict is on record. joined: it names a row that may have been joined of many."""
        told = self._told.setdefault((region, row), set())
        if not joined:
            told |= {(arriving.head, present.head), (arriving.head, 0)}
        if self.is_deletion(arriving.head):  # a row under policies may show several writes
            taken = present.head if self.plain else present.sure | present.perhaps
            told |= {(bit, arriving.head) for bit in bits(taken)}

    def tells(self, meeting: Meeting) -> bool:
        """Whether a meeting is on record by now, as a conflict of the two or as what another deletion took before."""
        arriving, present = meeting.arriving.head, meeting.present.head
        told = self._told.get((meeting.region, meeting.row), set())
        if not told.isdisjoint({(arriving, present), (present, arriving), (arriving, 0)}):
            return True
        deleted = self.is_deletion
        if deleted(arriving) and not self.plain:
            unseen = meeting.present.sure & ~(meeting.arriving.sure | meeting.arriving.perhaps)
            taken = {one for one, other in told if deleted(other)}
            return all(bit in taken for bit in bits(unseen) if not deleted(bit))
        return deleted(present) and any(one == arriving and deleted(other) for one, other in told)


def alone(deletion: Known) -> Known:
    """A deletion without what else its tombstone knows: only that one meets a row."""
    return Known(deletion.head, deletion.perhaps, deletion.head)
