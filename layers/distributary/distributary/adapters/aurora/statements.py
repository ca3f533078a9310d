"""The statements that read and write many rows of one table at once; the rows come as one JSON parameter, $1.

One form serves a direct connection and the Data API, which takes no arrays, and costs one round trip and no temporary
table. Values stand in it in PostgreSQL's text form, and the database itself makes them what the columns are.
"""

from __future__ import annotations

from functools import lru_cache

from distributary.adapters.aurora.catalog import SCHEMA, Table, key_text_sql
from distributary.adapters.aurora.names import literal, quoted
from distributary.domain.image import STAMP_ATTRIBUTE

NUMBER, STAMP, EXPECTED = "~n", "~stamp", "~expected"
"""Members of a row beside its columns: its place in the batch, the stamp it gets, and the stamp it must have."""

APPLYING = "(SELECT pg_catalog.set_config('distributary.applying', 'on', true)) AS applying"
"""Switches the stamping triggers off until the end of the statement; read before the first row is written."""


@lru_cache(maxsize=256)
def look(table: Table) -> str:
    """Gives number, whether the row is there, its stamp, and the stamp of its tombstone."""
    return f"""{_rows(table, table.key)}
SELECT s.{quoted(NUMBER)}, t.{quoted(table.key[0])} IS NOT NULL, t.{STAMP_ATTRIBUTE}, d.stamp FROM s
LEFT JOIN {table.name.text()} t ON {_same_key(table)} LEFT JOIN {SCHEMA}.tombstones d ON {_tombstone(table)}"""


@lru_cache(maxsize=256)
def look_back(table: Table) -> str:
    """Gives number and stamp of the tombstones that are there."""
    return f"""{_rows(table, table.key)}
SELECT s.{quoted(NUMBER)}, d.stamp FROM s JOIN {SCHEMA}.tombstones d ON {_tombstone(table)}"""


@lru_cache(maxsize=256)
def insert(table: Table, columns: tuple[str, ...]) -> str:
    """Inserts rows whose keys are not there; gives their numbers."""
    names = ", ".join([*map(quoted, columns), STAMP_ATTRIBUTE])
    values = ", ".join([*(f"s.{quoted(name)}" for name in columns), f"s.{quoted(STAMP)}"])
    key = ", ".join(map(quoted, table.key))
    return f"""{_rows(table, columns)}, done AS (
INSERT INTO {table.name.text()} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM s, {APPLYING}
ORDER BY {", ".join(f"s.{quoted(name)}" for name in table.key)} ON CONFLICT ({key}) DO NOTHING RETURNING {key})
SELECT s.{quoted(NUMBER)} FROM s JOIN done t ON {_same_key(table)}"""


@lru_cache(maxsize=256)
def update(table: Table, columns: tuple[str, ...]) -> str:
    """Replaces rows that carry the expected stamp, but for columns not named; gives their numbers."""
    settings = [f"{quoted(name)} = s.{quoted(name)}" for name in columns if name not in table.key]
    settings.append(f"{STAMP_ATTRIBUTE} = s.{quoted(STAMP)}")
    return f"""{_rows(table, columns)}
UPDATE {table.name.text()} t SET {", ".join(settings)} FROM s, {APPLYING}
WHERE {_same_key(table)} AND {_as_expected("t." + STAMP_ATTRIBUTE)} RETURNING s.{quoted(NUMBER)}"""


@lru_cache(maxsize=256)
def delete(table: Table, *, locally: bool = False) -> str:
    """Deletes rows that carry the expected stamp; gives their numbers. locally: as an application would."""
    using = "s" if locally else f"s, {APPLYING}"
    return f"""{_rows(table, table.key)} DELETE FROM {table.name.text()} t USING {using}
WHERE {_same_key(table)} AND {_as_expected("t." + STAMP_ATTRIBUTE)} RETURNING s.{quoted(NUMBER)}"""


@lru_cache(maxsize=256)
def note(table: Table) -> str:
    """Writes tombstones that are not there yet; gives their numbers."""
    return f"""{_rows(table, table.key)}, done AS (
INSERT INTO {SCHEMA}.tombstones (relation, key, stamp)
SELECT {literal(table.name.text())}, {key_text_sql(table, "s")}, s.{quoted(STAMP)} FROM s
ORDER BY 2 ON CONFLICT DO NOTHING RETURNING key)
SELECT s.{quoted(NUMBER)} FROM s JOIN done ON done.key = {key_text_sql(table, "s")}"""


@lru_cache(maxsize=256)
def note_again(table: Table) -> str:
    """Replaces tombstones that have the expected version and context (of their stamps); gives their numbers."""
    told = "pg_catalog.split_part(d.stamp, ' ', 1) || ' ' || pg_catalog.split_part(d.stamp, ' ', 5)"
    return f"""{_rows(table, table.key)}
UPDATE {SCHEMA}.tombstones d SET stamp = s.{quoted(STAMP)}, deleted_at = pg_catalog.clock_timestamp() FROM s
WHERE {_tombstone(table)} AND {_as_expected(told)} RETURNING s.{quoted(NUMBER)}"""


@lru_cache(maxsize=256)
def renounce(table: Table) -> str:
    """Writes tombstones as if an application here had deleted rows with these stamps, so that they travel."""
    return f"""{_rows(table, table.key)} INSERT INTO {SCHEMA}.tombstones AS known (relation, key, stamp)
SELECT {literal(table.name.text())}, {key_text_sql(table, "s")}, {SCHEMA}.stamp_over(s.{quoted(STAMP)}, NULL) FROM s
ON CONFLICT (relation, key) DO UPDATE
SET stamp = {SCHEMA}.stamp_over(excluded.stamp, known.stamp), deleted_at = pg_catalog.clock_timestamp()"""


@lru_cache(maxsize=256)
def rivals(table: Table, unique: tuple[str, ...]) -> str:
    """Gives number, key (as a JSON object of texts) and stamp of rows that share the values of unique columns."""
    same = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in unique)
    other = " OR ".join(f"t.{quoted(name)} IS DISTINCT FROM s.{quoted(name)}" for name in table.key)
    key = ", ".join(f"{literal(name)}, t.{quoted(name)}::text" for name in table.key)
    columns = tuple(dict.fromkeys((*table.key, *unique)))
    return f"""{_rows(table, columns)}
SELECT s.{quoted(NUMBER)}, pg_catalog.json_build_object({key})::text, t.{STAMP_ATTRIBUTE}
FROM s JOIN {table.name.text()} t ON {same} WHERE {other}"""


@lru_cache(maxsize=256)
def complete(table: Table, columns: tuple[str, ...]) -> str:
    """Gives number and columns (as a JSON object of texts) of rows that still carry the expected stamp."""
    wanted = ", ".join(f"{literal(name)}, t.{quoted(name)}::text" for name in columns)
    return f"""{_rows(table, table.key)}
SELECT s.{quoted(NUMBER)}, pg_catalog.json_build_object({wanted})::text FROM s
JOIN {table.name.text()} t ON {_same_key(table)} WHERE {_as_expected("t." + STAMP_ATTRIBUTE)}"""


def _rows(table: Table, columns: tuple[str, ...]) -> str:
    """The parameter as rows of the table's own types."""
    plain = ", ".join(f"{quoted(name)} text" for name in (*columns, STAMP, EXPECTED))
    typed = ", ".join(f"{quoted(name)}::{_type(table, name)} AS {quoted(name)}" for name in columns)
    return (
        f"WITH s AS MATERIALIZED (SELECT {quoted(NUMBER)}, {quoted(STAMP)}, {quoted(EXPECTED)}, {typed} "
        f"FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS raw({quoted(NUMBER)} integer, {plain}))"
    )


def _type(table: Table, name: str) -> str:
    column = table.column(name)
    if column is None:
        raise KeyError(name)
    return column.type


def _same_key(table: Table) -> str:
    return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in table.key)


def _tombstone(table: Table) -> str:
    return f"d.relation = {literal(table.name.text())} AND d.key = {key_text_sql(table, 's')}"


def _as_expected(told: str) -> str:
    return f"({told}) IS NOT DISTINCT FROM s.{quoted(EXPECTED)}"
