"""Turns the messages of a change stream into local writes: what `pgoutput` says, in the words of the domain."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

from distributary.adapters.aurora.alike import HEAD
from distributary.adapters.aurora.arrivals import Arrivals
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
)
from distributary.adapters.aurora.names import TableName, table_name
from distributary.adapters.aurora.pgoutput import Decoder
from distributary.adapters.aurora.plain_rows import Place, PlainRows, is_document, positions
from distributary.adapters.aurora.positions import format_lsn
from distributary.adapters.aurora.refused import SAID, refused
from distributary.adapters.aurora.told_rows import Texts, key_is_new, texts_of, told_key
from distributary.adapters.aurora.tombstone_keys import TombstoneKeys
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.change import Change
from distributary.domain.errors import MalformedStamp, UnknownTable
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, STATE_ATTRIBUTE, Image
from distributary.domain.logged import Logged, LoggedBlock, Portion, Refused
from distributary.domain.stamp import is_by_replication, parse
from distributary.domain.state_texts import document_in

_HEAD_OF = itemgetter(slice(0, HEAD))


@dataclass(frozen=True, slots=True)
class _Known:
    """A table that the stream has described. key: none for the tombstones. rows: none where none can be plain."""

    name: TableName
    key: tuple[str, ...] | None
    rows: PlainRows | None = None


@dataclass(slots=True)
class Assembler:
    """Collects the writes of one reading. table_of: a table's description; raises UnknownTable. now: microseconds.

    Rows that are plain are collected as bytes; all else is decoded message by message.
    """

    dataset: str
    region: str
    table_of: Callable[[TableName, bool], Table]
    now: int
    committed_at: int = 0
    """When the last transaction that has ended was committed; 0 where none has."""
    _decoder: Decoder = field(default_factory=Decoder)
    _begun: Begin | None = None
    _ordinal: int = 0
    _tables: dict[int, _Known] = field(default_factory=dict)
    _plain: dict[bytes, PlainRows] = field(default_factory=dict)
    """Where rows are collected whose messages begin so."""
    _writes: list[Logged] = field(default_factory=list)
    _blocks: list[LoggedBlock] = field(default_factory=list)
    _arrived: dict[tuple[TableName, tuple[str, ...]], Arrivals] = field(default_factory=dict)
    _keys: TombstoneKeys = field(init=False)
    _overtaken: int = 0
    _alerts: list[Alert] = field(default_factory=list)
    _refused: list[Refused] = field(default_factory=list)
    _echoes: int = 0
    _end: int | None = None

    def __post_init__(self) -> None:
        self._keys = TombstoneKeys(self.table_of)

    def take(self, messages: Iterable[bytes]) -> None:
        """Collect what the messages tell; raises MalformedStream."""
        for head, alike in groupby(messages, _HEAD_OF):
            run, rows = list(alike), self._plain.get(head)
            if rows is not None and self._collect(rows, run):
                continue
            for data in run:
                if rows is None or len(run) == 1 or not self._collect(rows, [data]):
                    self._ordinal += 1
                    self._take(self._decoder.decode(data))

    def _collect(self, rows: PlainRows, run: Sequence[bytes]) -> bool:
        """Whether these rows, which follow each other, are plain, and collected."""
        if self._begun is None or not rows.take(run, self._begun.commit_lsn, self._ordinal + 1):
            return False
        self._ordinal += len(run)
        return True

    @property
    def kept(self) -> int:
        """How many rows are collected and will be in the portion: not those that later ones have overtaken."""
        rows = sum(len(known.rows) for known in self._tables.values() if known.rows is not None)
        blocks = sum(len(each.block) for each in self._blocks)
        return rows + blocks + len(self._writes) + len(self._refused) + sum(map(len, self._arrived.values()))

    def _take(self, message: Message) -> None:
        if isinstance(message, Insert | Update):
            self._row(message)
        elif isinstance(message, Begin):
            self._begun, self._ordinal = message, 0
        elif isinstance(message, Commit):
            self._begun, self._end, self.committed_at = None, message.end_lsn, message.committed_at
        elif isinstance(message, Described):
            self._described(message.relation)
        elif isinstance(message, Truncate):
            told = f"in the transaction at {format_lsn(self._place()[0])}"
            names = [TableName(relation.namespace, relation.name).text() for relation in message.relations]
            self._alerts += [Alert(AlertKind.TRUNCATED, name, told) for name in names]

    def portion(self, at: str) -> Portion:
        """What was collected, and is forgotten here. at: where the last message stands, if its transaction goes on."""
        within = at if self._begun is not None else ""
        for known in self._tables.values():
            self._gather(known)
        alerts = tuple(dict.fromkeys(self._alerts))
        arrived = tuple(
            each.gather(self.dataset, self.region, self.now) for each in self._arrived.values() if len(each)
        )
        portion = Portion(
            tuple(self._writes), self._echoes, alerts, tuple(self._refused), self._end, within,
            self._overtaken, tuple(self._blocks), arrived,
        )  # fmt: skip
        self._writes, self._alerts, self._refused, self._echoes, self._end = [], [], [], 0, None
        self._overtaken, self._blocks = 0, []
        return portion

    def _gather(self, known: _Known) -> None:
        """Take over the rows that were collected of a table."""
        rows = known.rows
        if rows is None:
            return
        self._echoes, rows.echoes = self._echoes + rows.echoes, 0
        if len(rows):
            self._overtaken += rows.overtaken
            self._blocks.append(rows.gather(self.now))

    def _arrivals(self, name: TableName, key: tuple[str, ...]) -> Arrivals:
        """Where inserts of replication are noted; the table may be made anew, with another key."""
        return self._arrived.setdefault((name, key), Arrivals(name.text(), key))

    def _described(self, relation: Relation) -> None:
        """Which table it is; looked up anew where the stream tells of other columns than are known."""
        name = TableName(relation.namespace, relation.name)
        before = self._tables.get(relation.oid)
        if before is not None:
            self._gather(before)
            self._plain = {head: rows for head, rows in self._plain.items() if rows is not before.rows}
        if name == TOMBSTONES:
            self._tables[relation.oid] = _Known(name, None)
            return
        told = {column.name for column in relation.columns}
        names = told - OWN_ATTRIBUTES
        key: tuple[str, ...] = ()
        try:
            table = self.table_of(name, False)
            known = {column.name for column in table.columns if not column.generated}
            if names != known or (STATE_ATTRIBUTE in told) != table.stateful:
                table = self.table_of(name, True)
            key = table.key
        except UnknownTable:  # dropped since, or no longer replicated: what the stream says of its key has to do
            pass
        then = told_key(relation)
        if key and not (set(key) <= names and then in ((), key)):
            self._alerts.append(Alert(AlertKind.SCHEMA_CHANGED, name.text(), "the key is another than it was"))
        rows = PlainRows.of(relation, self.dataset, self.region, self._arrivals(name, then or key))
        self._tables[relation.oid] = _Known(name, then or key, rows)
        if rows is not None:
            self._plain |= dict.fromkeys(rows.layout.heads, rows)

    def _row(self, message: Insert | Update) -> None:
        known = self._tables[message.relation.oid]
        texts, old = texts_of(message)
        own = "stamp" if known.key is None else STAMP_ATTRIBUTE
        stamp = texts.get(own)
        state = texts.get(STATE_ATTRIBUTE)
        unfit = isinstance(state, str) and not is_document(state)
        if not isinstance(stamp, str) or unfit or (stamp == old.get(own) and texts != old):
            self._refuse(AlertKind.UNSTAMPED, known.name, texts)
        elif is_by_replication(stamp):
            self._echoes += 1
            key = known.key or ()
            # The catalogue's key may be of columns that the table did not have yet.
            if isinstance(message, Insert) and key and all(isinstance(texts.get(name), str) for name in key):
                self._arrivals(known.name, key).note([[str(texts[name])] for name in key], [stamp])
        elif known.key is None:
            self._deletion(texts, stamp)
        else:
            self._state(known, message, texts, old, stamp)

    def _deletion(self, texts: Texts, stamp: str) -> None:
        name, values = table_name(str(texts["relation"])), json.loads(str(texts["key"]))
        change = self._change(name, self._keys.key(name, values), None, stamp, texts)
        if change is not None:
            self._writes.append(Logged(change, stamp))

    def _state(self, known: _Known, message: Insert | Update, texts: Texts, old: Texts, stamp: str) -> None:
        name, key = known.name, known.key or ()
        own = {column: text for column, text in texts.items() if column not in OWN_ATTRIBUTES}
        image: Image = {
            column: {"S": text} if isinstance(text, str) else {"NULL": True}
            for column, text in own.items()
            if text is not NoText.UNCHANGED
        }
        left_out = tuple(column for column, text in own.items() if text is NoText.UNCHANGED)
        told = texts.get(STATE_ATTRIBUTE)
        missing = left_out if told is not NoText.UNCHANGED else (*left_out, STATE_ATTRIBUTE)
        whole = bool(key) and all(isinstance(own.get(column), str) for column in key)
        change = self._change(name, {column: image[column] for column in key} if whole else None, image, stamp, texts)
        if change is not None:
            change = replace(change, state=document_in(told) if isinstance(told, str) else None)
            self._writes.append(Logged(change, stamp, key_is_new(message, key, texts, old), missing))

    def _change(
        self, name: TableName, key: Image | None, image: Image | None, stamp: str, texts: Texts
    ) -> Change | None:
        """The change; none, and the row refused, where its key cannot be told or its stamp is none of ours."""
        try:
            known = parse(stamp)
        except MalformedStamp:
            self._refuse(AlertKind.UNSTAMPED, name, texts)
            return None
        if key is None:
            self._refuse(AlertKind.UNKNOWN_KEY, name, texts)
            return None
        (source,) = positions([self._place()])
        return Change(
            self.dataset, name.text(), key, image, known.version, known.context, self.region, source, self.now
        )

    def _refuse(self, why: AlertKind, name: TableName, texts: Texts) -> None:
        self._refused.append(refused(why, name, texts))
        self._alerts.append(Alert(why, name.text(), SAID[why]))

    def _place(self) -> Place:
        return (self._begun.commit_lsn if self._begun is not None else 0), self._ordinal
