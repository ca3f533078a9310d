"""The statements that read and write many rows of one table at once, each on its condition.

Each names what its parameters are. Rows are locked in the order of their keys, so that writers do not wait for each
other in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from distributary.adapters.aurora.catalog import SCHEMA, Table, key_text_sql
from distributary.adapters.aurora.fragments import (
    APPLYING,
    EXPECTED,
    NUMBER,
    STAMP,
    as_expected,
    held,
    listed,
    own_columns,
    own_listed,
    own_rows,
    rows,
    same_key,
    same_tombstone,
    settings,
)
from distributary.adapters.aurora.names import literal, quoted
from distributary.domain.image import STAMP_ATTRIBUTE, Image


@lru_cache(maxsize=256)
def look(table: Table) -> str:
    """Of the key: gives number, whether the row is there, the stamp of its tombstone, and our columns of it."""
    return _look(table, ())


@lru_cache(maxsize=256)
def look_whole(table: Table) -> str:
    """As `look`, and all that the application has put into the row, as the log tells it."""
    return _look(table, told_columns(table))


def told_columns(table: Table) -> tuple[str, ...]:
    """The columns that the log tells of."""
    return tuple(column.name for column in table.columns if not column.generated)


def image_of(table: Table, values: Sequence[str | None]) -> Image:
    """A row that `look` or `look_whole` gives: our columns that are not NULL, and the application's."""
    own = own_columns(table)
    image = {name: {"S": text} for name, text in zip(own, values, strict=False) if text is not None}
    told = zip(told_columns(table), values[len(own) :], strict=False)
    return {**image, **{name: {"S": text} if text is not None else {"NULL": True} for name, text in told}}


def _look(table: Table, columns: tuple[str, ...]) -> str:
    # As the type writes it, which is not for every type what a cast to text gives; NULL is not told from a row of them.
    texts = [
        f"CASE WHEN pg_catalog.num_nulls(t.{name}) = 0 THEN pg_catalog.format('%s', t.{name}) END"
        for name in map(quoted, columns)
    ]
    wanted = ", ".join([*(f"t.{name}" for name in own_columns(table)), *texts])
    return f"""{rows(table, table.key)}
SELECT s.{NUMBER}, t.{quoted(table.key[0])} IS NOT NULL, d.stamp, {wanted} FROM s
LEFT JOIN {table.name.text()} t ON {same_key(table)} LEFT JOIN {SCHEMA}.tombstones d ON {same_tombstone(table)}"""


@lru_cache(maxsize=256)
def look_back(table: Table) -> str:
    """Of the key: gives number and stamp of the tombstones that are there."""
    return f"""{rows(table, table.key)}
SELECT s.{NUMBER}, d.stamp FROM s JOIN {SCHEMA}.tombstones d ON {same_tombstone(table)}"""


@lru_cache(maxsize=256)
def insert(table: Table, columns: tuple[str, ...]) -> str:
    """Of our columns and others: inserts rows whose keys are not there; gives their numbers."""
    own = own_rows(table)
    return f"""{rows(table, columns, *own)}, done AS (
INSERT INTO {table.name.text()} ({listed(columns)}, {own_listed(own_columns(table))}) OVERRIDING SYSTEM VALUE
SELECT {listed(columns, "s")}, {own_listed(own, "s")} FROM s, {APPLYING} ORDER BY {listed(table.key, "s")}
ON CONFLICT ({listed(table.key)}) DO NOTHING RETURNING {listed(table.key)}, {STAMP_ATTRIBUTE})
SELECT s.{NUMBER} FROM s JOIN done t ON {same_key(table)} AND t.{STAMP_ATTRIBUTE} = s.{STAMP}"""


@lru_cache(maxsize=256)
def update(table: Table, columns: tuple[str, ...]) -> str:
    """Of our columns, expected stamps and others: replaces rows, but for columns not named; gives their numbers."""
    own = own_rows(table)
    return f"""{rows(table, columns, *own, EXPECTED)}, {held(table, as_expected(), "NO KEY UPDATE")}
UPDATE {table.name.text()} t SET {settings(table, columns, "s", own)} FROM s, {APPLYING}
WHERE {same_key(table)} AND {as_expected()} AND s.{NUMBER} IN (SELECT {NUMBER} FROM held) RETURNING s.{NUMBER}"""


@lru_cache(maxsize=256)
def delete(table: Table) -> str:
    """Of expected stamps and the key: deletes rows; gives their numbers."""
    return f"""{rows(table, table.key, EXPECTED)}, {held(table, as_expected())}
DELETE FROM {table.name.text()} t USING s, {APPLYING}
WHERE {same_key(table)} AND {as_expected()} AND s.{NUMBER} IN (SELECT {NUMBER} FROM held) RETURNING s.{NUMBER}"""


@lru_cache(maxsize=256)
def note(table: Table) -> str:
    """Of stamps and the key: writes tombstones that are not there yet; gives their numbers."""
    return f"""{rows(table, table.key, STAMP)}, done AS (
INSERT INTO {SCHEMA}.tombstones (relation, key, stamp)
SELECT {literal(table.name.text())}, {key_text_sql(table, "s")}, s.{STAMP} FROM s
ORDER BY 2 ON CONFLICT DO NOTHING RETURNING key)
SELECT s.{NUMBER} FROM s JOIN done ON done.key = {key_text_sql(table, "s")}"""


@lru_cache(maxsize=256)
def note_again(table: Table) -> str:
    """Of stamps, expected versions and contexts, and the key: replaces tombstones; gives their numbers."""
    told = "pg_catalog.split_part(d.stamp, ' ', 1) || ' ' || pg_catalog.split_part(d.stamp, ' ', 5)"
    as_expected = f"({told}) = s.{EXPECTED}"
    return f"""{rows(table, table.key, STAMP, EXPECTED)}, held AS MATERIALIZED (
SELECT s.{NUMBER} FROM s JOIN {SCHEMA}.tombstones d ON {same_tombstone(table)} WHERE {as_expected}
ORDER BY d.key FOR NO KEY UPDATE OF d)
UPDATE {SCHEMA}.tombstones d SET stamp = s.{STAMP}, deleted_at = pg_catalog.clock_timestamp() FROM s
WHERE {same_tombstone(table)} AND {as_expected} AND s.{NUMBER} IN (SELECT {NUMBER} FROM held) RETURNING s.{NUMBER}"""


@lru_cache(maxsize=256)
def complete(table: Table, columns: tuple[str, ...]) -> str:
    """Of expected stamps and the key: gives number and columns (a JSON object of texts) of rows that carry them."""
    # Not json_build_object, since a function takes a hundred arguments.
    names, texts = ", ".join(map(literal, columns)), ", ".join(f"t.{quoted(name)}::text" for name in columns)
    return f"""{rows(table, table.key, EXPECTED)}
SELECT s.{NUMBER}, pg_catalog.json_object(ARRAY[{names}]::text[], ARRAY[{texts}]::text[])::text FROM s
JOIN {table.name.text()} t ON {same_key(table)} WHERE {as_expected()}"""
