"""What tombstones know: of which writes the deletions in them were made on top, and what inserts may have of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from distributary.domain.change import StreamRecord
from distributary.domain.memory import deleted_before
from distributary.domain.row import State, Tombstone
from distributary.domain.version import Version
from tests.simulation.known import NOTHING, Known

if TYPE_CHECKING:
    from tests.simulation.causality import Causality, Place
    from tests.simulation.streams import StreamRegion


@dataclass(eq=False)
class Burials:
    """Follows tombstones. subject: of a tombstone that is to be written, what it is about.

    marked: of one that is about to note a removal, what the row that is to be removed knows. ledgers: what the local
    writes know that are in them. inserts: of applications.
    """

    causality: Causality
    subject: Callable[[Any], Known]
    marked: Callable[[Tombstone], Known]
    ledgers: dict[Place, Known] = field(default_factory=dict)
    inserts: dict[Place, list[StreamRecord]] = field(default_factory=dict)

    def follow(self, region: StreamRegion) -> None:
        """Follow those of a region."""
        region.replica.tombstones = _Followed(region, self)

    def noted(self, region: StreamRegion, row: str, old: Tombstone | None, new: Tombstone) -> None:
        """A tombstone was written."""
        about = self.subject(new)
        known = self.causality.of(old) if old is not None else NOTHING
        if new.ledger is not None and (old is None or new.ledger != old.ledger):
            self.ledgers[(region.name, row)] = about
        if new.removing is not None and (old is None or new.removing != old.removing):
            known = known.joined(self.marked(new).doubted())  # the row may be gone by now
        if new.deletion is not None and (old is None or new.deletion != old.deletion):
            if new.deletion.region == region.name and not self.causality.plain:
                self.told_again(new.deletion, known)
            deletion = self._deletion(region, new.deletion, about)
            known = Known(known.sure | deletion.sure, known.perhaps | deletion.perhaps, deletion.head)
        elif old is None or new.context != old.context:
            known = known.joined(about if about.head == known.head else about.doubted())
        self.causality.learn(new, known)
        self._buried_again(region, row, old, new)
        for insert in self.inserts.get((region.name, row), ()):
            if deleted_before(insert, State(None, new), region.name) is not None:
                self.causality.suspect(region.name, insert, known)

    def told_again(self, version: Version, noted: Known) -> None:
        """A deletion that is told of after others have overtaken it has what its tombstone knows in its context."""
        past = self.causality.of_version(version)
        if past.head:
            self.causality.past[past.head] = past.joined(noted.doubted())

    def _buried_again(self, region: StreamRegion, row: str, old: Tombstone | None, new: Tombstone) -> None:
        """A tombstone that a newer deletion has taken over tells no insert any more that it was there first.

        Not even one that has been captured: it may be so again.
        """
        for insert in self.inserts.get((region.name, row), ()):
            seen, sees = (deleted_before(insert, State(None, each), region.name) for each in (old, new))
            past = self.causality.of_record(region.name, insert)
            if seen is not None and sees is None:
                self.causality.past[past.head] = replace(
                    past, sure=past.sure & ~self.causality.of(old).sure | past.head
                )

    def _deletion(self, region: StreamRegion, version: Version, about: Known) -> Known:
        """What a deletion knows that is noted on account of a write."""
        past = self.causality.of_version(version)
        bit = past.head
        if not bit or bit == about.head:
            return about
        if version.region == region.name:  # records that are taken in together are about the last
            return past
        # It is known by a row on top of it, which does not tell what it had seen.
        return Known(bit, past.perhaps | about.perhaps, bit)


class _Followed(dict[str, Tombstone]):
    """Tombstones of a region, whose changes are followed."""

    def __init__(self, region: StreamRegion, burials: Burials) -> None:
        super().__init__()
        self._region, self._burials = region, burials

    def __setitem__(self, row: str, tombstone: Tombstone) -> None:
        self._burials.noted(self._region, row, self.get(row), tombstone)
        super().__setitem__(row, tombstone)
