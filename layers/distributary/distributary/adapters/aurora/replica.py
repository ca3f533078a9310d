"""One table of a PostgreSQL database as a replica: many rows a statement, and rows at fault told from the others."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from distributary.adapters.aurora import statements
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.names import TableName
from distributary.adapters.aurora.session import Session
from distributary.adapters.aurora.statements import EXPECTED, NUMBER, STAMP
from distributary.domain.errors import (
    DistributaryError,
    MalformedStamp,
    ParentMissing,
    SchemaDiffers,
    Unacceptable,
)
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, Image, key_text
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.stamp import Stamp, Writer, parse
from distributary.domain.steps import Remember, Write
from distributary.ports import Outcome

OF_A_ROW = (Unacceptable, ParentMissing, SchemaDiffers)
"""Errors that one row of a statement may be the cause of."""

Told = dict[str, Any]
"""One row of the parameter."""


class PostgresReplica:
    """`ports.Replica` of one table. table_of: reads the table's description, anew when asked to `refresh`.

    Rows are looked at by their stamps only; a write is conditional on the stamp alone, which every write changes.
    """

    def __init__(self, session: Session, name: TableName, table_of: Callable[[TableName, bool], Table]) -> None:
        self._session, self._name, self._table_of = session, name, table_of

    def look(self, keys: Sequence[Image]) -> Mapping[str, State]:
        """See `ports.Replica`."""
        table = self._table()
        found = {}
        for number, there, stamp, deletion in self._session.run(statements.look(table), _parameter(map(_flat, keys))):
            row = Row({STAMP_ATTRIBUTE: {"S": stamp}} if stamp is not None else {}) if there else None
            tombstone = _tombstone(deletion)
            found[key_text(keys[number])] = State(row, tombstone, tombstone)
        return found

    def look_back(self, keys: Sequence[Image]) -> Mapping[str, Tombstone | None]:
        """See `ports.Replica`."""
        rows = self._session.run(statements.look_back(self._table()), _parameter(map(_flat, keys)))
        found: dict[str, Tombstone | None] = {key_text(key): None for key in keys}
        return found | {key_text(keys[number]): _tombstone(stamp) for number, stamp in rows}

    def write(self, writes: Sequence[tuple[Image, Write]]) -> Sequence[Outcome]:
        """See `ports.Replica`; a row that cannot be written is told alone, by halving."""
        table = self._table()
        outcomes: list[Outcome] = [False] * len(writes)
        groups: dict[str, dict[int, Told]] = defaultdict(dict)
        for number, (key, write) in enumerate(writes):
            try:
                sql, row = _statement(table, key, write)
            except SchemaDiffers:
                table = self._table_of(self._name, True)
                try:
                    sql, row = _statement(table, key, write)
                except SchemaDiffers as error:
                    outcomes[number] = error
                    continue
            groups[sql][number] = row
        for sql, rows in groups.items():
            self._halving(sql, rows, outcomes)
        return outcomes

    def remember(self, notes: Sequence[tuple[Image, Remember]]) -> Sequence[Outcome]:
        """See `ports.Replica`."""
        table = self._table()
        outcomes: list[Outcome] = [False] * len(notes)
        groups: dict[str, dict[int, Told]] = defaultdict(dict)
        for number, (key, each) in enumerate(notes):
            row = {**_flat(key), STAMP: _text_of(each.tombstone)}
            if each.expected is None:
                groups[statements.note(table)][number] = row
            else:
                version, _, _, _, context = _text_of(each.expected).split(" ")
                groups[statements.note_again(table)][number] = {**row, EXPECTED: f"{version} {context}"}
        for sql, rows in groups.items():
            self._halving(sql, rows, outcomes)
        return outcomes

    def _table(self) -> Table:
        return self._table_of(self._name, False)

    def _halving(self, sql: str, rows: Mapping[int, Told], outcomes: list[Outcome]) -> None:
        try:
            for (number,) in self._session.run(sql, numbered(rows)):
                outcomes[number] = True
        except DistributaryError as error:
            if not isinstance(error, OF_A_ROW):
                raise
            if len(rows) == 1:
                outcomes[next(iter(rows))] = error
                return
            items = list(rows.items())
            for half in (items[: len(items) // 2], items[len(items) // 2 :]):
                self._halving(sql, dict(half), outcomes)


def _statement(table: Table, key: Image, write: Write) -> tuple[str, Told]:
    """The statement for a write, and its row in the parameter; raises SchemaDiffers for a column that is not there."""
    expected = _stamp_in(write.expected.image) if write.expected is not None else None
    if write.image is None:
        return statements.delete(table), {**_flat(key), EXPECTED: expected}
    columns = _columns(table, write.image)
    row = {**_flat(write.image), STAMP: _stamp_in(write.image)}
    if write.expected is None:
        return statements.insert(table, columns), row
    return statements.update(table, columns), {**row, EXPECTED: expected}


def _columns(table: Table, image: Image) -> tuple[str, ...]:
    """The columns to write, in the table's order; what the database generates it generates here too."""
    known = {column.name: column for column in table.columns}
    missing = sorted(image.keys() - known.keys() - OWN_ATTRIBUTES)
    if missing:
        raise SchemaDiffers(f"{table.name.text()} has no column {', '.join(missing)}")
    return tuple(column.name for column in table.columns if column.name in image and not column.generated)


def _flat(image: Image) -> Told:
    return {name: value.get("S") for name, value in image.items() if name not in OWN_ATTRIBUTES}


def _parameter(rows: Any) -> str:
    return numbered(dict(enumerate(rows)))


def numbered(rows: Mapping[int, Told]) -> str:
    """Rows as the parameter of a statement, each with its number."""
    return json.dumps([{**row, NUMBER: number} for number, row in rows.items()], ensure_ascii=False)


def _stamp_in(image: Image) -> str | None:
    value = image.get(STAMP_ATTRIBUTE)
    return value["S"] if value else None


def _tombstone(stamp: str | None) -> Tombstone | None:
    if stamp is None:
        return None
    try:
        known = parse(stamp)
    except MalformedStamp:
        return None
    return Tombstone(known.version, known.context)


def _text_of(tombstone: Tombstone) -> str:
    if tombstone.deletion is None:
        raise MalformedStamp("a tombstone without a deletion")
    context = tombstone.context.including(tombstone.deletion)
    return Stamp(tombstone.deletion, context, Writer.REPLICATION).text()
