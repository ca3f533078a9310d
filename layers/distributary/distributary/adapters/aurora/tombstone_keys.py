"""The keys of tombstones: the log has their values, the catalogue the names of their columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.names import TableName
from distributary.domain.errors import UnknownTable
from distributary.domain.image import Image


@dataclass(slots=True)
class TombstoneKeys:
    """Keys of one reading. table_of: a table's description; raises UnknownTable."""

    table_of: Callable[[TableName, bool], Table]
    _untold: set[tuple[TableName, int]] = field(default_factory=set)
    """Whose tombstones have no key that the catalogue knows: to ask it takes a look at all tables."""

    def key(self, name: TableName, values: Sequence[str]) -> Image | None:
        """The key that a tombstone has the values of; none where the catalogue does not tell its columns any more."""
        if (name, len(values)) in self._untold:
            return None
        try:
            names = self.table_of(name, False).key
            names = names if len(names) == len(values) else self.table_of(name, True).key
        except UnknownTable:  # dropped since
            names = ()
        if len(names) == len(values):
            return {column: {"S": text} for column, text in zip(names, values, strict=True)}
        self._untold.add((name, len(values)))
        return None
