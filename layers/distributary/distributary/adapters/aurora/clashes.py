"""Settles a clash of two rows over a unique column: the higher version stays everywhere, the other is deleted.

The loser is deleted as an application of this region would delete it, so that the deletion is captured and travels.
Every region that meets the two decides alike, since it compares the same versions.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from distributary.adapters.aurora.catalog import SCHEMA, Table, key_text_sql
from distributary.adapters.aurora.fragments import EXPECTED, STAMP, as_expected, parameters, rows, same_key
from distributary.adapters.aurora.names import TableName, literal, quoted, table_name
from distributary.adapters.aurora.session import Session
from distributary.domain.change import Change
from distributary.domain.errors import MalformedStamp, UniqueClash
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE
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
        taken = tuple(dict.fromkeys((*table.key, *columns)))
        found = self._session.run(_rivals(table, columns), *parameters(*([row[name]] for name in taken)))
        rivals = [(json.loads(key), stamp) for key, stamp in found]
        if any((version := _version(stamp)) is not None and version > change.version for _, stamp in rivals):
            mine = Stamp(change.version, change.context, Writer.REPLICATION).text()
            self._session.run(_renounce(table), *parameters([mine], *([row[name]] for name in table.key)))
            return False
        for key, stamp in rivals:
            self._session.run(_delete_here(table), *parameters([stamp], *([key[name]] for name in table.key)))
        return True


def _rivals(table: Table, unique: tuple[str, ...]) -> str:
    """Of the key and unique columns: gives key (as a JSON object of texts) and stamp of rows that share the latter."""
    same = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in unique)
    other = " OR ".join(f"t.{quoted(name)} IS DISTINCT FROM s.{quoted(name)}" for name in table.key)
    key = ", ".join(f"{literal(name)}, t.{quoted(name)}::text" for name in table.key)
    return f"""{rows(table, tuple(dict.fromkeys((*table.key, *unique))))}
SELECT pg_catalog.json_build_object({key})::text, t.{STAMP_ATTRIBUTE}
FROM s JOIN {table.name.text()} t ON {same} WHERE {other}"""


def _renounce(table: Table) -> str:
    """Of stamps and the key: writes tombstones as if an application here had deleted such rows, so that they travel."""
    return f"""{rows(table, table.key, STAMP)} INSERT INTO {SCHEMA}.tombstones AS known (relation, key, stamp)
SELECT {literal(table.name.text())}, {key_text_sql(table, "s")}, {SCHEMA}.stamp_over(s.{STAMP}, NULL) FROM s
ON CONFLICT (relation, key) DO UPDATE
SET stamp = {SCHEMA}.stamp_over(excluded.stamp, known.stamp), deleted_at = pg_catalog.clock_timestamp()"""


def _delete_here(table: Table) -> str:
    """Of expected stamps and the key: deletes rows as an application would, so that it is stamped and captured."""
    return f"""{rows(table, table.key, EXPECTED)}
DELETE FROM {table.name.text()} t USING s WHERE {same_key(table)} AND {as_expected()}"""


def _version(stamp: str | None) -> Version | None:
    if stamp is None:
        return None
    try:
        return parse(stamp).version
    except MalformedStamp:
        return None
