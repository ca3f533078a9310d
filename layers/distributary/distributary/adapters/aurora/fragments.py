"""What the statements of this package are made of: parameters that become rows, and what is compared of those.

The rows of a statement come as JSON arrays, one a column. One form serves a direct connection and the Data API, which
takes no arrays of SQL, and costs one round trip and no temporary table. Values stand in it in PostgreSQL's text form,
and the database itself makes them what the columns are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from distributary.adapters.aurora.catalog import Table, key_text_sql
from distributary.adapters.aurora.names import literal, quoted
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE

APPLYING = "(SELECT pg_catalog.set_config('distributary.applying', 'on', true)) AS applying"
"""Switches the stamping triggers off until the end of the statement; read before the first row is written."""

NUMBER, STAMP, STATE, EXPECTED = (quoted(f"~distributary {name}") for name in ("n", "stamp", "state", "expected"))
"""Of rows of a statement, beside their columns: number in the call, stamp and state they get, stamp they must have."""

_ONE_TEXT = ("smallint", "integer", "bigint", "uuid", "boolean", "date", "timestamp", "bytea", "oid", "text", "varchar")
"""Beginnings of types whose equal values have one text, as long as no collation says otherwise."""

_ARRAY = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def parameters(*columns: Sequence[str | None]) -> tuple[str, ...]:
    """The parameters of a statement: what it takes a text or NULL of for each row."""
    return tuple(map(_ARRAY, columns))


def rows(table: Table, columns: tuple[str, ...], *own: str) -> str:
    """The parameters as rows `s`: texts of our own first, then the table's columns, made what they are there."""
    arrays = ", ".join(f"pg_catalog.json_array_elements_text(${at + 1}::json)" for at in range(len(own) + len(columns)))
    typed = [f"{quoted(name)}::{_type_of(table, name)} AS {quoted(name)}" for name in columns]
    raw = ", ".join([*own, *map(quoted, columns), NUMBER])
    return f"""WITH s AS MATERIALIZED (SELECT {", ".join([*own, *typed])}, {NUMBER}::integer - 1 AS {NUMBER}
FROM ROWS FROM ({arrays}) WITH ORDINALITY AS raw({raw}))"""


def held(table: Table, condition: str, lock: str = "UPDATE") -> str:
    """The numbers of rows that are locked, in the order of their keys, since the condition holds."""
    return f"""held AS MATERIALIZED (SELECT s.{NUMBER} FROM s JOIN {table.name.text()} t ON {same_key(table)}
WHERE {condition} ORDER BY {listed(table.key, "t")} FOR {lock} OF t)"""


def own_rows(table: Table) -> tuple[str, ...]:
    """What rows of a statement have for the columns of ours that a table has."""
    return (STAMP, STATE) if table.stateful else (STAMP,)


def own_columns(table: Table) -> tuple[str, ...]:
    """Those columns, in the same order."""
    return (STAMP_ATTRIBUTE, STATE_ATTRIBUTE) if table.stateful else (STAMP_ATTRIBUTE,)


def own_listed(names: Sequence[str], source: str = "") -> str:
    """Columns of ours with commas between, of the alias of a table if one is given."""
    return ", ".join(f"{source}.{name}" if source else name for name in names)


def settings(table: Table, columns: tuple[str, ...], source: str, own: Sequence[str]) -> str:
    """What an update sets; of the key only what may have another text although it is equal.

    own: what the source calls our columns.
    """
    names = [quoted(name) for name in columns if _can_be_set(table, name)]
    set_own = (f"{name} = {source}.{theirs}" for name, theirs in zip(own_columns(table), own, strict=True))
    return ", ".join([*(f"{name} = {source}.{name}" for name in names), *set_own])


def _can_be_set(table: Table, name: str) -> bool:
    column = table.column(name)
    if column is None or column.always:
        return False
    # A type of somebody's own has a schema, whose name may begin so, too.
    return name not in table.key or not column.type.startswith(_ONE_TEXT) or "." in column.type


def _type_of(table: Table, name: str) -> str:
    column = table.column(name)
    if column is None:
        raise KeyError(name)
    return column.type


def listed(columns: Sequence[str], source: str = "") -> str:
    """Columns with commas between, of the alias of a table if one is given."""
    return ", ".join(f"{source}.{quoted(name)}" if source else quoted(name) for name in columns)


def same_key(table: Table) -> str:
    """Whether table `t` and rows `s` agree in the key."""
    return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in table.key)


def same_tombstone(table: Table) -> str:
    """Whether tombstone `d` is of the row in `s`."""
    return f"d.relation = {literal(table.name.text())} AND d.key = {key_text_sql(table, 's')}"


def as_expected() -> str:
    """Whether the row in `t` has the stamp that `s` says it must."""
    return f"t.{STAMP_ATTRIBUTE} IS NOT DISTINCT FROM s.{EXPECTED}"
