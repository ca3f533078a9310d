"""Rows of tables in memory that hang on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distributary.adapters.memory.replica import proceed
from distributary.adapters.memory.stamped_table import StampedTable
from distributary.domain.image import Image


@dataclass
class MemoryDependents:
    """`ports.Dependents` over such tables. children: of a table, those that hang on it, and by which column.

    pause: called before each access, it may raise.
    """

    children: Mapping[str, Sequence[tuple[StampedTable, str]]]
    pause: Callable[[str], None] = proceed

    def hanging(self, table: str, keys: Sequence[Image]) -> Sequence[bool]:
        """See `ports.Dependents`. A key has one column."""
        self.pause("hanging")
        named = [row.get(column) for child, column in self.children.get(table, ()) for row in child.rows.values()]
        return [next(iter(key.values())) in named for key in keys]
