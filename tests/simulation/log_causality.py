"""What every write of a history of stamping databases was made on top of, told by what its trigger could see.

A write is a bit of a number, a set of writes such a number. Of each row image and tombstone it is kept which writes are
merged into it. Nothing here looks at a context: with its version it only names a state, where a change tells of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from distributary.adapters.memory.stamped_table import Transaction
from distributary.domain.image import Image, key_text
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Stamp, context_text, stamp_of
from distributary.domain.version import Context, Version
from tests.simulation.known import NOTHING, Known, bits

if TYPE_CHECKING:
    from tests.simulation.logs import LogRegion, LogWorld

Name: TypeAlias = tuple[str, Version, str]
"""A row, and what its stamp says of a state of it."""


@dataclass(eq=False)
class LogCausality:
    """Follows transactions and tombstones.

    past: of each write, itself included. noted: of a tombstone that replication is about to write, what it adds.
    """

    world: LogWorld
    noted: Callable[[str, Tombstone, Known], Known]
    past: dict[int, Known] = field(default_factory=dict)
    deletions: int = 0
    _of: dict[int, tuple[Any, Known]] = field(default_factory=dict)
    _named: dict[Name, Known] = field(default_factory=dict)
    _heads: dict[tuple[str, Version], int] = field(default_factory=dict)
    _writes: dict[tuple[str, str], int] = field(default_factory=dict)
    _homes: dict[int, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for region in self.world.regions:
            for row, image in region.table.rows.items():
                stamp = stamp_of(image)
                assert stamp is not None
                home = stamp.version.region
                bit = self._heads.get((row, stamp.version)) or self._drawn(home, row)
                self._writes[(home, row)] |= bit
                self.learn(row, image, self.past.setdefault(bit, Known(bit, bit, bit)))
            region.table.begin = self._beginning(region, region.table.begin)  # type: ignore[method-assign]
            region.table.tombstones = _Followed(self, region.table.tombstones)

    # --- what is known

    def of(self, place: Any) -> Known:
        """What a row image or a tombstone knows."""
        found = self._of.get(id(place))
        return found[1] if found is not None else NOTHING

    def named(self, row: str, version: Version, context: Context) -> Known:
        """What a state knows that has such a stamp."""
        return self._named.get((row, version, context_text(context)), NOTHING)

    def of_row(self, row: str, found: Row | None) -> Known:
        """What a row knows that was read, be it by its stamp alone."""
        stamp = found.stamp if found is not None else None
        return self.named(row, stamp.version, stamp.context) if stamp is not None else NOTHING

    def head(self, row: str, version: Version | None) -> int:
        """The write that a version names."""
        return self._heads.get((row, version), 0) if version is not None else 0

    def closed(self, writes: int) -> int:
        """With all writes of the same regions that were made without sight of those and unseen by them.

        A context has one entry for each region, so whoever has seen one of these is told to have seen the other.
        """
        found = writes
        for bit in bits(writes):
            for other in bits(self._writes[self._homes[bit]] & ~found):
                if not (self.past[bit].sure & other or self.past[other].sure & bit):
                    found |= other
        return found

    def at_home(self, region: str, write: int) -> bool:
        """Whether a write was made there."""
        return self._homes.get(write, ("", ""))[0] == region

    # --- what happens

    def learn(self, row: str, place: Image | Tombstone, known: Known) -> None:
        """Say what is merged into a row image or a tombstone that everybody sees."""
        self._of[id(place)] = (place, known)
        if isinstance(place, Tombstone):
            return
        stamp = stamp_of(place)
        if stamp is not None:
            self._name(row, stamp, known)

    def rewritten(self, region: str, row: str, known: Known) -> Known:
        """What a write of replication's own knows that counts as one of its region."""
        bit = self._drawn(region, row)
        self._writes[(region, row)] |= bit
        self.past[bit] = Known(known.sure | bit, known.perhaps | bit, bit)
        return self.past[bit]

    def _name(self, row: str, stamp: Stamp, known: Known) -> None:
        self._heads.setdefault((row, stamp.version), known.head)
        self._named[(row, stamp.version, context_text(stamp.context))] = known

    def _drawn(self, region: str, row: str) -> int:
        bit = 1 << len(self._homes)
        self._homes[bit] = (region, row)
        self._writes.setdefault((region, row), 0)
        return bit

    def _beginning(self, region: LogRegion, begin: Callable[[], Transaction]) -> Callable[[], Transaction]:
        def beginning() -> Transaction:
            transaction = begin()
            self._follow(region.name, transaction)
            return transaction

        return beginning

    def _follow(self, region: str, transaction: Transaction) -> None:
        write, bury, commit = transaction._write, transaction._bury, transaction.commit
        made: list[tuple[str, Stamp, Known]] = []

        def put(row: str, place: Any, before: Known) -> int:
            bit = self._drawn(region, row)
            self.past[bit] = Known(before.sure | bit, before.perhaps | bit, bit)
            self._of[id(place)] = (place, self.past[bit])
            made.append((row, transaction.log[-1].stamp, self.past[bit]))
            return bit

        def writing(key: Image, image: Image, stamp: Stamp, old: Image | None, **more: Any) -> None:
            write(key, image, stamp, old, **more)
            beneath = old if old is not None and not more.get("moved") else more["beneath"]
            put(key_text(key), transaction.rows[key_text(key)], self.of(beneath))

        def burying(key: Image, old: Image, clock: int) -> None:
            before, row = self.of(old).joined(self.of(transaction._beneath(key))), key_text(key)
            bury(key, old, clock)
            if row in transaction.tombstones:
                self.deletions |= put(row, transaction.tombstones[row], before)

        def committing() -> None:
            for row, stamp, known in made:
                self._writes[(region, row)] |= known.head
                self._name(row, stamp, known)
            made.clear()
            commit()

        transaction._write, transaction._bury = writing, burying  # type: ignore[method-assign]
        transaction.commit = committing  # type: ignore[method-assign]


class _Followed(dict[str, Tombstone]):
    """Tombstones of a region, whose changes by replication are followed; a transaction's are known beforehand."""

    def __init__(self, causality: LogCausality, there: dict[str, Tombstone]) -> None:
        super().__init__(there)
        self._causality = causality

    def __setitem__(self, row: str, tombstone: Tombstone) -> None:
        before = self._causality.of(self.get(row))
        self._causality.learn(row, tombstone, self._causality.noted(row, tombstone, before))
        super().__setitem__(row, tombstone)
