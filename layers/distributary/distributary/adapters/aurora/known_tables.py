"""The tables of a replica as its functions know them: looked up once, in the database that is the replica's."""

from __future__ import annotations

from contextlib import suppress

from distributary.adapters.aurora.catalog import Table, tables
from distributary.adapters.aurora.names import TableName
from distributary.adapters.aurora.preconditions import check_identity
from distributary.adapters.aurora.session import Session
from distributary.domain.dataset import Dataset
from distributary.domain.errors import SchemaDiffers, UnknownTable


class KnownTables:
    """The tables of a dataset as they were when last looked up.

    region: that the database has to be prepared for. One of another region stamps as that one does, so what was merged
    into it, or read from it, would be missing here, and nobody would be told.
    """

    def __init__(self, session: Session, dataset: Dataset, region: str) -> None:
        self._session, self._dataset, self._region = session, dataset, region
        self._known: dict[TableName, Table] = {}

    def __call__(self, name: TableName, refresh: bool) -> Table:
        """The table. refresh: look it up anew.

        Raises:
            UnknownTable: it is not replicated here, or not yet.
            InvalidSettings: the database is prepared for another region or dataset.
        """
        table = self._known.get(name)
        if table is None or refresh:
            table = self._look_up().get(name)
        if table is None:
            raise UnknownTable(f"{name.text()} is not there, or not prepared for replication")
        return table

    def _look_up(self) -> dict[TableName, Table]:
        with suppress(SchemaDiffers):  # not prepared at all: no table is
            check_identity(self._session, self._dataset, self._region)
        found = tables(self._session, self._dataset.tables)
        self._known = {each.name: each for each in found if each.stamped and each.key}
        return self._known
