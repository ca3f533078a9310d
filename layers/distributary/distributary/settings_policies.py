"""Reads what a dataset's table says of conflicts: the policy of rows, those of attributes, and the journal's keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from distributary.domain.dataset import Engine, KeySchema
from distributary.domain.image import OWN_ATTRIBUTES
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Policy
from distributary.settings_file import SettingsFile

KEYS = frozenset(
    {"conflict", "region_priority", "attributes", "policies_generation", "policies_from", "redact", "journal_days"}
)
"""The keys of a dataset that are read here."""

LONGEST_JOURNAL = 3650
"""Days, ten years."""

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_NAMED = tuple(policy.value for policy in AttributePolicy if policy is not AttributePolicy.CUSTOM)
_ONE_OF = f"use one of {', '.join(_NAMED)}"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_OWN = '{ custom = "package.module:function" }'


def priority(file: SettingsFile, table: Mapping[str, Any], here: str, regions: tuple[str, ...]) -> tuple[str, ...]:
    """The regions of `region_priority`, the first wins; none for other policies. Raises InvalidSettings."""
    key = f"{here}.region_priority"
    if table.get("conflict") != Policy.REGION_PRIORITY.value:
        if "region_priority" in table:
            raise file.refuse(key, "stands beside another policy", 'remove it, or write conflict = "region_priority"')
        return ()
    remedy = f"list each of {', '.join(regions)} once, the region that wins first"
    if "region_priority" not in table:
        raise file.refuse(key, "is missing", remedy)
    found = table["region_priority"]
    if not isinstance(found, list):
        raise file.refuse(key, "is no list of regions", remedy)
    for region in (*found, *regions):
        if region not in regions:
            raise file.refuse(key, f"{region!r} is no replica of the dataset", remedy)
        if found.count(region) != 1:
            raise file.refuse(key, f"names {region} {found.count(region)} times", remedy)
    return tuple(found)


def attributes(
    file: SettingsFile, value: Any, here: str, engine: Engine, key: KeySchema, tables: tuple[str, ...]
) -> Mapping[str, AttributeRule]:
    """The rules by attribute or, of an Aurora database, by schema.table.column. Raises InvalidSettings."""
    rules = {}
    for name, told in file.table(value, here).items():
        at = f"{here}.{name}"
        rules[name] = _rule(file, told, at, engine)
        if engine is Engine.AURORA:
            _check_column(file, name, at, tables)
        else:
            _check_attribute(file, name, at, key)
    return rules


def instant(file: SettingsFile, value: Any, here: str) -> int:
    """The microseconds of an instant, 0 where none is told. Raises InvalidSettings."""
    if value is None:
        return 0
    if not isinstance(value, datetime) or value.tzinfo is None or value < _BEGINNING:
        raise file.refuse(here, f"{value!r} is no instant", "write one with its zone, as in 2026-12-01T00:00:00Z")
    return (value - _BEGINNING) // timedelta(microseconds=1)


def redacted(file: SettingsFile, value: Any, here: str, tables: tuple[str, ...] = ()) -> frozenset[str]:
    """The attributes whose values the journal does not show. Raises InvalidSettings."""
    if not isinstance(value, list):
        raise file.refuse(here, "is no list of attributes", 'list them, as in ["email", "phone"]')
    names = [file.text(each, here) for each in value]
    for name in names:
        if names.count(name) > 1:
            raise file.refuse(here, f"names {name} twice", "keep one")
        table, _, column = name.rpartition(".")
        if {table, f"{table.rpartition('.')[0]}.*"} & set(tables):  # it would hide nothing
            remedy = f'write the column alone, "{column}": it is of any table'
            raise file.refuse(here, f"{name!r} names a table too", remedy)
    return frozenset(names)


def _rule(file: SettingsFile, told: Any, here: str, engine: Engine) -> AttributeRule:
    if told in _NAMED:
        return AttributeRule(AttributePolicy(told))
    if not isinstance(told, dict) or not {"custom"} <= told.keys() <= {"custom", "type"}:
        # A name with dots that lacks its quotes is a table of tables in TOML.
        raise file.refuse(here, f"{told!r} is no policy", f"{_ONE_OF}, or {_OWN}, and quote a name with dots")
    function = told["custom"]
    if not isinstance(function, str) or not _FUNCTION.fullmatch(function):
        raise file.refuse(f"{here}.custom", f"{function!r} names no function", 'write "package.module:function"')
    return AttributeRule(AttributePolicy.CUSTOM, function, _handed(file, told, here, engine))


def _handed(file: SettingsFile, told: Mapping[str, Any], here: str, engine: Engine) -> Handed | None:
    """As what the function gets its values; DynamoDB's tell it themselves."""
    if engine is not Engine.AURORA:
        if "type" in told:
            raise file.refuse(f"{here}.type", "is for Aurora: the values of DynamoDB have their own types", "remove it")
        return None
    kinds = [each.value for each in Handed]
    if told.get("type", Handed.TEXT.value) not in kinds:
        raise file.refuse(f"{here}.type", f"{told['type']!r} is nothing to hand over", f"use one of {', '.join(kinds)}")
    return Handed(told.get("type", Handed.TEXT.value))


def _check_attribute(file: SettingsFile, name: str, here: str, key: KeySchema) -> None:
    file.text(name, here)
    if name in OWN_ATTRIBUTES:
        raise file.refuse(here, "is an attribute that replication keeps for itself", "remove it")
    if name in (key.partition, key.sort):
        raise file.refuse(here, "is part of the key, which never changes", "remove it")


def _check_column(file: SettingsFile, name: str, here: str, tables: tuple[str, ...]) -> None:
    table, _, column = name.rpartition(".")
    schema = table.rpartition(".")[0]
    if not all((schema, table.rpartition(".")[2], column)):
        raise file.refuse(here, "is no column", 'write "schema.table.column" in quotes')
    if column in OWN_ATTRIBUTES:
        raise file.refuse(here, "is a column that replication keeps for itself", "remove it")
    if not {f"{schema}.*", table} & set(tables):
        raise file.refuse(here, "is of a table that is not replicated", "add the table to tables, or remove the line")
