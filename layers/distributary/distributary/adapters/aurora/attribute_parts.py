"""What a trigger's function does for a column that has a policy of its own: `domain.crdt`'s rules as expressions.

They are of NEW and OLD and of the function's variables: `known`, the document of the old row's state; `base`, the
version of what that does not name, NULL where nothing is known of the old row; `at`, the version of the write. What
an expression gives is the column's part in the document of the new state, NULL where the value says all.

Counters and the greater of two values are single expressions without a query, which PL/pgSQL computes fastest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from distributary.adapters.aurora.catalog import SCHEMA, ColumnInfo
from distributary.adapters.aurora.names import literal, quoted
from distributary.adapters.aurora.trigger_parts import QUERY, function_sql
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed

EXACT = ("smallint", "integer", "bigint", "numeric")
"""Types of a counter's column."""
DATES = ("date", "timestamp without time zone", "timestamp with time zone")
"""Types, beside numbers, whose greater value is known: as text, from the year 1 to 9999 the later one."""
ARRAYS = ("text[]", "character varying[]", "uuid[]", "smallint[]", "integer[]", "bigint[]")
"""Types of a set's column: their elements have one text each, on which no setting has a say."""

_COUNTABLE = 180
"""Powers of ten, see `domain.notation`."""

_NEW_ERA = "jsonb_build_object('p', '', 'e', at)"
_OLD_ERA = "nullif(base, '0.0.')"


@dataclass(frozen=True, slots=True)
class Part:
    """One column. inserted, updated: its part in the document. shows_inserted, shows_updated: statements, or empty.

    The statements make the row show what its state says, and come after the document is made.
    """

    name: str
    inserted: str
    updated: str
    shows_inserted: str = ""
    shows_updated: str = ""


def part_of(column: ColumnInfo, rule: AttributeRule, region: str) -> Part:
    """What is done for a column; its type must suit the policy."""
    match rule.policy:
        case AttributePolicy.COUNTER:
            return _counter(column, region)
        case AttributePolicy.ADD_WINS_SET:
            return _elements(column)
        case AttributePolicy.MAX | AttributePolicy.MIN:
            return _chosen(column, greatest=rule.policy is AttributePolicy.MAX)
        case AttributePolicy.CUSTOM:
            return _unjoined(column, only_numbers=rule.handed is Handed.NUMBER)


def _counter(column: ColumnInfo, region: str) -> Part:
    old, new, known = _sources(column)
    numeric = column.type == "numeric"
    fits = partial(_countable, numeric=numeric)

    def began(number: str, total: str = "'{}'::jsonb", era: str = "NULL") -> str:
        return f"jsonb_build_object('n', {number}, 't', {total}, 'e', {era})"

    def first(amount: str) -> str:
        return f"jsonb_build_object({literal(region)}, jsonb_build_array('1', {_decimal(amount)}))"

    added = f"{new}::numeric - {old}"
    mine = f"{known} -> 't' -> {literal(region)}"
    count = f"to_hex(coalesce({count_sql(f'{mine} ->> 0')}, 0) + 1)"
    present = f"CASE WHEN {fits(old)} THEN {old}::numeric ELSE {SCHEMA}.counted({known}) END"
    amount = f"coalesce(({mine} ->> 1)::numeric, 0) + {new} - {present}"
    updated = f"""CASE
            WHEN {_same(old, new)} THEN coalesce({known}, CASE
                WHEN {fits(old)} THEN {began(_decimal(old), era=_OLD_ERA)} ELSE {_plain()} END)
            WHEN NOT ({fits(new)}) THEN {_NEW_ERA}
            WHEN {known} -> 'n' IS NOT NULL THEN jsonb_set({known}, {literal("{t," + region + "}")},
                jsonb_build_array({count}, {_decimal(amount)}))
            WHEN {known} IS NULL AND {fits(old)} THEN {began(_decimal(old), first(added), _OLD_ERA)}
            ELSE {began("'0'", first(new), "at")} END"""
    inserted = f"CASE WHEN {fits(new)} THEN {began(repr('0'), first(new))} ELSE {_NEW_ERA} END"
    shown = f"IF {fits(new)} THEN {new} := trim_scale({new}); END IF;" if numeric else ""
    return Part(column.name, inserted, updated, shown, shown)


def _elements(column: ColumnInfo) -> Part:
    old, new, known = _sources(column)

    def fits(value: str) -> str:
        whole = f"array_ndims({value}) = 1 AND array_lower({value}, 1) = 1"
        return (
            f"(CASE WHEN {value} IS NULL THEN false WHEN cardinality({value}) = 0 THEN true"
            f" WHEN {whole} THEN array_position({value}, NULL) IS NULL ELSE false END)"
        )

    def distinct(value: str) -> str:
        return f"{SCHEMA}.elements({value}::text[])"

    def began(value: str, version: str, era: str = "NULL") -> str:
        added = f"jsonb_build_object({version}, nullif(to_jsonb({distinct(value)}), '[]'))"
        return f"jsonb_build_object('k', 'array', 'd', {added}, 'e', {era})"

    before = f"CASE WHEN {fits(old)} THEN {distinct(old)} ELSE '{{}}' END"
    started = (
        f"CASE WHEN {known} IS NOT NULL THEN {known} WHEN {fits(old)} THEN {began(old, literal('0.0.'), _OLD_ERA)} END"
    )
    updated = f"""CASE
            WHEN {_same(old, new)} THEN coalesce({started}, {_plain()})
            WHEN NOT ({fits(new)}) THEN {_NEW_ERA}
            WHEN ({started}) ->> 'k' = 'array' THEN {SCHEMA}.elements_after({started}, {before}, {distinct(new)}, at)
            ELSE {began(new, "at", "at")} END"""
    inserted = f"CASE WHEN {fits(new)} THEN {began(new, 'at')} ELSE {_NEW_ERA} END"
    shown = f"{new} := {distinct(new)}::{column.type};"
    changed = f"{known} IS NULL OR NOT ({_same(old, new)})"
    return Part(
        column.name, inserted, updated, f"IF {fits(new)} THEN {shown} END IF;",
        f"IF ({changed}) AND {fits(new)} THEN {shown} END IF;",
    )  # fmt: skip


def _chosen(column: ColumnInfo, *, greatest: bool) -> Part:
    old, new, known = _sources(column)
    proper = f"{old} IS NOT NULL AND NOT coalesce(jsonb_exists_any({known}, '{{n,k,p}}'), false)"
    updated = f"""CASE
            WHEN {_same(old, new)} THEN coalesce({known}, CASE WHEN {old} IS NULL THEN {_plain()} END)
            WHEN {new} IS NULL THEN {_NEW_ERA}
            WHEN {proper} THEN {known} - 'c'
            ELSE jsonb_build_object('e', at) END"""
    kept = f"{_rank(column, old)} {'>=' if greatest else '<='} {_rank(column, new)}"
    shown = f"IF {new} IS NOT NULL AND {proper} AND {kept} THEN {new} := {old}; END IF;"
    return Part(column.name, f"CASE WHEN {new} IS NULL THEN {_NEW_ERA} END", updated, shows_updated=shown)


def _unjoined(column: ColumnInfo, *, only_numbers: bool) -> Part:
    """A function's column: what is replaced is kept beside what is written, for those who can join the two."""
    old, new, known = _sources(column)
    fits = partial(_countable, numeric=only_numbers and column.type == "numeric")
    text, kept = f"format('%s', {old})", f"coalesce({known} -> 'q', '[]')"
    proper = f"{fits(old)} AND NOT coalesce(jsonb_exists_any({known}, '{{n,k,p}}'), false)"
    updated = f"""CASE
            WHEN {_same(old, new)} THEN coalesce({known}, CASE WHEN NOT ({fits(old)}) THEN {_plain()} END)
            WHEN NOT ({fits(new)}) THEN {_NEW_ERA}
            WHEN {proper} THEN coalesce({known}, '{{}}') - 'c' || jsonb_build_object('q',
                CASE WHEN jsonb_exists({kept}, {text}) THEN {kept} ELSE {kept} || to_jsonb({text}) END)
            ELSE jsonb_build_object('e', at) END"""
    return Part(column.name, f"CASE WHEN NOT ({fits(new)}) THEN {_NEW_ERA} END", updated)


def _countable(value: str, *, numeric: bool) -> str:
    """Whether a value is there and, of a number, is one that sums and comparisons are exact with."""
    # Every comparison with NaN, NULL and infinity fails here.
    bounds = f"coalesce(scale({value}) < {_COUNTABLE} AND abs({value}) < 1e{_COUNTABLE}, false)"
    return bounds if numeric else f"{value} IS NOT NULL"


def _rank(column: ColumnInfo, value: str) -> str:
    """What is compared, in the order of `domain.lattices`: numbers by size, one of two notations by its text."""
    if column.type == "numeric":
        odd = f"{value} IN ('NaN', 'Infinity', '-Infinity')"
        return f"""ROW({odd}, CASE WHEN {odd} THEN 0 ELSE {value} END, {value}::text COLLATE "C")"""
    return f'{value}::text COLLATE "C"' if column.type in DATES else value


def _sources(column: ColumnInfo) -> tuple[str, str, str]:
    """The column in the old row and in the new one, and its part in what is known."""
    name = quoted(column.name)
    return f"OLD.{name}", f"NEW.{name}", f"(known -> 'a' -> {literal(column.name)})"


def _same(old: str, new: str) -> str:
    """Whether two values are written alike, as the log tells them."""
    return f"{old}::text IS NOT DISTINCT FROM {new}::text"


def _plain() -> str:
    return f"jsonb_build_object('p', '', 'e', {_OLD_ERA})"


def _decimal(number: str) -> str:
    return f"trim_scale(({number})::numeric)::text"


def count_sql(text: str) -> str:
    """The number that hexadecimal digits are."""
    return f"('x' || lpad({text}, 16, '0'))::bit(64)::bigint"


FUNCTIONS = (
    function_sql("counted(part jsonb)", "numeric", "STABLE", """
BEGIN
    RETURN (part ->> 'n')::numeric
        + coalesce((SELECT sum((total ->> 1)::numeric) FROM jsonb_each(part -> 't') AS totals(region, total)), 0);
END"""),
    function_sql("elements(listed text[])", "text[]", "STABLE", """
BEGIN
    RETURN ARRAY(SELECT DISTINCT element COLLATE "C" FROM unnest(listed) AS element ORDER BY 1);
END"""),
    function_sql("elements_after(part jsonb, before text[], present text[], at text)", "jsonb", QUERY, """
BEGIN
    RETURN jsonb_set(part, '{d}', coalesce((SELECT jsonb_object_agg(version, kept) FROM (
        SELECT version, (SELECT jsonb_agg(element) FROM jsonb_array_elements_text(added) AS element
                         WHERE (element = ANY (present)) = (element = ANY (before))) AS kept
        FROM jsonb_each(jsonb_strip_nulls(part -> 'd')) AS known(version, added)
        UNION ALL SELECT at, (SELECT jsonb_agg(element) FROM unnest(present) AS element
                              WHERE element <> ALL (before))) AS state WHERE kept IS NOT NULL), '{}'));
END"""),
)  # fmt: skip
"""Functions of our schema that the expressions call."""
