"""The functions that stamp each write, as triggers of one table, and the function that all of them use."""

from __future__ import annotations

from distributary.adapters.aurora.catalog import SCHEMA, Table
from distributary.adapters.aurora.session import SETTINGS
from distributary.adapters.aurora.trigger_parts import (
    APPLYING,
    CLOCK,
    FIRST,
    STAMP,
    UNTOUCHED,
    bury,
    function_sql,
    knows_itself,
    local,
    look_beneath,
    pinned,
    same_key,
    stamp_again,
)
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.version import SEQUENCE_DIGITS, TIMESTAMP_DIGITS


def stamp_over(region: str, max_clock_drift: int) -> str:
    """The stamp of a write on top of up to two stamps: above both, with all that either has seen.

    Its sequence is the transaction's: of two that insert one key in the same microsecond, where neither sees what the
    other has done, each has a version of its own. max_clock_drift: microseconds; a stamp beyond it is not believed.
    """
    options = f"SET search_path = {SETTINGS['search_path']}"
    return function_sql("stamp_over(one text, other text)", "text", options, rf"""
DECLARE
    clock bigint := {CLOCK};
    -- What a write of replication sets off is just above what it changes: what was done at home wins when it comes.
    set_off boolean := current_setting('distributary.applying', true) IS NOT DISTINCT FROM 'on';
    moment bigint;
    transaction text := to_hex(pg_current_xact_id()::text::bigint);
    entries text;
BEGIN
    IF one !~ '{STAMP}' OR left(one, {TIMESTAMP_DIGITS})::bigint > clock + {max_clock_drift} THEN
        one := NULL;
    END IF;
    IF other !~ '{STAMP}' OR left(other, {TIMESTAMP_DIGITS})::bigint > clock + {max_clock_drift} THEN
        other := NULL;
    END IF;
    moment := greatest(CASE WHEN NOT set_off OR coalesce(one, other) IS NULL THEN clock END,
                       left(one, {TIMESTAMP_DIGITS})::bigint + 1, left(other, {TIMESTAMP_DIGITS})::bigint + 1);
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


def insert_function(table: Table) -> str:
    """Stamps an insert, on top of the tombstone of its key."""
    return function_sql(f"{local(table, 'insert')}()", "trigger", f"SECURITY DEFINER {pinned(table)}", f"""
DECLARE
    beneath text;
BEGIN
    {look_beneath(table)}
    NEW.{STAMP_ATTRIBUTE} := {SCHEMA}.stamp_over(NULL, beneath);{_forget(table)}
    RETURN NEW;
END""")  # fmt: skip


def update_function(table: Table, region: str, max_clock_drift: int) -> str:
    """The trigger that matters for speed: what is usual takes one condition, one expression, and no look at a table.

    Every expression of PL/pgSQL is prepared anew in every transaction, with all its branches, and so is a trigger's
    WHEN for every statement. What is not reached costs nothing, so the shortest way has a branch of its own.
    """
    seen, same = f"OLD.{STAMP_ATTRIBUTE}", same_key(table)
    return function_sql(f"{local(table, 'update')}()", "trigger", f"SECURITY DEFINER {pinned(table)}", f"""
DECLARE
    beneath text;
BEGIN
    IF {same} AND {UNTOUCHED} AND {_alone_before_now(region)} THEN
        NEW.{STAMP_ATTRIBUTE} := {_stamp_alone(region)};{_forget(table)}
    ELSIF {same} AND {UNTOUCHED} THEN
        NEW.{STAMP_ATTRIBUTE} := CASE
            -- Only triggers and replication write stamps: a look at the number is enough to cast it.
            WHEN {knows_itself(region, max_clock_drift)}
            THEN {stamp_again(region)}
            ELSE {SCHEMA}.stamp_over({seen}, NULL) END;{_forget(table)}
    ELSIF NOT ({APPLYING}) THEN
        IF NOT ({same}) THEN
            {bury(table)}
            {look_beneath(table)}
        END IF;
        -- What was seen under the old key must not be taken for something of the new one.
        NEW.{STAMP_ATTRIBUTE} := {SCHEMA}.stamp_over(CASE WHEN {same} THEN {seen} END, beneath);{_forget(table)}
    END IF;
    RETURN NEW;
END""")  # fmt: skip


def bury_function(table: Table) -> str:
    """Writes the tombstone of a deletion."""
    return function_sql(f"{local(table, 'bury')}()", "trigger", f"SECURITY DEFINER {pinned(table)}", f"""
BEGIN
    IF NOT ({APPLYING}) THEN
        {bury(table)}
    END IF;
    RETURN OLD;
END""")  # fmt: skip


def _alone_before_now(region: str) -> str:
    """Whether the old row knows of writes of this region only, all of them before now."""
    seen = f"OLD.{STAMP_ATTRIBUTE}"
    alone = f"strpos({seen}, ',') = 0 AND strpos({seen}, ' {region}=') > 0"
    return f'{alone} AND {seen} COLLATE "C" < {CLOCK}::text'


def _stamp_alone(region: str) -> str:
    """The stamp of a write on top of such a row: nothing of the old one has to be read."""
    return f"{CLOCK}::text || '.{FIRST}.{region} a - - {region}=' || to_hex({CLOCK}) || '.0'"


def _forget(table: Table) -> str:
    """For a table whose policies once needed a memory: a write without one ends it."""
    return f" NEW.{STATE_ATTRIBUTE} := NULL;" if table.stateful else ""
