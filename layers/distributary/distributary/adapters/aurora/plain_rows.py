"""Collects the rows of one table that the log tells whole, a column each, as they travel: most rows are such.

A row costs a few steps of Python here, and about four times as many as a change of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from distributary.adapters.aurora.messages import Insert, NoText, Relation, ReplicaIdentity, Update, Value
from distributary.adapters.aurora.positions import format_lsn
from distributary.domain.block import Block
from distributary.domain.errors import MalformedStamp
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.logged import LoggedBlock
from distributary.domain.stamp import UNKNOWN, Writer, is_plain_stamp, is_stamp
from distributary.domain.state_texts import document_in

_BY_APPLICATION = f" {Writer.APPLICATION.value} {UNKNOWN} {UNKNOWN} "
_BY_REPLICATION = f" {Writer.REPLICATION.value} {UNKNOWN} {UNKNOWN} "


Place: TypeAlias = tuple[int, int]
"""Where a message's transaction is committed, and the message's number in it."""


def position(place: Place) -> str:
    """A place as changes tell of it."""
    return f"{format_lsn(place[0])} {place[1]}"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where what stands in a relation's rows. columns: place and name of what an application sees.

    state: none where no policy of the table has ever needed a memory.
    """

    columns: tuple[tuple[int, str], ...]
    key: tuple[int, ...]
    stamp: int
    state: int | None = None


@dataclass(slots=True)
class PlainRows:
    """The last states of rows of a table that were written in `region`."""

    dataset: str
    table: str
    region: str
    key: tuple[str, ...]
    layout: _Layout
    overtaken: int = 0
    _columns: list[list[str | None]] = field(default_factory=list)
    _stamps: list[str] = field(default_factory=list)
    _states: list[str | None] = field(default_factory=list)
    _sources: list[Place] = field(default_factory=list)
    _inserted: set[int] = field(default_factory=set)
    _places: dict[tuple[Value, ...], int] = field(default_factory=dict)

    @staticmethod
    def of(relation: Relation, key: tuple[str, ...], dataset: str, table: str, region: str) -> PlainRows | None:
        """Rows as the log describes them; none where it tells of no stamp, or not of the key."""
        names = [column.name for column in relation.columns]
        whole = key and {STAMP_ATTRIBUTE, *key} <= set(names) and relation.identity is ReplicaIdentity.DEFAULT
        if not whole:
            return None
        columns = tuple((at, name) for at, name in enumerate(names) if name not in OWN_ATTRIBUTES)
        state = names.index(STATE_ATTRIBUTE) if STATE_ATTRIBUTE in names else None
        layout = _Layout(columns, tuple(map(names.index, key)), names.index(STAMP_ATTRIBUTE), state)
        rows = PlainRows(dataset, table, region, key, layout)
        rows._clear()
        return rows

    def __len__(self) -> int:
        return len(self._stamps)

    def take(self, message: Insert | Update, place: Place) -> bool:
        """Keep the row, in place of an earlier state of it. False, and nothing is kept: it is not plain."""
        new, inserted = message.new, isinstance(message, Insert)
        stamp = new[self.layout.stamp]
        told_before = isinstance(message, Update) and message.old is not None
        if not isinstance(stamp, str) or NoText.UNCHANGED in new or told_before:
            return False
        start, by_application, context = stamp.partition(_BY_APPLICATION)
        shipped = start + _BY_REPLICATION + context
        ours = is_plain_stamp(shipped, self.region) or is_stamp(shipped, Writer.REPLICATION, (self.region,))
        state = _text(new[self.layout.state]) if self.layout.state is not None else None
        if not by_application or not ours or not is_document(state):
            return False
        self._keep(new, (shipped, state), place, inserted=inserted)
        return True

    def _keep(self, new: tuple[Value, ...], own: tuple[str, str | None], place: Place, *, inserted: bool) -> None:
        stamp, state = own
        at = self._places.setdefault(tuple([new[part] for part in self.layout.key]), len(self._stamps))
        texts = [_text(new[part]) for part, _ in self.layout.columns]
        if inserted:
            self._inserted.add(at)
        if at < len(self._stamps):
            self.overtaken += 1
            self._stamps[at], self._states[at], self._sources[at] = stamp, state, place
            for column, text in zip(self._columns, texts, strict=True):
                column[at] = text
            return
        self._stamps.append(stamp)
        self._states.append(state)
        self._sources.append(place)
        for column, text in zip(self._columns, texts, strict=True):
            column.append(text)

    def gather(self, now: int) -> LoggedBlock:
        """What was kept, which is forgotten here. now: microseconds."""
        columns = {name: column for (_, name), column in zip(self.layout.columns, self._columns, strict=True)}
        sources = list(map(position, self._sources))
        states = self._states if any(text is not None for text in self._states) else None
        block = Block(
            self.dataset, self.table, self.region, self.key, columns, self._stamps, sources, now, states=states
        )
        told = LoggedBlock(block, tuple(sorted(self._inserted)))
        self._clear()
        return told

    def _clear(self) -> None:
        self._columns = [[] for _ in self.layout.columns]
        self._stamps, self._states, self._sources = [], [], []
        self._inserted, self._places, self.overtaken = set(), {}, 0


def is_document(text: str | None) -> bool:
    """Whether a column of states can be shipped; what is in it is read where it is decided on."""
    try:
        document_in(text)
    except MalformedStamp:
        return False
    return True


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None
