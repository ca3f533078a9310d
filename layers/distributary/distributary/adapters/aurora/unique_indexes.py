"""What a unique index compares, and the query that finds which rows are in the way of another.

An EXCLUDE constraint is one that compares by other operators than equality. Expressions come from the catalogue as SQL,
in which columns have no table's name. So each side of the comparison computes them in a query of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.fragments import listed, rows
from distributary.adapters.aurora.names import literal, quoted
from distributary.adapters.aurora.session import Session
from distributary.domain.image import STAMP_ATTRIBUTE

_INDEX = """WITH named AS (
        SELECT coalesce(pg_catalog.pg_partition_root(i.oid), i.oid) AS index FROM pg_catalog.pg_class i
        JOIN pg_catalog.pg_index x ON x.indexrelid = i.oid
        WHERE i.relname = $2 AND (x.indrelid = pg_catalog.to_regclass($1) OR x.indrelid IN (
            SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)))))
    SELECT pg_catalog.jsonb_build_object(
        'parts', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid)
                     ELSE pg_catalog.pg_get_indexdef(x.indexrelid, place, true) END,
                pg_catalog.quote_ident(n.nspname) || '.' || op.oprname,
                CASE WHEN a.attgenerated = '' THEN a.attname::text END) ORDER BY place)
            FROM pg_catalog.generate_series(1, x.indnkeyatts) place
            JOIN pg_catalog.pg_opclass o ON o.oid = x.indclass[place - 1]
            LEFT JOIN pg_catalog.pg_amop p ON p.amopfamily = o.opcfamily AND p.amopstrategy = 3
                AND p.amoplefttype = o.opcintype AND p.amoprighttype = o.opcintype
            JOIN pg_catalog.pg_operator op ON op.oid = coalesce(k.conexclop[place], p.amopopr)
            JOIN pg_catalog.pg_namespace n ON n.oid = op.oprnamespace
            LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[place - 1]
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum),
        'some', pg_catalog.pg_get_expr(x.indpred, x.indrelid),
        'nulls', pg_catalog.to_jsonb(x) -> 'indnullsnotdistinct')::text
    FROM named JOIN pg_catalog.pg_index x ON x.indexrelid = named.index
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid
        AND k.conexclop IS NOT NULL
    WHERE x.indrelid = pg_catalog.to_regclass($1) AND (x.indisunique OR x.indisexclusion)"""
"""Of a table, and the name of an index of its own or of one of its partitions. PostgreSQL 14 knows no such NULLs."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the things that are compared. expression: SQL. operator: what must not be true, with its schema.

    column: its name, where it is one that an application writes.
    """

    expression: str
    operator: str
    column: str | None


@dataclass(frozen=True, slots=True)
class UniqueIndex:
    """A unique index. some: the condition of its rows, none for all. nulls_alike: NULLS NOT DISTINCT."""

    parts: tuple[Part, ...]
    some: str | None
    nulls_alike: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The plain columns in it."""
        return tuple(part.column for part in self.parts if part.column is not None)


def unique_index(session: Session, table: Table, name: str) -> UniqueIndex | None:
    """The index that the database has named, as of the whole table; none where there is no such index (any more)."""
    for (text,) in session.run(_INDEX, table.name.text(), name):
        told = json.loads(text)
        parts = tuple(Part(*part) for part in told["parts"])
        return UniqueIndex(parts, told["some"], bool(told["nulls"]))
    return None


def rivals_sql(table: Table, index: UniqueIndex, columns: tuple[str, ...]) -> str:
    """Of such columns of a row: gives key (as a JSON object of texts) and stamp of other rows that are alike to it."""
    computed = ", ".join(f"({part.expression}) AS {_name(at)}" for at, part in enumerate(index.parts))
    among = f" WHERE {index.some}" if index.some else ""
    same = " AND ".join(_same(at, part, index) for at, part in enumerate(index.parts))
    other = " OR ".join(f"t.{quoted(name)} IS DISTINCT FROM s.{quoted(name)}" for name in table.key)
    # A cast to text writes a boolean otherwise than the log does.
    key = ", ".join(f"{literal(name)}, pg_catalog.format('%s', t.{quoted(name)})" for name in table.key)
    return f"""{rows(table, columns)}
SELECT pg_catalog.json_build_object({key})::text, t.{STAMP_ATTRIBUTE}
FROM (SELECT {listed(table.key)}, {STAMP_ATTRIBUTE}, {computed} FROM {table.name.text()}{among}) t
JOIN (SELECT {listed(table.key)}, {computed} FROM s{among}) s ON {same} WHERE {other}"""


def _name(at: int) -> str:
    return quoted(f"~distributary part {at}")


def _same(at: int, part: Part, index: UniqueIndex) -> str:
    alike = f"t.{_name(at)} OPERATOR({part.operator}) s.{_name(at)}"
    empty = f"(t.{_name(at)} IS NULL AND s.{_name(at)} IS NULL)"
    return f"({alike} OR {empty})" if index.nulls_alike else alike
