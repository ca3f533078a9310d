"""Collects the rows of one table that replication has inserted: who did so may have ended before he looked back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distributary.adapters.aurora.messages import Value
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

    def note(self, texts: Mapping[str, Value], stamp: str) -> None:
        """Keep one row."""
        for name in self.key:
            self._columns.setdefault(name, []).append(str(texts[name]))
        self._stamps.append(stamp)

    def gather(self, dataset: str, region: str, now: int) -> Block:
        """Those that were kept. region: in which they were inserted. now: microseconds."""
        return Block(dataset, self.table, region, self.key, self._columns, self._stamps, [""] * len(self._stamps), now)
