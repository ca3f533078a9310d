"""Whether the policies of single columns can be kept by the triggers of the tables that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from distributary.adapters.aurora.attribute_parts import ARRAYS, DATES, EXACT
from distributary.adapters.aurora.catalog import ColumnInfo, Table
from distributary.domain.dataset import Dataset
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed

_SUITABLE = {
    AttributePolicy.COUNTER: (EXACT, "an exact number: smallint, integer, bigint or numeric"),
    AttributePolicy.MAX: ((*EXACT, *DATES), "an exact number, a date or a timestamp"),
    AttributePolicy.MIN: ((*EXACT, *DATES), "an exact number, a date or a timestamp"),
    AttributePolicy.ADD_WINS_SET: (ARRAYS, "an array of text, varchar, uuid, smallint, integer or bigint"),
}
_HANDED = {
    Handed.NUMBER: (EXACT, "an exact number: smallint, integer, bigint or numeric"),
    Handed.BOOLEAN: (("boolean",), "boolean"),
    Handed.JSON: (("json", "jsonb"), "json or jsonb"),
}
"""As what a custom function can get which columns; as text it can get any."""
_NAMED = "[datasets.{}.attributes] in replication.toml"


@dataclass(frozen=True, slots=True)
class Unfit:
    """A rule that cannot be kept. subject: the column, as replication.toml names it. remedy: what to do.

    early: its table is not there yet; `install` will run again when it is.
    """

    subject: str
    problem: str
    remedy: str
    early: bool = False


def unfit_rules(dataset: Dataset, tables: Sequence[Table]) -> list[Unfit]:
    """All of them, by column."""
    known = {f"{table.name.schema}.{table.name.name}": table for table in tables}
    found = []
    for subject, rule in sorted(dataset.attributes.items()):
        name, _, column = subject.rpartition(".")
        told = _unfit(known.get(name), column, rule, _NAMED.format(dataset.name))
        found += [Unfit(subject, problem, remedy, early=name not in known) for problem, remedy in told]
    return found


def may_be_null(dataset: Dataset, table: Table) -> Iterator[str]:
    """Columns with a policy of their own that may be NULL: what two regions put into one begins an era each."""
    for name in dataset.policies_of(f"{table.name.schema}.{table.name.name}").rules:
        column = table.column(name)
        if column is not None and not column.not_null:
            yield name


def _unfit(table: Table | None, name: str, rule: AttributeRule, place: str) -> Iterator[tuple[str, str]]:
    elsewhere = f"remove the line from {place}"
    column = table.column(name) if table is not None else None
    if table is None:
        yield "is of a table that is not there", f"create it and install again, or correct the name in {place}"
    elif column is None:
        yield "is a column that is not there", f"correct the name in {place}"
    elif name in table.key:
        yield f"has the policy {rule.policy.value} and is part of the key, which makes a row what it is", elsewhere
    elif column.generated or column.always:
        yield f"has the policy {rule.policy.value}, and the database generates it", elsewhere
    elif rule.policy is AttributePolicy.CUSTOM:
        yield from _unfit_for_a_function(table, column, rule, elsewhere)
    elif column.type not in _SUITABLE[rule.policy][0]:
        wanted = _SUITABLE[rule.policy][1]
        remedy = f"make it {wanted}, or {elsewhere}"
        yield f"has the policy {rule.policy.value} and is of the type {column.type}", remedy


def _unfit_for_a_function(
    table: Table, column: ColumnInfo, rule: AttributeRule, elsewhere: str
) -> Iterator[tuple[str, str]]:
    """What a function makes of two values is written at home only after the write, and must not be in another's way."""
    types, wanted = _HANDED.get(rule.handed or Handed.TEXT, ((column.type,), ""))
    if column.type not in types:
        told = rule.handed.value if rule.handed else ""
        yield (
            f"is handed to its function as {told} and is of the type {column.type}",
            f"make it {wanted}, or {elsewhere}",
        )
    if any(column.name in parts for _, parts in table.unique):
        yield "has the policy custom and is part of what is unique", elsewhere
