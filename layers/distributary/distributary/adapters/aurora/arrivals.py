"""Collects the rows of one table that replication has inserted: who did so may have ended before he looked back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from distributary.domain.block import Block


@dataclass(slots=True)
class Arrivals:
    """Keys, a column each, and stamps. table, key: see `Block`."""

    table: str
    key: tuple[str, ...]
    _columns: dict[str, list[str]] = field(default_factory=dict)
    _stamps: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._stamps)

    def note(self, keys: Sequence[Sequence[str]], stamps: Sequence[str]) -> None:
        """Keep rows: the columns of their keys, in the key's order, and their stamps."""
        for name, column in zip(self.key, keys, strict=True):
            self._columns.setdefault(name, []).extend(column)
        self._stamps.extend(stamps)

    def gather(self, dataset: str, region: str, now: int) -> Block:
        """Those that were kept, which are forgotten here. region: in which they were inserted. now: microseconds."""
        columns, stamps = self._columns, self._stamps
        self._columns, self._stamps = {}, []
        return Block(dataset, self.table, region, self.key, columns, stamps, [""] * len(stamps), now)
