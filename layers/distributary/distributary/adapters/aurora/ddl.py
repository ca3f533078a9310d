"""The SQL that prepares a database for replication: our schema, and for each table its column and triggers.

Every write of an application is stamped inside its own transaction by a trigger that fires last. Its version is the
clock's reading or one more than the version it replaces (see `domain.version`); the applier switches the trigger off
for its own statement with the setting `distributary.applying`, which no right is needed for. What such a statement sets
off by itself, a cascade or a trigger of the application's, is stamped as a local write of this region.
"""

from __future__ import annotations

from distributary.adapters.aurora.catalog import SCHEMA, Table, key_text_sql
from distributary.adapters.aurora.names import literal, quoted
from distributary.adapters.aurora.session import SETTINGS
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE, fingerprint
from distributary.domain.version import MICROSECONDS, SEQUENCE_DIGITS, TIMESTAMP_DIGITS

VERSION = "3"
"""Of the functions below; `distributary.replica` keeps which one is installed."""

_CLOCK = f"(pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) * {MICROSECONDS})::bigint"
"""The clock as the statement read it once: the same wherever an expression looks at it."""
_SEQUENCE = "0" * SEQUENCE_DIGITS
_ENTRY = r"[a-z0-9-]+=[0-9a-f.]+"
_STAMP = (
    rf"^\d{{{TIMESTAMP_DIGITS}}}\.[0-9a-f]{{{SEQUENCE_DIGITS}}}\.[a-z0-9-]+ [arx] [\w-]+ [\w-]+ {_ENTRY}(,{_ENTRY})*$"
)
_APPLYING = (
    "pg_catalog.current_setting('distributary.applying', true) IS NOT DISTINCT FROM 'on'"
    " AND pg_catalog.pg_trigger_depth() = 1"
)
_STABLE_KEYS = ("smallint", "integer", "bigint", "uuid", "text", "character", "numeric", "boolean", "name")
"""Beginnings of types whose text depends on no setting."""
_KEY_SETTINGS = ("DateStyle", "IntervalStyle", "TimeZone", "extra_float_digits", "bytea_output")

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


def shared_function(region: str, max_clock_drift: int) -> str:
    """The function that all triggers use. max_clock_drift: microseconds; a stamp beyond it is not believed."""
    return _stamp_over(region, max_clock_drift)


def _stamp_over(region: str, max_clock_drift: int) -> str:
    """The stamp of a write on top of up to two stamps: above both, with all that either has seen.

    Its sequence is the transaction's: of two that insert one key in the same microsecond, where neither sees what the
    other has done, each has a version of its own.
    """
    return _function("stamp_over(one text, other text)", "text", "SET search_path = pg_catalog", rf"""
DECLARE
    clock bigint := {_CLOCK};
    moment bigint;
    transaction text := to_hex(pg_current_xact_id()::text::bigint);
    entries text;
BEGIN
    IF one !~ '{_STAMP}' OR left(one, {TIMESTAMP_DIGITS})::bigint > clock + {max_clock_drift} THEN
        one := NULL;
    END IF;
    IF other !~ '{_STAMP}' OR left(other, {TIMESTAMP_DIGITS})::bigint > clock + {max_clock_drift} THEN
        other := NULL;
    END IF;
    moment := greatest(clock, left(one, {TIMESTAMP_DIGITS})::bigint + 1, left(other, {TIMESTAMP_DIGITS})::bigint + 1);
    SELECT string_agg(home || '=' || instant, ',' ORDER BY home COLLATE "C") INTO entries FROM (
        SELECT DISTINCT ON (home) home, instant FROM (
            SELECT split_part(entry, '=', 1) AS home, split_part(entry, '=', 2) AS instant
            FROM string_to_table(concat_ws(',', split_part(one, ' ', 5), split_part(other, ' ', 5)), ',') AS entry
            WHERE entry <> '' AND split_part(entry, '=', 1) <> '{region}'
            UNION ALL SELECT '{region}', to_hex(moment) || '.' || transaction) seen
        ORDER BY home, lpad(split_part(instant, '.', 1), 16, '0') COLLATE "C" DESC,
                 lpad(split_part(instant, '.', 2), {SEQUENCE_DIGITS}, '0') COLLATE "C" DESC) newest;
    RETURN lpad(moment::text, {TIMESTAMP_DIGITS}, '0') || '.' || lpad(transaction, {SEQUENCE_DIGITS}, '0')
        || '.{region} a - - ' || entries;
END""")  # fmt: skip


def table_functions(table: Table, region: str, max_clock_drift: int) -> list[str]:
    """The functions that know one table's key: of inserts, of updates and of deletions.

    All fire before the write and after every other trigger, since only there the depth tells a cascade that our own
    statement set off: foreign keys put off what fires after a write to the end of the outermost statement.
    """
    return [_insert_function(table), _update_function(table, region, max_clock_drift), _bury_function(table)]


def _insert_function(table: Table) -> str:
    return _function(f"{_local(table, 'insert')}()", "trigger", f"SECURITY DEFINER {_settings(table)}", f"""
DECLARE
    beneath text;
BEGIN
    IF {_APPLYING} THEN RETURN NEW; END IF;
    {_look_beneath(table)}
    NEW.{STAMP_ATTRIBUTE} := {SCHEMA}.stamp_over(NULL, beneath);
    RETURN NEW;
END""")  # fmt: skip


def _update_function(table: Table, region: str, max_clock_drift: int) -> str:
    """The trigger that matters for speed: what is usual takes one condition and one expression, and no look at a table.

    Every expression of PL/pgSQL is prepared anew in every transaction, and so is a trigger's WHEN for every statement:
    a few large expressions cost less than many small ones.
    """
    seen, same = f"OLD.{STAMP_ATTRIBUTE}", _same_key(table)
    moment = f"greatest({_CLOCK}, left({seen}, {TIMESTAMP_DIGITS})::bigint + 1)"
    return _function(f"{_local(table, 'update')}()", "trigger", f"SECURITY DEFINER {_settings(table)}", rf"""
DECLARE
    beneath text;
BEGIN
    IF {same} AND current_setting('distributary.applying', true) IS DISTINCT FROM 'on' THEN
        NEW.{STAMP_ATTRIBUTE} := CASE
            -- Only triggers and replication write stamps: a look at the number is enough to cast it.
            WHEN (strpos({seen}, ' {region}=') > 0 OR strpos({seen}, ',{region}=') > 0)
                AND {seen} COLLATE "C" <= ({_CLOCK} + {max_clock_drift})::text
                AND translate(left({seen}, {TIMESTAMP_DIGITS}), '0123456789', '') = ''
            THEN {moment}::text || '.{_SEQUENCE}.{region} a - - '
                || regexp_replace(split_part({seen}, ' ', 5), '(^|,){region}=[^,]*',
                                  '\1{region}=' || to_hex({moment}) || '.0')
            ELSE {SCHEMA}.stamp_over({seen}, NULL) END;
    ELSIF NOT ({_APPLYING}) THEN
        IF NOT ({same}) THEN
            {_bury(table)}
            {_look_beneath(table)}
        END IF;
        NEW.{STAMP_ATTRIBUTE} := {SCHEMA}.stamp_over({seen}, beneath);
    END IF;
    RETURN NEW;
END""")  # fmt: skip


def _same_key(table: Table) -> str:
    return " AND ".join(f"OLD.{quoted(part)} IS NOT DISTINCT FROM NEW.{quoted(part)}" for part in table.key)


def _look_beneath(table: Table) -> str:
    return f"""SELECT stamp INTO beneath FROM {SCHEMA}.tombstones
            WHERE relation = {literal(table.name.text())} AND key = {key_text_sql(table, "NEW")};"""


def _bury_function(table: Table) -> str:
    return _function(f"{_local(table, 'bury')}()", "trigger", f"SECURITY DEFINER {_settings(table)}", f"""
BEGIN
    IF NOT ({_APPLYING}) THEN
        {_bury(table)}
    END IF;
    RETURN OLD;
END""")  # fmt: skip


def _bury(table: Table) -> str:
    return f"""INSERT INTO {SCHEMA}.tombstones AS known (relation, key, stamp)
            VALUES ({literal(table.name.text())}, {key_text_sql(table, "OLD")},
                    {SCHEMA}.stamp_over(OLD.{STAMP_ATTRIBUTE}, NULL))
            ON CONFLICT (relation, key) DO UPDATE SET deleted_at = clock_timestamp(),
                stamp = {SCHEMA}.stamp_over(OLD.{STAMP_ATTRIBUTE}, known.stamp);"""


def _settings(table: Table) -> str:
    """What the function pins: where names are looked up, and what the text of the key depends on, if on anything."""
    names = ["search_path"] if all(_stable(table, name) for name in table.key) else [*_KEY_SETTINGS, "search_path"]
    return " ".join(
        f"SET {name} = {SETTINGS[name] if name == 'DateStyle' else literal(SETTINGS[name])}" for name in names
    )


def table_statements(
    table: Table, publication: str, *, region: str, max_clock_drift: int, published: bool
) -> list[str]:
    """What makes a table replicated, in one transaction; writers wait for it."""
    name = table.name.text()
    functions = table_functions(table, region, max_clock_drift)
    statements = [
        f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE",
        f'ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {STAMP_ATTRIBUTE} text COLLATE "C"',
        *functions,
        *(
            f"CREATE OR REPLACE TRIGGER {trigger(kind)} BEFORE {event} ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION {function(table, kind)}()"
            for kind, event in KINDS.items()
        ),
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
        f"VALUES ({literal(name)}, {columns}, {literal(digest(functions))}) "
        "ON CONFLICT (relation) DO UPDATE SET columns = excluded.columns, triggers = excluded.triggers"
    )
    return statements


def digest(functions: list[str]) -> str:
    """What is to be compared to know whether a table's triggers are as this release would make them."""
    return fingerprint("\n".join(functions))


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
    return f"{SCHEMA}.{_local(table, kind)}"


def _local(table: Table, kind: str) -> str:
    return quoted(f"{kind} {fingerprint(table.name.text())}")


def _function(signature: str, returns: str, options: str, body: str) -> str:
    """A function of our schema. The tag that ends its body is one that no name in it holds."""
    tag = "$body$"
    while tag in body:
        tag = f"${tag[1:-1]}_$"
    head = f"CREATE OR REPLACE FUNCTION {SCHEMA}.{signature} RETURNS {returns} LANGUAGE plpgsql {options}".rstrip()
    return f"{head} AS {tag}{body}\n{tag}"


def _stable(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.type.startswith(_STABLE_KEYS) and not column.type.endswith("]")
