"""The statements that merge many plain changes at once, without a look first; see `ports.Bulk`."""

from __future__ import annotations

from functools import lru_cache

from distributary.adapters.aurora.catalog import SCHEMA, Table, key_text_sql
from distributary.adapters.aurora.fragments import (
    APPLYING,
    NUMBER,
    STAMP,
    STATE,
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
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.version import SEQUENCE_DIGITS, TIMESTAMP_DIGITS

_INSERTED = quoted("~distributary inserted")

_FOUNDED = literal('"[if]": ?"')
"""What the text of a state is like that names what it was made on top of; most do not, and are not read for it."""

_REGIONS = 4
"""Entries of a context that a statement compares; a row that more regions have written takes a decision."""


@lru_cache(maxsize=256)
def take(table: Table, columns: tuple[str, ...]) -> str:
    """Of our columns and others: inserts and replaces what is plain; gives counts of both, and numbers of the rest."""
    here, excluded, own = f"t.{STAMP_ATTRIBUTE}", f"excluded.{STAMP_ATTRIBUTE}", own_rows(table)
    plain = _had_seen(here, excluded)
    if table.stateful:  # an insert that could not see the deletion of its key has the higher version, but is beneath it
        there = _incarnation(f"t.{STATE_ATTRIBUTE}", here)
        above = f'{there} COLLATE "C" <= {_incarnation(f"excluded.{STATE_ATTRIBUTE}", excluded)}'
        plain = f"{plain} AND ({here} IS NULL OR t.{STATE_ATTRIBUTE} !~ {_FOUNDED} OR {above})"
    return f"""{rows(table, columns, *own)}, done AS (
INSERT INTO {table.name.text()} AS t ({listed(columns)}, {own_listed(own_columns(table))}) OVERRIDING SYSTEM VALUE
SELECT {listed(columns, "s")}, {own_listed(own, "s")} FROM s
LEFT JOIN {SCHEMA}.tombstones d ON {same_tombstone(table)}, {APPLYING}
WHERE {_on_top(table)} ORDER BY {listed(table.key, "s")}
ON CONFLICT ({listed(table.key)}) DO UPDATE
SET {settings(table, columns, "excluded", own_columns(table))}
WHERE {plain}
RETURNING {listed(table.key, "t")}, t.xmax = 0 AS {_INSERTED})
SELECT count(*) FILTER (WHERE {_INSERTED}), count(*) FILTER (WHERE NOT {_INSERTED}),
CASE WHEN count(*) < (SELECT count(*) FROM s) THEN (SELECT pg_catalog.json_agg(s.{NUMBER})::text FROM s
    WHERE NOT EXISTS (SELECT FROM done t WHERE {same_key(table)})) END FROM done"""


@lru_cache(maxsize=256)
def outlived(table: Table) -> str:
    """Of stamps and the key: gives the numbers of those that a tombstone covers.

    Where states are joined a stamp does not tell what its row was made on top of: all that have a tombstone.
    """
    older = f"d.stamp >= pg_catalog.split_part(s.{STAMP}, ' ', 1)"
    return f"""{rows(table, table.key, STAMP)}
SELECT pg_catalog.json_agg(s.{NUMBER})::text FROM s JOIN {SCHEMA}.tombstones d ON {same_tombstone(table)}
WHERE {"true" if table.stateful else older}"""


@lru_cache(maxsize=256)
def outlived_states(table: Table) -> str:
    """Of stamps, states and the key: gives the numbers of those that were not made on top of the deletion."""
    return f"""{rows(table, table.key, STAMP, STATE)}
SELECT pg_catalog.json_agg(s.{NUMBER})::text FROM s JOIN {SCHEMA}.tombstones d ON {same_tombstone(table)}
WHERE NOT {_on_top(table)}"""


@lru_cache(maxsize=256)
def note_plain(table: Table) -> str:
    """Of stamps and the key: writes tombstones over none and over what their writers had seen; what is left."""
    return f"""{rows(table, table.key, STAMP)}, done AS (
INSERT INTO {SCHEMA}.tombstones AS d (relation, key, stamp)
SELECT {literal(table.name.text())}, {key_text_sql(table, "s")}, s.{STAMP} FROM s ORDER BY 2
ON CONFLICT (relation, key) DO UPDATE SET stamp = excluded.stamp, deleted_at = pg_catalog.clock_timestamp()
WHERE {_had_seen("d.stamp", "excluded.stamp")} RETURNING key)
SELECT pg_catalog.json_agg(s.{NUMBER})::text FROM s LEFT JOIN done ON done.key = {key_text_sql(table, "s")}
WHERE done.key IS NULL"""


@lru_cache(maxsize=256)
def delete_plain(table: Table) -> str:
    """Of stamps and the key: deletes rows that the writers of the deletions had seen; numbers of those that stay."""
    plain = _had_seen(f"t.{STAMP_ATTRIBUTE}", f"s.{STAMP}")
    return f"""{rows(table, table.key, STAMP)}, {held(table, plain)}, gone AS (
DELETE FROM {table.name.text()} t USING s, {APPLYING}
WHERE {same_key(table)} AND {plain} AND s.{NUMBER} IN (SELECT {NUMBER} FROM held) RETURNING s.{NUMBER})
SELECT pg_catalog.json_agg(s.{NUMBER})::text FROM s JOIN {table.name.text()} t ON {same_key(table)}
WHERE s.{NUMBER} NOT IN (SELECT {NUMBER} FROM gone)"""


def _on_top(table: Table) -> str:
    """Whether a put was certainly made on top of the deletion in `d`, if there is one.

    Where states are joined its incarnation tells, and its context does not: that of an insert covers a deletion of its
    own region which it could not see, since it was not committed yet.
    """
    if not table.stateful:
        return _had_seen("d.stamp", f"s.{STAMP}")
    deletion = "pg_catalog.split_part(d.stamp, ' ', 1)"
    return f'(d.stamp IS NULL OR {_incarnation(f"s.{STATE}", f"s.{STAMP}")} COLLATE "C" >= {deletion})'


def _incarnation(state: str, stamp: str) -> str:
    """What a state was made on top of, as stamps write versions: its own version where there is no state."""
    told = f"coalesce({state}::jsonb ->> 'f', {state}::jsonb ->> 'i')"
    moment, sequence, region = (f"pg_catalog.split_part({told}, '.', {at})" for at in (1, 2, 3))
    number = f"('x' || pg_catalog.lpad({moment}, 16, '0'))::bit(64)::bigint"
    return (
        f"(CASE WHEN {state} IS NULL THEN pg_catalog.split_part({stamp}, ' ', 1) WHEN {told} IS NULL THEN ''"
        f" ELSE pg_catalog.lpad(({number})::text, {TIMESTAMP_DIGITS}, '0') || '.'"
        f" || pg_catalog.lpad({sequence}, {SEQUENCE_DIGITS}, '0') || '.' || {region} END)"
    )


def _had_seen(known: str, stamp: str) -> str:
    """Whether the writer of a stamp had seen all that a known one tells of, none included; never true by mistake.

    Each entry of the known context stands in the other one to the letter, or is of the region that wrote: that
    region's own entry there is its version, the higher one.
    """
    context, version = f"pg_catalog.split_part({known}, ' ', 5)", f"pg_catalog.split_part({stamp}, ' ', 1)"
    writer = f"pg_catalog.split_part({version}, '.', 3)"
    entries = [f"pg_catalog.split_part({context}, ',', {number + 1})" for number in range(_REGIONS)]
    around = f"',' || pg_catalog.split_part({stamp}, ' ', 5) || ','"
    seen = [
        f"({entry} = '' OR pg_catalog.starts_with({entry}, {writer} || '=')"
        f" OR pg_catalog.strpos({around}, ',' || {entry} || ',') > 0)"
        for entry in entries
    ]
    rest = f"pg_catalog.split_part({context}, ',', {_REGIONS + 1}) = ''"
    return f"({known} IS NULL OR ({known} < {version} AND ({_alone(known, stamp)} OR {' AND '.join([*seen, rest])})))"


def _alone(known: str, stamp: str) -> str:
    """Whether a known stamp tells of one region only, the one that wrote the other; usual, and told in few steps."""
    region = f"pg_catalog.split_part(pg_catalog.split_part({known}, ' ', 5), '=', 1)"
    writer = f"pg_catalog.substr({stamp}, {TIMESTAMP_DIGITS + SEQUENCE_DIGITS + 3})"
    return f"(pg_catalog.strpos({known}, ',') = 0 AND pg_catalog.starts_with({writer}, {region} || ' '))"
