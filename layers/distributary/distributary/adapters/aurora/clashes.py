"""Rows that stand in a change's way since a column is unique: finds them, and deletes what loses in this region's name.

It is deleted as an application of this region would delete it, so that the deletion is captured and travels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from distributary.adapters.aurora.catalog import SCHEMA, Table, key_text_sql
from distributary.adapters.aurora.fragments import APPLYING, EXPECTED, STAMP, as_expected, parameters, rows, same_key
from distributary.adapters.aurora.names import TableName, literal, quoted, table_name
from distributary.adapters.aurora.session import Session
from distributary.adapters.aurora.unique_indexes import rivals_sql, unique_index
from distributary.domain.change import Change
from distributary.domain.errors import NotSettled, RejectedByDatabase, SchemaDiffers, UniqueClash
from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.row import Row
from distributary.domain.stamp import Stamp, Writer


class PostgresClashes:
    """`ports.Clashes` over a database. table_of: the table's description."""

    def __init__(self, session: Session, table_of: Callable[[TableName, bool], Table]) -> None:
        self._session, self._table_of = session, table_of

    def rivals(self, change: Change, clash: UniqueClash) -> Sequence[tuple[Image, str | None]]:
        """See `ports.Clashes`."""
        table, image = self._table_of(table_name(change.table), False), change.image
        index = unique_index(self._session, table, clash.constraint)
        if index is None or image is None:
            raise clash  # the index is gone meanwhile, or is of a partition alone
        columns = tuple(each.name for each in table.columns if each.name in image and not each.generated)
        texts = parameters(*([image[name].get("S")] for name in columns))
        try:
            found = self._session.run(rivals_sql(table, index, columns), *texts)
        except SchemaDiffers as unknown:  # it is about a column that the change does not know
            raise clash from unknown
        return [({name: {"S": text} for name, text in json.loads(key).items()}, stamp) for key, stamp in found]

    def remove(self, table: str, rows: Sequence[tuple[Image, Row]]) -> None:
        """See `ports.Clashes`."""
        known = self._table_of(table_name(table), False)
        for key, row in rows:
            stamp = row.image.get(STAMP_ATTRIBUTE, {}).get("S")
            self._session.run(_delete_here(known), *parameters([stamp], *([key[name]["S"]] for name in known.key)))

    def make_way(self, change: Change, clash: UniqueClash, rows: Sequence[tuple[Image, Row]]) -> None:
        """See `ports.Clashes`. A unique column of the rows is emptied or, where none may be, they are deleted."""
        table = self._table_of(table_name(change.table), False)
        index = unique_index(self._session, table, clash.constraint)
        can_be_empty = index.columns if index is not None and not index.nulls_alike else ()
        emptied = next((name for name in can_be_empty if _may_be_empty(table, name)), None)
        if emptied is None and table.stateful:
            raise NotSettled("a row in its way keeps a state, so it cannot be taken and put back")
        ways = [] if emptied is None else [_empty(table, emptied)]
        ways += [] if table.stateful else [_take_for_a_moment(table)]
        for key, row in rows:
            stamp = row.image.get(STAMP_ATTRIBUTE, {}).get("S")
            texts = parameters([stamp], *([key[name]["S"]] for name in table.key))
            for way in ways:
                try:
                    self._session.run(way, *texts)
                    break
                except RejectedByDatabase:  # another row has that, or a CHECK wants a value to be there
                    continue
            else:
                raise NotSettled("there is no room for a row in its way, not for a moment either")

    def renounce(self, change: Change) -> None:
        """See `ports.Clashes`."""
        table = self._table_of(table_name(change.table), False)
        mine = Stamp(change.version, change.context, Writer.REPLICATION).text()
        self._session.run(_renounce(table), *parameters([mine], *([change.key[name]["S"]] for name in table.key)))


def _may_be_empty(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and name not in table.key and not (column.not_null or column.generated)


def _empty(table: Table, column: str) -> str:
    """Of expected stamps and the key: makes a column of such rows NULL, in replication's name and for a moment.

    The stamp says so, too: under an application's the row would be told as that one's write once more.
    """
    ours = f"pg_catalog.regexp_replace(t.{STAMP_ATTRIBUTE}, '^([^ ]+) [^ ]', '\\1 {Writer.REPLICATION.value}')"
    return f"""{rows(table, table.key, EXPECTED)}
UPDATE {table.name.text()} t SET {quoted(column)} = NULL, {STAMP_ATTRIBUTE} = {ours} FROM s, {APPLYING}
WHERE {same_key(table)} AND {as_expected()}
AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid
    AND a.attnum = ANY (f.confkey) WHERE f.confrelid = {literal(table.name.text())}::pg_catalog.regclass
    AND f.contype = 'f' AND f.confupdtype IN ('c', 'n', 'd') AND a.attname = {literal(column)})"""


def _take_for_a_moment(table: Table) -> str:
    """Of expected stamps and the key: deletes such rows in replication's name, unless other rows may hang on them."""
    named = f"confrelid = {literal(table.name.text())}::pg_catalog.regclass AND contype = 'f'"
    return f"""{rows(table, table.key, EXPECTED)}
DELETE FROM {table.name.text()} t USING s, {APPLYING} WHERE {same_key(table)} AND {as_expected()}
AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE {named})"""


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
