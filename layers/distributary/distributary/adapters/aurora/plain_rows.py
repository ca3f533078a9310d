"""Collects the rows of one table that the log tells whole, as bytes, and gives a column each, as they travel.

Most rows are such. One costs here to find where its values begin, and to check its stamp; no object is made of it, and
only the last state of each row becomes text, a column at a time.

Formats: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from struct import Struct, error
from typing import TypeAlias

from distributary.adapters.aurora.messages import Relation, ReplicaIdentity
from distributary.adapters.aurora.positions import format_lsn
from distributary.domain.block import Block
from distributary.domain.errors import MalformedStamp, MalformedStream
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.logged import LoggedBlock
from distributary.domain.stamp import travelling
from distributary.domain.state_texts import document_in

_INSERT, _UPDATE, _NEW, _TEXT, _NULL = b"IUNtn"
_HEAD = Struct(">BIBH")
"""How an insert begins, and an update that does not tell the old row: kind, table, N, number of columns."""
HEAD = _HEAD.size
_length_at = Struct(">I").unpack_from

Place: TypeAlias = tuple[int, int]
"""Where a message's transaction is committed, and the message's number in it."""

Raw: TypeAlias = list[bytes | None]
"""A row as the log has it: UTF-8, none for NULL."""

Kept: TypeAlias = tuple[Raw, str, str | None, Place]
"""The last state of a row: its values, its stamp as it travels, what policies remember, and its place."""


def position(place: Place) -> str:
    """A place as changes tell of it."""
    return f"{format_lsn(place[0])} {place[1]}"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where what stands in a relation's rows. columns: place and name of what an application sees. width: of all.

    heads: how the messages begin that may tell a whole row, and no old one. state: none where no policy of the table
    has ever needed a memory.
    """

    width: int
    heads: tuple[bytes, ...]
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
    _rows: dict[bytes | tuple[bytes | None, ...] | None, Kept] = field(default_factory=dict)
    _inserted: set[bytes | tuple[bytes | None, ...] | None] = field(default_factory=set)

    @staticmethod
    def of(relation: Relation, key: tuple[str, ...], dataset: str, table: str, region: str) -> PlainRows | None:
        """Rows as the log describes them; none where it tells of no stamp, or not of the key."""
        names = [column.name for column in relation.columns]
        whole = key and {STAMP_ATTRIBUTE, *key} <= set(names) and relation.identity is ReplicaIdentity.DEFAULT
        if not whole:
            return None
        columns = tuple((at, name) for at, name in enumerate(names) if name not in OWN_ATTRIBUTES)
        state = names.index(STATE_ATTRIBUTE) if STATE_ATTRIBUTE in names else None
        heads = tuple(_HEAD.pack(kind, relation.oid, _NEW, len(names)) for kind in (_INSERT, _UPDATE))
        layout = _Layout(len(names), heads, columns, tuple(map(names.index, key)), names.index(STAMP_ATTRIBUTE), state)
        return PlainRows(dataset, table, region, key, layout)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, data: bytes, place: Place) -> bool:
        """Keep the row of a message that begins like the layout's, in place of an earlier state of it.

        False, and nothing is kept: it is not plain, or not well formed.
        """
        layout = self.layout
        values = _values(data, layout.width)
        stamp = values[layout.stamp] if values is not None else None
        if values is None or stamp is None:
            return False
        raw = values[layout.state] if layout.state is not None else None
        try:
            shipped, state = travelling(stamp.decode(), self.region), raw.decode() if raw is not None else None
        except UnicodeDecodeError:
            return False
        if shipped is None or not (state is None or is_document(state)):
            return False
        parts = layout.key
        key = values[parts[0]] if len(parts) == 1 else tuple([values[part] for part in parts])
        if data[0] == _INSERT:
            self._inserted.add(key)
        self.overtaken += key in self._rows
        self._rows[key] = values, shipped, state, place
        return True

    def gather(self, now: int) -> LoggedBlock:
        """What was kept, which is forgotten here. now: microseconds. Raises MalformedStream for what is not UTF-8."""
        values, stamps, states, places = zip(*self._rows.values(), strict=True)
        columns = list(zip(*values, strict=True))
        block = Block(
            self.dataset, self.table, self.region, self.key,
            {name: _texts(columns[at]) for at, name in self.layout.columns}, list(stamps),
            list(map(position, places)), now, states=list(states) if any(text is not None for text in states) else None,
        )  # fmt: skip
        told = LoggedBlock(block, tuple(at for at, key in enumerate(self._rows) if key in self._inserted))
        self._rows, self._inserted, self.overtaken = {}, set(), 0
        return told


def is_document(text: str | None) -> bool:
    """Whether a column of states can be shipped; what is in it is read where it is decided on."""
    try:
        document_in(text)
    except MalformedStamp:
        return False
    return True


def _values(data: bytes, width: int) -> Raw | None:
    """The values of a row; none where it has others than texts and NULL, or is cut."""
    at = HEAD
    found: Raw = []
    try:
        for _ in repeat(None, width):
            if data[at] == _TEXT:
                start = at + 5
                at = start + _length_at(data, at + 1)[0]
                found.append(data[start:at])
            elif data[at] == _NULL:
                found.append(None)
                at += 1
            else:
                return None
    except (IndexError, error):
        return None
    return found if at == len(data) else None


def _texts(column: Sequence[bytes | None]) -> list[str | None]:
    """A column as text, at once where that is possible: no text of PostgreSQL holds the character zero."""
    present = [value for value in column if value is not None]
    try:
        texts: list[str | None] = [*b"\0".join(present).decode().split("\0")] if present else []
    except UnicodeDecodeError as wrong:
        raise MalformedStream(f"not UTF-8 ({wrong.reason}); is client_encoding UTF8?") from wrong
    if len(texts) != len(present):
        raise MalformedStream("a value with the character zero")
    if len(present) == len(column):
        return texts
    left = iter(texts)
    return [None if value is None else next(left) for value in column]
