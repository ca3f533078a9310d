"""Rows that hang on others: which a foreign key would have PostgreSQL delete or change beside a row that is deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.fragments import NUMBER, parameters, rows, same_key
from distributary.adapters.aurora.names import TableName, literal, quoted, table_name
from distributary.adapters.aurora.session import Session
from distributary.domain.image import STAMP_ATTRIBUTE, Image

_REFERENCES = f"""SELECT pg_catalog.jsonb_build_array(n.nspname::text, c.relname::text, (
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(own.attname::text, other.attname::text))
        FROM ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey)) AS pair (own_number, other_number)
        JOIN pg_catalog.pg_attribute own ON own.attrelid = f.conrelid AND own.attnum = own_number
        JOIN pg_catalog.pg_attribute other ON other.attrelid = f.confrelid AND other.attnum = other_number))::text
    FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE f.confrelid = pg_catalog.to_regclass($1) AND f.contype = 'f' AND f.confdeltype IN ('c', 'n', 'd')
      AND f.conparentid = 0 AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = f.conrelid AND a.attname = {literal(STAMP_ATTRIBUTE)} AND NOT a.attisdropped)
    ORDER BY 1"""
"""Of a table: the foreign keys of replicated tables that would follow a deletion, each with its pairs of columns."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key. pairs: a column of the table that has it, and the column that this names."""

    table: TableName
    pairs: tuple[tuple[str, str], ...]


def references(session: Session, table: TableName) -> list[Reference]:
    """The foreign keys by which rows of replicated tables hang on a table's. Looked up anew: any DDL may add one."""
    found = []
    for (text,) in session.run(_REFERENCES, table.text()):
        schema, name, pairs = json.loads(text)
        found.append(Reference(TableName(schema, name), tuple((own, other) for own, other in pairs)))
    return found


class PostgresDependents:
    """`ports.Dependents` of a database. table_of: the table's description."""

    def __init__(self, session: Session, table_of: Callable[[TableName, bool], Table]) -> None:
        self._session, self._table_of = session, table_of

    def hanging(self, table: str, keys: Sequence[Image]) -> Sequence[bool]:
        """See `ports.Dependents`."""
        name = table_name(table)
        found = references(self._session, name)
        if not found:
            return [False] * len(keys)
        known = self._table_of(name, False)
        texts = [[key[column].get("S") for key in keys] for column in known.key]
        numbers = {int(number) for (number,) in self._session.run(_hanging(known, found), *parameters(*texts))}
        return [at in numbers for at in range(len(keys))]


def _hanging(table: Table, found: Sequence[Reference]) -> str:
    """Of the key: gives the numbers of rows on which others hang."""
    return f"""{rows(table, table.key)}
SELECT s.{NUMBER} FROM s JOIN {table.name.text()} t ON {same_key(table)}
WHERE {" OR ".join(_names(table, each) for each in found)}"""


def _names(table: Table, reference: Reference) -> str:
    """Whether another row names `t` by the foreign key."""
    same = [f"c.{quoted(own)} = t.{quoted(other)}" for own, other in reference.pairs]
    if reference.table == table.name:
        same.append("NOT (" + " AND ".join(f"c.{quoted(name)} = t.{quoted(name)}" for name in table.key) + ")")
    return f"EXISTS (SELECT FROM {reference.table.text()} c WHERE {' AND '.join(same)})"
