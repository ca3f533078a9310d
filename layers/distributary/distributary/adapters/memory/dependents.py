"""Rows of tables in memory that hang on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distributary.adapters.memory.replica import proceed
from distributary.adapters.memory.stamped_table import StampedTable
from distributary.domain.change import Change
from distributary.domain.hanging import Hanging
from distributary.domain.row import Row


@dataclass
class MemoryDependents:
    """`ports.Dependents` over such tables. children: of a table, those that hang on it, and by which column.

    rows: the tables themselves. pause: called before each access, it may raise.
    """

    rows: Mapping[str, StampedTable]
    children: Mapping[str, Sequence[tuple[StampedTable, str]]]
    pause: Callable[[str], None] = proceed

    def hanging(self, table: str, deletions: Sequence[Change]) -> Sequence[Hanging]:
        """See `ports.Dependents`. A key has one column."""
        self.pause("hanging")
        return [self._hanging(table, deletion) for deletion in deletions]

    def _hanging(self, table: str, deletion: Change) -> Hanging:
        image = self.rows[table].get(deletion.key)
        stamp = Row(image).stamp if image is not None else None
        if image is None or (stamp is not None and stamp.version > deletion.version):
            return Hanging.NONE
        (named,) = deletion.key.values()
        hanging = [
            Row(row).version
            for child, column in self.children.get(table, ())
            for row in child.rows.values()
            if row.get(column) == named
        ]
        if any(version is not None and version.region == deletion.version.region for version in hanging):
            return Hanging.OF_ITS_REGION
        return Hanging.OF_OTHERS if hanging else Hanging.NONE
