"""What the functions of triggers are made of: the clock, what a stamp looks like, the key, and our own functions."""

from __future__ import annotations

from distributary.adapters.aurora.catalog import SCHEMA, Table, key_text_sql
from distributary.adapters.aurora.names import literal, quoted
from distributary.adapters.aurora.session import SETTINGS
from distributary.domain.image import STAMP_ATTRIBUTE, fingerprint
from distributary.domain.version import MICROSECONDS, SEQUENCE_DIGITS, TIMESTAMP_DIGITS

CLOCK = f"(pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) * {MICROSECONDS})::bigint"
"""The clock as the statement read it once: the same wherever an expression looks at it."""

FIRST = "0" * SEQUENCE_DIGITS
"""The sequence of a write that needs none, since it waits for the row."""

_ENTRY = r"[a-z0-9-]+=[0-9a-f.]+"
STAMP = (
    rf"^\d{{{TIMESTAMP_DIGITS}}}\.[0-9a-f]{{{SEQUENCE_DIGITS}}}\.[a-z0-9-]+ [arx] [\w-]+ [\w-]+ {_ENTRY}(,{_ENTRY})*$"
)
"""What a stamp looks like, as a regular expression of PostgreSQL's."""

_SWITCHED_OFF = "pg_catalog.current_setting('distributary.applying', true) IS NOT DISTINCT FROM 'on'"
APPLYING = f"{_SWITCHED_OFF} AND pg_catalog.pg_trigger_depth() = 1"
"""Whether the write is one of replication's own."""

UNTOUCHED = "current_setting('distributary.applying', true) IS DISTINCT FROM 'on'"
"""Whether replication has certainly no part in the write, which costs least to see."""

APPLYING_OUTSIDE = f"{_SWITCHED_OFF} AND pg_catalog.pg_trigger_depth() = 0"
"""The same, as the condition of a trigger sees it before its function is called."""

QUERY = "STABLE SET plan_cache_mode = force_generic_plan"
"""Of a function that is one query: it would be planned anew for every row, which takes four times as long."""

_STABLE = ("smallint", "integer", "bigint", "uuid", "text", "character", "numeric", "boolean", "name")
"""Beginnings of types whose text depends on no setting."""
_TEXT_SETTINGS = ("DateStyle", "IntervalStyle", "TimeZone", "extra_float_digits", "bytea_output", "lc_monetary")
_LISTS = ("DateStyle", "search_path")
"""Settings of several words, which are one if they are quoted."""


def same_key(table: Table) -> str:
    """Whether an update leaves the key as it is."""
    return " AND ".join(f"OLD.{quoted(part)} IS NOT DISTINCT FROM NEW.{quoted(part)}" for part in table.key)


def knows_itself(region: str, max_clock_drift: int) -> str:
    """Whether the old stamp is believed and this region in it. That is usual, and cheap to see.

    Only triggers and replication write stamps: a look at the number is enough to cast it.
    """
    seen = f"OLD.{STAMP_ATTRIBUTE}"
    return f"""(strpos({seen}, ' {region}=') > 0 OR strpos({seen}, ',{region}=') > 0)
                AND {seen} COLLATE "C" <= ({CLOCK} + {max_clock_drift})::text
                AND translate(left({seen}, {TIMESTAMP_DIGITS}), '0123456789', '') = ''"""


def stamp_again(region: str) -> str:
    """The stamp of a write on top of the old one, where `knows_itself` holds."""
    seen = f"OLD.{STAMP_ATTRIBUTE}"
    moment = f"greatest({CLOCK}, left({seen}, {TIMESTAMP_DIGITS})::bigint + 1)"
    return rf"""{moment}::text || '.{FIRST}.{region} a - - '
                || regexp_replace(split_part({seen}, ' ', 5), '(^|,){region}=[^,]*',
                                  '\1{region}=' || to_hex({moment}) || '.0')"""


def stamped_again(region: str) -> str:
    """The version that `stamp_again` has given the new row, as documents of states write it."""
    return f"to_hex(left(NEW.{STAMP_ATTRIBUTE}, {TIMESTAMP_DIGITS})::bigint) || '.0.{region}'"


def believed(stamp: str, max_clock_drift: int) -> str:
    """Whether a text is a stamp that is not too far ahead of the clock."""
    latest = f"left({stamp}, {TIMESTAMP_DIGITS})::bigint <= {CLOCK} + {max_clock_drift}"
    return f"(CASE WHEN {stamp} ~ '{STAMP}' THEN {latest} ELSE false END)"


def short_version(stamp: str) -> str:
    """A stamp's version as documents of states write it: hexadecimal, unpadded."""
    moment = f"to_hex(left({stamp}, {TIMESTAMP_DIGITS})::bigint)"
    sequence = f"ltrim(substr({stamp}, {TIMESTAMP_DIGITS + 2}, {SEQUENCE_DIGITS}), '0')"
    region = f"split_part(split_part({stamp}, ' ', 1), '.', 3)"
    return f"({moment} || '.' || coalesce(nullif({sequence}, ''), '0') || '.' || {region})"


def look_beneath(table: Table) -> str:
    """Reads the stamp of the tombstone of the new row's key into `beneath`."""
    return f"""SELECT stamp INTO beneath FROM {SCHEMA}.tombstones
            WHERE relation = {literal(table.name.text())} AND key = {key_text_sql(table, "NEW")};"""


def bury(table: Table) -> str:
    """Writes the tombstone of the old row's key."""
    return f"""INSERT INTO {SCHEMA}.tombstones AS known (relation, key, stamp)
            VALUES ({literal(table.name.text())}, {key_text_sql(table, "OLD")},
                    {SCHEMA}.stamp_over(OLD.{STAMP_ATTRIBUTE}, NULL))
            ON CONFLICT (relation, key) DO UPDATE SET deleted_at = clock_timestamp(),
                stamp = {SCHEMA}.stamp_over(OLD.{STAMP_ATTRIBUTE}, known.stamp);"""


def pinned(table: Table, *texts: str) -> str:
    """What a function pins: where names are looked up, and what texts depend on, if on anything.

    texts: columns whose text is looked at, beside those of the key.
    """
    stable = all(_is_stable(table, name) for name in (*table.key, *texts))
    names = ["search_path"] if stable else [*_TEXT_SETTINGS, "search_path"]
    return " ".join(f"SET {name} = {SETTINGS[name] if name in _LISTS else literal(SETTINGS[name])}" for name in names)


def local(table: Table, kind: str) -> str:
    """The name of a table's function in our schema, which is short enough whatever the table is called."""
    return quoted(f"{kind} {fingerprint(table.name.text())}")


def function_sql(signature: str, returns: str, options: str, body: str) -> str:
    """A function of our schema. The tag that ends its body is one that no name in it holds."""
    tag = "$body$"
    while tag in body:
        tag = f"${tag[1:-1]}_$"
    head = f"CREATE OR REPLACE FUNCTION {SCHEMA}.{signature} RETURNS {returns} LANGUAGE plpgsql {options}".rstrip()
    return f"{head} AS {tag}{body}\n{tag}"


def _is_stable(table: Table, name: str) -> bool:
    column = table.column(name)
    # A type of somebody's own has a schema, whose name may begin so, too.
    return column is not None and column.type.startswith(_STABLE) and not set(column.type) & {".", "]"}
