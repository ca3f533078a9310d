"""Rows of a stamping table in memory that clash over a unique column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from distributary.adapters.memory.stamped_table import Committed, StampedTable
from distributary.domain.change import Change
from distributary.domain.errors import UniqueClash
from distributary.domain.image import STAMP_ATTRIBUTE, Image, key_text
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Stamp, Writer, stamped


@dataclass
class MemoryClashes:
    """`ports.Clashes` over such a table."""

    table: StampedTable

    def rivals(self, change: Change, clash: UniqueClash) -> Sequence[tuple[Image, str | None]]:
        """See `ports.Clashes`."""
        del clash
        found = self.table.rivals(change.key, change.image or {})
        return [
            ({name: image[name] for name in change.key}, image.get(STAMP_ATTRIBUTE, {}).get("S")) for image in found
        ]

    def remove(self, table: str, rows: Sequence[tuple[Image, Row]]) -> None:
        """See `ports.Clashes`."""
        del table
        for key, row in rows:
            if (self.table.get(key) or {}).get(STAMP_ATTRIBUTE) == row.image.get(STAMP_ATTRIBUTE):
                self.table.delete(key)

    def make_way(self, change: Change, clash: UniqueClash, rows: Sequence[tuple[Image, Row]]) -> None:
        """See `ports.Clashes`. Each column of such a table may be NULL."""
        del change, clash
        for key, row in rows:
            there = self.table.get(key) or {}
            if row.stamp is not None and there.get(STAMP_ATTRIBUTE) == row.image.get(STAMP_ATTRIBUTE):
                emptied = {**there, self.table.unique: {"NULL": True}}
                image = stamped(emptied, replace(row.stamp, writer=Writer.REPLICATION))
                self.table.show(key_text(key), image, Writer.REPLICATION)

    def renounce(self, change: Change) -> None:
        """See `ports.Clashes`."""
        row, mine = key_text(change.key), Stamp(change.version, change.context, Writer.REPLICATION)
        stamp = self.table.stamp_over(self.table.clock(), mine, self.table.tombstones.get(row))
        self.table.tombstones[row] = Tombstone(stamp.version, stamp.context)
        self.table.append([Committed(change.key, None, stamp)])
