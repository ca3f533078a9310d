"""Settles a clash of two rows over a unique column: the higher version stays everywhere, the other is deleted.

The loser is deleted as an application of this region would delete it, so that the deletion is captured and travels.
Every region that meets the two decides alike, since it compares the same versions.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from distributary.adapters.aurora import statements
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.names import TableName, table_name
from distributary.adapters.aurora.replica import numbered
from distributary.adapters.aurora.session import Session
from distributary.adapters.aurora.statements import EXPECTED, STAMP
from distributary.domain.change import Change
from distributary.domain.errors import MalformedStamp, UniqueClash
from distributary.domain.image import OWN_ATTRIBUTES
from distributary.domain.stamp import Stamp, Writer, parse
from distributary.domain.version import Version


class PostgresClashes:
    """`ports.Clashes` over a database. table_of: the table's description."""

    def __init__(self, session: Session, table_of: Callable[[TableName, bool], Table]) -> None:
        self._session, self._table_of = session, table_of

    def settle(self, change: Change, clash: UniqueClash) -> bool:
        """See `ports.Clashes`."""
        table = self._table_of(table_name(change.table), False)
        columns = dict(table.unique).get(clash.constraint)
        if columns is None or change.image is None:
            raise clash  # an expression or a part of the rows is unique: there is no telling which row it is
        row = {name: value.get("S") for name, value in change.image.items() if name not in OWN_ATTRIBUTES}
        found = self._session.run(statements.rivals(table, columns), numbered({0: row}))
        rivals = [(json.loads(key), stamp) for _, key, stamp in found]
        if any((version := _version(stamp)) is not None and version > change.version for _, stamp in rivals):
            mine = Stamp(change.version, change.context, Writer.REPLICATION).text()
            self._session.run(statements.renounce(table), numbered({0: {**_key_of(table, row), STAMP: mine}}))
            return False
        for key, stamp in rivals:
            self._session.run(statements.delete(table, locally=True), numbered({0: {**key, EXPECTED: stamp}}))
        return True


def _key_of(table: Table, row: dict[str, str | None]) -> dict[str, str | None]:
    return {name: row[name] for name in table.key}


def _version(stamp: str | None) -> Version | None:
    if stamp is None:
        return None
    try:
        return parse(stamp).version
    except MalformedStamp:
        return None
