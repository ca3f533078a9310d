"""The functions that stamp each write and keep the row's state, as triggers of a table whose policies need a memory.

They do what `StateLattice.written` does, in the writer's transaction, on columns that an application cannot write: so
they see every write once, on top of what it was made on, and there is nothing to tell apart or to settle later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from distributary.adapters.aurora import attribute_parts
from distributary.adapters.aurora.attribute_parts import DATES, Part, count_sql, part_of
from distributary.adapters.aurora.catalog import GENERATION, SCHEMA, ColumnInfo, Table
from distributary.adapters.aurora.names import literal, quoted
from distributary.adapters.aurora.trigger_parts import (
    APPLYING,
    QUERY,
    UNTOUCHED,
    believed,
    bury,
    function_sql,
    knows_itself,
    local,
    look_beneath,
    pinned,
    same_key,
    short_version,
    stamp_again,
    stamped_again,
)
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.policies import AttributePolicy, Policies, Policy
from distributary.domain.version import SEQUENCE_DIGITS

_PAIRS = 40
"""Of a JSON object that one call makes; a function takes a hundred arguments."""

_REGISTERS = function_sql("registers(known jsonb, base text, at text, columns text[], touched text[])", "jsonb",
                          QUERY, f"""
BEGIN
    RETURN (
        WITH told AS (SELECT version, name FROM jsonb_each(known -> 'w') AS w(version, names),
                      jsonb_array_elements_text(names) AS name),
        present AS (
            SELECT name, true AS there, CASE WHEN name = ANY (touched) THEN at
                ELSE coalesce((SELECT version FROM told t WHERE t.name = c.name LIMIT 1), base) END AS version
            FROM unnest(columns) AS c(name)
            UNION ALL SELECT name, false, version FROM told WHERE name <> ALL (columns)),
        usual AS (SELECT version FROM present WHERE there GROUP BY version ORDER BY count(*) DESC,
                  lpad(split_part(version, '.', 1), 16, '0') COLLATE "C" DESC,
                  lpad(split_part(version, '.', 2), {SEQUENCE_DIGITS}, '0') COLLATE "C" DESC,
                  split_part(version, '.', 3) COLLATE "C" DESC LIMIT 1),
        others AS (SELECT version, jsonb_agg(name ORDER BY name COLLATE "C") AS names FROM present
                   WHERE NOT (there AND version = (SELECT version FROM usual)) GROUP BY version)
        SELECT jsonb_build_object('b', nullif((SELECT version FROM usual), at),
                                  'w', (SELECT jsonb_object_agg(version, names) FROM others)));
END""")  # fmt: skip


def functions(table: Table, region: str, max_clock_drift: int, policies: Policies) -> list[str]:
    """The functions of inserts and updates, and before them those that they use."""
    parts = [part_of(c, policies.rules[c.name], region) for c in table.columns if c.name in policies.rules]
    trigger = _Trigger(table, region, max_clock_drift, policies, parts)
    return [*attribute_parts.FUNCTIONS, _REGISTERS, trigger.insert_function(), trigger.update_function()]


class _Trigger:
    """The functions of one table."""

    def __init__(
        self, table: Table, region: str, max_clock_drift: int, policies: Policies, parts: Sequence[Part]
    ) -> None:
        self._table, self._region, self._drift = table, region, max_clock_drift
        self._policies, self._parts = policies, parts
        self._generation = literal(f"{policies.generation:x}") if policies.generation > 1 else None
        # What the database generates is not there yet when triggers fire, and nothing the log tells of.
        self._base = [c.name for c in table.columns if c.name not in policies.rules and not c.generated]
        told = [c.name for c in table.columns if c.name in policies.rules and _text_matters(c, policies)]
        self._options = f"SECURITY DEFINER {pinned(table, *told)}"

    def insert_function(self) -> str:
        """Stamps an insert; its state begins with it."""
        return function_sql(f"{local(self._table, 'insert')}()", "trigger", self._options, f"""
DECLARE
    beneath text;
    at text;
BEGIN
    {self._begin()}
    RETURN NEW;
END""")  # fmt: skip

    def update_function(self) -> str:
        """Stamps an update and takes it into the state; under another key it is a row of its own.

        A row whose stamp is not believed counts as unknown, and its state with it.
        """
        seen, same = f"OLD.{STAMP_ATTRIBUTE}", same_key(self._table)
        born = f"jsonb_build_object('f', {short_version(seen)})"
        known = (
            f"known := coalesce(OLD.{STATE_ATTRIBUTE}::jsonb, {born});"
            f" base := coalesce(known ->> 'b', {short_version(seen)});"
        )
        return function_sql(f"{local(self._table, 'update')}()", "trigger", self._options, f"""{self._told()}
DECLARE
    beneath text;
    at text;
    known jsonb;
    base text;
    same boolean;
    turn text;
BEGIN
    IF {same} AND {UNTOUCHED}
        AND {knows_itself(self._region, self._drift)}
    THEN
        NEW.{STAMP_ATTRIBUTE} := {stamp_again(self._region)};
        {known}
        at := {stamped_again(self._region)};
    ELSE
        IF {APPLYING} THEN RETURN NEW; END IF;
        IF NOT ({same}) THEN
            {bury(self._table)}
            {self._begin()}
            RETURN NEW;
        END IF;
        IF {believed(seen, self._drift)} THEN
            NEW.{STAMP_ATTRIBUTE} := {SCHEMA}.stamp_over({seen}, NULL);
            {known}
        ELSE
            {look_beneath(self._table)}
            NEW.{STAMP_ATTRIBUTE} := {SCHEMA}.stamp_over(NULL, beneath);
            known := jsonb_strip_nulls(jsonb_build_object('i', {self._incarnation()}));
        END IF;
        at := {short_version(f"NEW.{STAMP_ATTRIBUTE}")};
    END IF;
    {self._go_on()}
    RETURN NEW;
END""")  # fmt: skip

    def _told(self) -> str:
        """Whose triggers these are, as the catalogue reads it."""
        generation = self._policies.generation
        return f"\n-- {GENERATION}{generation}" if generation > 1 else ""

    def _begin(self) -> str:
        """A row's first state under its key: on top of the tombstone that is there, and of nothing else."""
        priority = self._policies.priority
        place = priority.index(self._region) if self._region in priority else len(priority)
        order = {
            Policy.REGION_PRIORITY: literal(".".join("1" if at == place else "0" for at in range(len(priority) + 1))),
            Policy.FIRST_WRITER_WINS: _order_of("at", "1"),
        }
        document = _document(
            i=self._incarnation(),
            g=self._generation,
            o=order.get(self._policies.base),
            a=_own((p.name, p.inserted) for p in self._parts),
        )
        return f"""{look_beneath(self._table)}
        NEW.{STAMP_ATTRIBUTE} := {SCHEMA}.stamp_over(NULL, beneath);
        at := {short_version(f"NEW.{STAMP_ATTRIBUTE}")};
        NEW.{STATE_ATTRIBUTE} := {document};
        {_lines(part.shows_inserted for part in self._parts)}"""

    def _go_on(self) -> str:
        """The state after an update that leaves the key as it is."""
        own = _own((part.name, part.updated) for part in self._parts)
        statements = []
        if self._policies.base is Policy.ATTRIBUTE_MERGE:
            document = _document(**_BENEATH, g=self._generation, a=own, beside=self._registers())
        else:
            same = f"base IS NOT NULL AND {_image('OLD', self._base)} *= {_image('NEW', self._base)}"
            if self._policies.base in _KNOWN_ORDER:
                statements += [f"same := {same};", f"turn := {self._known_order()};"]
                same = "same"
            known = f"CASE WHEN {same} THEN base END"
            document = _document(**_BENEATH, g=self._generation, b=known, o=self._order(), a=own)
        shown = (part.shows_updated for part in self._parts)
        return _lines([*statements, f"NEW.{STATE_ATTRIBUTE} := {document};", *shown])

    def _registers(self) -> str:
        """For each column the version that wrote it; all of them this one where nothing is known."""
        touched = ", ".join(
            f"CASE WHEN {_image('OLD', [name])} *<> {_image('NEW', [name])} THEN {literal(name)} END"
            for name in self._base
        )
        columns = f"ARRAY[{', '.join(map(literal, self._base))}]"
        written = f"array_remove(ARRAY[{touched}], NULL)"
        return f"CASE WHEN base IS NULL THEN '{{}}' ELSE {SCHEMA}.registers(known, base, at, {columns}, {written}) END"

    def _known_order(self) -> str:
        """The old row's place in the order, or that of one of which nothing is known."""
        length = self._order_length()
        first = _order_of("coalesce(base, at)", "0")
        unknown = first if self._policies.base is Policy.FIRST_WRITER_WINS else literal(".".join("0" * length))
        told = "known ->> 'o'"
        fits = f"length({told}) - length(replace({told}, '.', '')) = {length - 1}"
        return f"CASE WHEN {fits} THEN {told} ELSE {unknown} END"

    def _order(self) -> str | None:
        """The new place: a write that changes anything raises it."""
        if self._policies.base not in _KNOWN_ORDER:
            return None
        priority, last = self._policies.priority, self._order_length() - 1
        raised = priority.index(self._region) if self._region in priority else last
        numbers = [f"split_part(turn, '.', {at + 1})" for at in range(last + 1)]
        numbers[raised] = f"to_hex({count_sql(numbers[raised])} + 1)"
        joined = " || '.' || ".join(numbers)
        return f"CASE WHEN same THEN turn ELSE {joined} END"

    def _order_length(self) -> int:
        return 3 if self._policies.base is Policy.FIRST_WRITER_WINS else len(self._policies.priority) + 1

    def _incarnation(self) -> str:
        """The deletion beneath, if any that is believed."""
        return f"CASE WHEN {believed('beneath', self._drift)} THEN {short_version('beneath')} END"


def _text_matters(column: ColumnInfo, policies: Policies) -> bool:
    """Whether a trigger looks at a column's text, which settings may have a say on."""
    return column.type in DATES or policies.rules[column.name].policy is AttributePolicy.CUSTOM


_BENEATH = {"i": "known -> 'i'", "f": "known -> 'f'"}
"""What the row was made on top of stays as it is."""

_KNOWN_ORDER = (Policy.REGION_PRIORITY, Policy.FIRST_WRITER_WINS)


def _order_of(version: str, writes: str) -> str:
    """The order of a first write: its time and sequence, and how many there were."""
    return f"split_part({version}, '.', 1) || '.' || split_part({version}, '.', 2) || '.{writes}'"


def _document(*, beside: str = "'{}'", **members: str | None) -> str:
    """The document of those members that have a value; it is there also where none has one. beside: an object."""
    told = ", ".join(f"'{name}', {value}" for name, value in members.items() if value is not None)
    return f"jsonb_strip_nulls(jsonb_build_object({told}) || {beside})::text"


def _own(parts: Iterable[tuple[str, str]]) -> str | None:
    """The parts of columns with a policy of their own."""
    pairs = [f"{literal(name)}, {value}" for name, value in parts]
    if not pairs:
        return None
    objects = [
        f"jsonb_build_object({', '.join(pairs[start : start + _PAIRS])})" for start in range(0, len(pairs), _PAIRS)
    ]
    return f"nullif(jsonb_strip_nulls({' || '.join(objects)}), '{{}}')"


def _image(row: str, columns: Sequence[str]) -> str:
    """Columns of a row as one value that is compared bit by bit."""
    return f"ROW({', '.join(f'{row}.{quoted(name)}' for name in columns)})::record"


def _lines(statements: Iterable[str]) -> str:
    return "\n    ".join(filter(None, statements))
