"""What the database's catalogue says of the tables that are replicated, and the one text form of their keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from distributary.adapters.aurora.names import TableName, quoted
from distributary.adapters.aurora.session import Session
from distributary.domain.errors import InvalidSettings, ItemTooLarge
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, STATE_ATTRIBUTE

SCHEMA = "distributary"
"""Where everything of ours stands, but for the columns and triggers of the tables themselves."""

TOMBSTONES = TableName(SCHEMA, "tombstones")


GENERATION = "policies of generation "
"""Is said in a trigger's function with the number, unless that is the first."""


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column. type: as PostgreSQL formats it, without its modifier: a cast to it neither cuts nor rounds.

    always: an identity that only an insert can give a value to (GENERATED ALWAYS AS IDENTITY). base: of a domain, the
    type that it narrows, else its own.
    """

    name: str
    type: str
    generated: bool
    not_null: bool
    always: bool = False
    base: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. columns: the application's, in their order. key: the primary key's columns, sorted by name.

    unique: the columns of every other unique constraint or plain unique index, by name. parents: the tables that
    foreign keys name. stamped: whether it has the stamp's column. stateful: whether it has that of states, which it
    keeps when its policies need no memory any more. generation: of the policies that its triggers keep.
    """

    name: TableName
    columns: tuple[ColumnInfo, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, tuple[str, ...]], ...] = ()
    parents: frozenset[TableName] = field(default_factory=frozenset)
    stamped: bool = False
    stateful: bool = False
    generation: int = 1

    def column(self, name: str) -> ColumnInfo | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


_TABLES = f"""
    SELECT n.nspname::text, c.relname::text, pg_catalog.jsonb_build_object(
      'columns', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(a.attname::text,
            pg_catalog.format_type(a.atttypid, -1), a.attgenerated <> '', a.attnotnull, a.attidentity = 'a',
            pg_catalog.format_type(coalesce(nullif(y.typbasetype, 0), y.oid), -1)) ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
      'indexes', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(i.relname::text, x.indisprimary,
            (SELECT pg_catalog.jsonb_agg(a.attname::text ORDER BY a.attname::text COLLATE "C")
             FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum IN (SELECT number FROM unnest(x.indkey)
               WITH ORDINALITY AS parts (number, place) WHERE place <= x.indnkeyatts))))
          FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
          WHERE x.indrelid = c.oid AND x.indisunique AND x.indexprs IS NULL AND x.indpred IS NULL),
      'parents', (SELECT pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_array(pn.nspname::text, p.relname::text))
          FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class p ON p.oid = f.confrelid
          JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
          WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid),
      'generation', (SELECT pg_catalog.substring(p.prosrc, '{GENERATION}([0-9]+)')
          FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
          WHERE t.tgrelid = c.oid AND t.tgname = '~distributary_update'))::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', '{SCHEMA}') AND n.nspname NOT LIKE 'pg\\_%'
      AND EXISTS (SELECT FROM pg_catalog.jsonb_array_elements($1::jsonb) wanted
                  WHERE wanted ->> 0 = n.nspname AND wanted ->> 1 IN ('*', c.relname))
    ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" OFFSET $2::bigint LIMIT $3::bigint
"""

_PORTION = 500
"""Tables that are described at once; fewer where such an answer is larger than the session can take."""

ALTERED = f"""SELECT r.relation, r.columns IS NOT DISTINCT FROM (
        SELECT pg_catalog.jsonb_object_agg(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = pg_catalog.to_regclass(r.relation) AND a.attnum > 0 AND NOT a.attisdropped)
    FROM {SCHEMA}.relations r ORDER BY 1"""
"""Which tables have other columns than when they were taken in."""

ABSENT = f"""SELECT r.relation FROM {SCHEMA}.relations r WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass(r.relation) AND c.relkind IN ('r', 'p'))
    ORDER BY 1"""
"""Which tables were dropped or renamed since they were taken in; a view may have the name."""

DISARMED = rf"""SELECT r.relation FROM {SCHEMA}.relations r
    WHERE pg_catalog.to_regclass(r.relation) IS NOT NULL AND EXISTS (
        SELECT FROM (SELECT pg_catalog.to_regclass(r.relation) AS relid
                     UNION SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(r.relation))) part
        WHERE (SELECT count(*) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = part.relid
        AND t.tgname LIKE '~distributary\_%' AND t.tgenabled = 'A') < 3) ORDER BY 1"""
"""Which tables, or partitions of theirs, lack one of our three triggers or have one that does not always fire."""


def tables(session: Session, patterns: Sequence[str]) -> list[Table]:
    """The tables that patterns such as "public.*" or "public.orders" name, by schema and name."""
    wanted = json.dumps([pattern.rsplit(".", 1) for pattern in patterns])
    found: list[Table] = []
    portion = _PORTION
    while True:
        try:
            told = session.run(_TABLES, wanted, len(found), portion)
        except ItemTooLarge as error:
            if portion == 1:
                raise InvalidSettings(f"a table has too many columns to be reached in this way: {error}") from error
            portion //= 2
            continue
        found += [_table(TableName(schema, name), json.loads(text)) for schema, name, text in told]
        if len(told) < portion:
            return found


def _table(name: TableName, told: dict[str, list[list[object]] | None]) -> Table:
    columns = [
        ColumnInfo(str(n), str(t), bool(g), bool(r), bool(i), str(b)) for n, t, g, r, i, b in told["columns"] or ()
    ]
    indexes = [(str(n), bool(primary), tuple(map(str, parts or ()))) for n, primary, parts in told["indexes"] or ()]  # type: ignore[call-overload]
    return Table(
        name=name,
        columns=tuple(column for column in columns if column.name not in OWN_ATTRIBUTES),
        key=next((parts for _, primary, parts in indexes if primary), ()),
        unique=tuple(sorted((name, parts) for name, primary, parts in indexes if not primary and parts)),
        parents=frozenset(TableName(str(schema), str(parent)) for schema, parent in told["parents"] or ()),
        stamped=any(column.name == STAMP_ATTRIBUTE for column in columns),
        stateful=any(column.name == STATE_ATTRIBUTE for column in columns),
        generation=int(str(told["generation"] or 1)),
    )


def key_text_sql(table: Table, alias: str) -> str:
    """An expression for the text of a row's key: a JSON array of the key's columns as text, sorted by their names.

    Numbers that are equal have one text. alias: of the row, such as NEW, put before each column.
    """
    return f"pg_catalog.json_build_array({', '.join(_key_part(table, alias, name) for name in table.key)})::text"


def _key_part(table: Table, alias: str, name: str) -> str:
    column = table.column(name)
    part = f"{alias}.{quoted(name)}"
    if column is not None and (column.base or column.type) == "numeric":
        return f"pg_catalog.trim_scale({part})::text"
    return f"{part}::text"


def parents_first(some: Sequence[Table]) -> list[Table]:
    """The tables in an order in which foreign keys find their rows, as far as there is one."""
    ordered: list[Table] = []
    left = sorted(some, key=lambda table: table.name)
    while left:
        names = {table.name for table in left}
        free = [table for table in left if not table.parents & names] or left
        ordered += free
        left = [table for table in left if table not in free]
    return ordered
