"""The SQL that prepares a database for replication: our schema, and for each table its column and triggers.

Every write of an application is stamped inside its own transaction by a trigger that fires last. Its version is the
clock's reading or one more than the version it replaces (see `domain.version`); the applier switches the trigger off
for its own statement with the setting `distributary.applying`, which no right is needed for. What such a statement sets
off by itself, a cascade or a trigger of the application's, is stamped as a local write of this region.
"""

from __future__ import annotations

from distributary.adapters.aurora import stamp_triggers, state_triggers
from distributary.adapters.aurora.catalog import SCHEMA, Table
from distributary.adapters.aurora.names import literal, quoted
from distributary.adapters.aurora.trigger_parts import APPLYING_OUTSIDE, local
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE, fingerprint
from distributary.domain.policies import Policies

PLAIN = Policies()

VERSION = "5"
"""Of the function that all triggers use, and of the tables below; `distributary.replica` keeps which it has."""

STATE_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.replica (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    dataset text NOT NULL, region text NOT NULL, slot text NOT NULL, version text NOT NULL,
    max_clock_drift bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {SCHEMA}.tombstones (
    relation text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, stamp text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), PRIMARY KEY (relation, key));
CREATE INDEX IF NOT EXISTS tombstones_by_age ON {SCHEMA}.tombstones (deleted_at);
CREATE TABLE IF NOT EXISTS {SCHEMA}.relations (
    relation text COLLATE "C" PRIMARY KEY, columns jsonb NOT NULL, triggers text NOT NULL);
CREATE TABLE IF NOT EXISTS {SCHEMA}.checkpoint (
    slot text PRIMARY KEY, lsn pg_lsn NOT NULL, within text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
"""
"""Statements, separated by semicolons at the ends of lines; there are none inside of them."""


def table_functions(table: Table, region: str, max_clock_drift: int, policies: Policies = PLAIN) -> list[str]:
    """The functions that know one table's key: of inserts, of updates and of deletions, and what those use.

    All fire before the write and after every other trigger, since only there the depth tells a cascade that our own
    statement set off: foreign keys put off what fires after a write to the end of the outermost statement.
    """
    if policies.plain:
        writes = [
            stamp_triggers.insert_function(table),
            stamp_triggers.update_function(table, region, max_clock_drift),
        ]
    else:
        writes = state_triggers.functions(table, region, max_clock_drift, policies)
    return [*writes, stamp_triggers.bury_function(table)]


def table_statements(
    table: Table,
    publication: str,
    *,
    region: str,
    max_clock_drift: int,
    published: bool,
    policies: Policies = PLAIN,
) -> list[str]:
    """What makes a table replicated, in one transaction; writers wait for it."""
    name = table.name.text()
    state = [] if policies.plain else [f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {STATE_ATTRIBUTE} text"]
    statements = [
        f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE",
        f'ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {STAMP_ATTRIBUTE} text COLLATE "C"',
        *state,
        *table_functions(table, region, max_clock_drift, policies),
        *table_triggers(table),
        # Also in sessions that load or replicate with session_replication_role = replica, whose rows are local writes.
        *(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger(kind)}" for kind in KINDS),
    ]
    if not published:
        statements.append(f"ALTER PUBLICATION {quoted(publication)} ADD TABLE {name}")
    columns = (
        "(SELECT pg_catalog.jsonb_object_agg(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)) "
        f"FROM pg_catalog.pg_attribute a "
        f"WHERE a.attrelid = {literal(name)}::regclass AND a.attnum > 0 AND NOT a.attisdropped)"
    )
    statements.append(
        f"INSERT INTO {SCHEMA}.relations (relation, columns, triggers) "
        f"VALUES ({literal(name)}, {columns}, {literal(digest(table, region, max_clock_drift, policies))}) "
        "ON CONFLICT (relation) DO UPDATE SET columns = excluded.columns, triggers = excluded.triggers"
    )
    return statements


def table_triggers(table: Table) -> list[str]:
    """The triggers that call those functions.

    All that replication puts begins as an insert, where a condition spares the call. Of updates it would cost every
    single-row update of an application more than it saves, since it is prepared for each statement.
    """
    condition = {"insert": f" WHEN (NOT ({APPLYING_OUTSIDE}))"}
    return [
        f"CREATE OR REPLACE TRIGGER {trigger(kind)} BEFORE {event} ON {table.name.text()} "
        f"FOR EACH ROW{condition.get(kind, '')} EXECUTE FUNCTION {function(table, kind)}()"
        for kind, event in KINDS.items()
    ]


def digest(table: Table, region: str, max_clock_drift: int, policies: Policies = PLAIN) -> str:
    """What is to be compared to know whether a table's triggers are as this release would make them."""
    return fingerprint("\n".join([*table_functions(table, region, max_clock_drift, policies), *table_triggers(table)]))


def table_removal(table: Table, *, keep_columns: bool) -> list[str]:
    """What undoes `table_statements`, but for the publication."""
    name = table.name.text()
    statements = [f"DROP TRIGGER IF EXISTS {trigger(kind)} ON {name}" for kind in KINDS]
    statements += [f"DROP FUNCTION IF EXISTS {function(table, kind)}()" for kind in KINDS]
    if not keep_columns:
        statements += [f"ALTER TABLE {name} DROP COLUMN IF EXISTS {own}" for own in (STAMP_ATTRIBUTE, STATE_ATTRIBUTE)]
    return statements


KINDS = {"insert": "INSERT", "update": "UPDATE", "bury": "DELETE"}


def trigger(kind: str) -> str:
    """The name of a trigger: triggers fire in the order of their names, and few begin with a tilde."""
    return quoted(f"~distributary_{kind}")


def function(table: Table, kind: str) -> str:
    """The name of a table's function, which is short enough whatever the table is called."""
    return f"{SCHEMA}.{local(table, kind)}"
