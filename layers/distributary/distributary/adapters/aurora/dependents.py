"""Rows that hang on others: which a foreign key would have PostgreSQL delete or change beside a row that is deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.fragments import NUMBER, STAMP, parameters, rows, same_key
from distributary.adapters.aurora.halving import rows_at_fault
from distributary.adapters.aurora.names import TableName, literal, quoted, table_name
from distributary.adapters.aurora.session import Session
from distributary.domain.change import Change
from distributary.domain.errors import Unacceptable
from distributary.domain.hanging import Hanging
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.stamp import version_text

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

    def hanging(self, table: str, deletions: Sequence[Change]) -> Sequence[Hanging]:
        """See `ports.Dependents`. A key that fits no row here hangs nothing; its own decision meets what is wrong."""
        name = table_name(table)
        found = references(self._session, name)
        told = [Hanging.NONE] * len(deletions)
        if not found:
            return told
        known = self._table_of(name, False)

        def ask(some: Sequence[int]) -> None:
            versions = [version_text(deletions[at].version) for at in some]
            texts = [[deletions[at].key[column].get("S") for at in some] for column in known.key]
            for number, own in self._session.run(_hanging(known, found), *parameters(versions, *texts)):
                told[some[int(number)]] = Hanging.OF_ITS_REGION if own else Hanging.OF_OTHERS

        fitting = [at for at, deletion in enumerate(deletions) if set(deletion.key) == set(known.key)]
        for error in rows_at_fault(ask, fitting).values() if fitting else ():
            if not isinstance(error, Unacceptable):
                raise error
        return told


def _hanging(table: Table, found: Sequence[Reference]) -> str:
    """Of versions and the key: numbers of rows that are not newer and on which others hang, and if of that region."""
    writer = f"pg_catalog.split_part(pg_catalog.split_part(c.{STAMP_ATTRIBUTE}, ' ', 1), '.', 3)"
    own = f"{writer} = pg_catalog.split_part(s.{STAMP}, '.', 3)"
    return f"""{rows(table, table.key, STAMP)}
SELECT s.{NUMBER}, {" OR ".join(_names(table, each, own) for each in found)}
FROM s JOIN {table.name.text()} t ON {same_key(table)}
WHERE (t.{STAMP_ATTRIBUTE} IS NULL OR pg_catalog.split_part(t.{STAMP_ATTRIBUTE}, ' ', 1) COLLATE "C" <= s.{STAMP})
AND ({" OR ".join(_names(table, each) for each in found)})"""


def _names(table: Table, reference: Reference, *conditions: str) -> str:
    """Whether another row, of which that holds, names `t` by the foreign key."""
    same = [*conditions]
    same += [f"c.{quoted(own)} = t.{quoted(other)}" for own, other in reference.pairs]
    if reference.table == table.name:
        same.append("NOT (" + " AND ".join(f"c.{quoted(name)} = t.{quoted(name)}" for name in table.key) + ")")
    return f"EXISTS (SELECT FROM {reference.table.text()} c WHERE {' AND '.join(same)})"
