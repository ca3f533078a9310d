"""Turns the messages of a change stream into local writes: what `pgoutput` says, in the words of the domain."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from distributary.adapters.aurora.catalog import TOMBSTONES, Table
from distributary.adapters.aurora.messages import (
    Begin,
    Commit,
    Described,
    Insert,
    Message,
    NoText,
    Relation,
    Truncate,
    Update,
    Values,
)
from distributary.adapters.aurora.names import TableName, table_name
from distributary.adapters.aurora.positions import format_lsn
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.change import Change
from distributary.domain.errors import MalformedStamp, UnknownTable
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, Image
from distributary.domain.logged import Logged, Portion
from distributary.domain.stamp import Writer, parse

_ECHOES = {Writer.REPLICATION.value, Writer.REPLICATION_DELETES.value}


@dataclass(slots=True)
class Assembler:
    """Collects the writes of one reading. table_of: a table's description; raises UnknownTable. now: microseconds."""

    dataset: str
    region: str
    table_of: Callable[[TableName, bool], Table]
    now: int
    _begun: Begin | None = None
    _ordinal: int = 0
    _tables: dict[int, Table | None] = field(default_factory=dict)
    _writes: list[Logged] = field(default_factory=list)
    _alerts: list[Alert] = field(default_factory=list)
    _unstamped: list[str] = field(default_factory=list)
    _echoes: int = 0
    _end: int | None = None

    def take(self, messages: Iterable[Message]) -> Portion:
        """The portion that the messages tell."""
        for message in messages:
            self._ordinal += 1
            if isinstance(message, Insert | Update):
                self._row(message)
            elif isinstance(message, Begin):
                self._begun, self._ordinal = message, 0
            elif isinstance(message, Commit):
                self._end = message.end_lsn
            elif isinstance(message, Described):
                self._described(message.relation)
            elif isinstance(message, Truncate):
                for relation in message.relations:
                    name = TableName(relation.namespace, relation.name).text()
                    self._alerts.append(Alert(AlertKind.TRUNCATED, name, f"in the transaction at {self._position()}"))
        return self._portion()

    def _portion(self) -> Portion:
        portion = Portion(tuple(self._writes), self._echoes, tuple(self._alerts), tuple(self._unstamped), self._end)
        self._writes, self._alerts, self._unstamped, self._echoes, self._end = [], [], [], 0, None
        return portion

    def _described(self, relation: Relation) -> None:
        """Which table it is; looked up anew where the stream tells of other columns than are known."""
        name = TableName(relation.namespace, relation.name)
        if name == TOMBSTONES:
            self._tables[relation.oid] = None
            return
        names = {column.name for column in relation.columns} - OWN_ATTRIBUTES
        try:
            table = self.table_of(name, False)
            if names != {column.name for column in table.columns if not column.generated}:
                table = self.table_of(name, True)
        except UnknownTable:  # dropped since, or no longer replicated: what the stream says of its key has to do
            table = Table(name, (), tuple(sorted(column.name for column in relation.columns if column.is_key)))
        if not set(table.key) <= names:
            self._alerts.append(Alert(AlertKind.SCHEMA_CHANGED, name.text(), "the key is another than it was"))
        self._tables[relation.oid] = table

    def _row(self, message: Insert | Update) -> None:
        table = self._tables[message.relation.oid]
        texts = dict(zip((column.name for column in message.relation.columns), message.new, strict=True))
        stamp = texts.get("stamp" if table is None else STAMP_ATTRIBUTE)
        if isinstance(stamp, str) and stamp.split(" ", 2)[1:2] and stamp.split(" ", 2)[1] in _ECHOES:
            self._echoes += 1
        elif table is None:
            self._deletion(texts, str(stamp))
        else:
            self._state(message, table, texts, stamp)

    def _deletion(self, texts: dict[str, str | NoText], stamp: str) -> None:
        name = table_name(str(texts["relation"]))
        names = self.table_of(name, False).key
        key: Image = {column: {"S": text} for column, text in zip(names, json.loads(str(texts["key"])), strict=True)}
        self._writes.append(Logged(self._change(name.text(), key, None, stamp), stamp))

    def _state(
        self, message: Insert | Update, table: Table, texts: dict[str, str | NoText], stamp: str | NoText | None
    ) -> None:
        own = {name: text for name, text in texts.items() if name not in OWN_ATTRIBUTES}
        image: Image = {
            name: {"S": text} if isinstance(text, str) else {"NULL": True}
            for name, text in own.items()
            if text is not NoText.UNCHANGED
        }
        missing = tuple(name for name, text in own.items() if text is NoText.UNCHANGED)
        key = {name: image[name] for name in table.key}
        try:
            change = self._change(table.name.text(), key, image, str(stamp))
        except MalformedStamp:
            self._unstamped.append(json.dumps({"table": table.name.text(), "row": image}, ensure_ascii=False))
            self._alerts.append(Alert(AlertKind.UNSTAMPED, table.name.text(), "a row was written with triggers off"))
            return
        inserted = isinstance(message, Insert) or _key_is_new(message, table)
        self._writes.append(Logged(change, str(stamp), inserted, missing))

    def _change(self, table: str, key: Image, image: Image | None, stamp: str) -> Change:
        known = parse(stamp)
        return Change(
            self.dataset, table, key, image, known.version, known.context, self.region, self._position(), self.now
        )

    def _position(self) -> str:
        lsn = format_lsn(self._begun.commit_lsn) if self._begun is not None else "?"
        return f"{lsn} {self._ordinal}"


def _key_is_new(message: Update, table: Table) -> bool:
    if message.old is None:
        return False
    return _texts(message.relation, message.old.values, table) != _texts(message.relation, message.new, table)


def _texts(relation: Relation, values: Values, table: Table) -> list[object]:
    return [value for column, value in zip(relation.columns, values, strict=True) if column.name in table.key]
