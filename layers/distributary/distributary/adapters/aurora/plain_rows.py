"""Collects the rows of one table that the log tells whole, as bytes, and gives a column each, as they travel.

Most rows are such. Those that follow each other are taken together, stamps that they share are looked at once, and only
the last state of each row becomes text, a column at a time.

Formats: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from struct import Struct
from typing import TypeAlias

from distributary.adapters.aurora.alike import Raw, columns_of
from distributary.adapters.aurora.arrivals import Arrivals
from distributary.adapters.aurora.messages import Relation, ReplicaIdentity
from distributary.adapters.aurora.positions import format_lsn
from distributary.domain.block import Block
from distributary.domain.errors import MalformedStamp, MalformedStream
from distributary.domain.image import OWN_ATTRIBUTES, STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.logged import LoggedBlock
from distributary.domain.stamp import is_by_replication, travelling
from distributary.domain.state_texts import document_in

_INSERT, _UPDATE, _NEW = b"IUN"
_HEAD = Struct(">BIBH")
"""How an insert begins, and an update that does not tell the old row: kind, table, N, number of columns."""

Place: TypeAlias = tuple[int, int]
"""Where a message's transaction is committed, and the message's number in it."""

Kept: TypeAlias = tuple[Raw, Place]
"""The last state of a row, and where it is told."""


def positions(places: Sequence[Place]) -> list[str]:
    """Places as changes tell of them; a transaction has many."""
    commits = {lsn: format_lsn(lsn) for lsn in {lsn for lsn, _ in places}}
    return [f"{commits[lsn]} {number}" for lsn, number in places]


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
    """The last states of rows of a table that were written in `region`, and what was told of echoes."""

    dataset: str
    region: str
    layout: _Layout
    arrived: Arrivals
    echoes: int = 0
    overtaken: int = 0
    _rows: dict[bytes | tuple[bytes | None, ...] | None, Kept] = field(default_factory=dict)
    _stamps: dict[bytes | None, str] = field(default_factory=dict)
    """How the stamps of these rows travel."""
    _inserted: set[bytes | tuple[bytes | None, ...] | None] = field(default_factory=set)

    @staticmethod
    def of(relation: Relation, dataset: str, region: str, arrived: Arrivals) -> PlainRows | None:
        """Rows as the log describes them; none where it tells of no stamp, or not of the key.

        arrived: collects those that replication has inserted, and tells which table it is, and its key.
        """
        key = arrived.key
        names = [column.name for column in relation.columns]
        whole = key and {STAMP_ATTRIBUTE, *key} <= set(names) and relation.identity is ReplicaIdentity.DEFAULT
        if not whole:
            return None
        columns = tuple((at, name) for at, name in enumerate(names) if name not in OWN_ATTRIBUTES)
        state = names.index(STATE_ATTRIBUTE) if STATE_ATTRIBUTE in names else None
        heads = tuple(_HEAD.pack(kind, relation.oid, _NEW, len(names)) for kind in (_INSERT, _UPDATE))
        layout = _Layout(len(names), heads, columns, tuple(map(names.index, key)), names.index(STAMP_ATTRIBUTE), state)
        return PlainRows(dataset, region, layout, arrived)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, messages: Sequence[bytes], lsn: int, first: int) -> bool:
        """Keep the rows of messages that follow each other, in place of earlier states of them, or count echoes.

        All begin alike, and like the layout's. lsn: where their transaction is committed. first: the number of the
        first of them in it. False, and nothing is kept: one is not plain, or not told as the first one is, or an echo
        among others that are none.
        """
        layout, inserted = self.layout, messages[0][0] == _INSERT
        columns = columns_of(messages, layout.width)
        if columns is None or (layout.state is not None and not all(map(_is_shippable, columns[layout.state]))):
            return False
        stamps, parts = columns[layout.stamp], [columns[at] for at in layout.key]
        if not self._ships(stamps):
            return self._echoed(parts, stamps, inserted)
        keys = parts[0] if len(parts) == 1 else list(zip(*parts, strict=True))
        if inserted:
            self._inserted.update(keys)
        known, places = len(self._rows), zip(repeat(lsn), range(first, first + len(messages)))
        self._rows.update(zip(keys, zip(zip(*columns, strict=True), places, strict=True), strict=True))
        self.overtaken += known + len(messages) - len(self._rows)
        return True

    def _ships(self, stamps: Raw) -> bool:
        """Whether each is the stamp of an application's write here; notes how they travel."""
        for raw in set(stamps).difference(self._stamps):
            text = _text(raw)
            shipped = travelling(text, self.region) if text is not None else None
            if shipped is None:
                return False
            self._stamps[raw] = shipped
        return True

    def _echoed(self, parts: Sequence[Raw], stamps: Raw, inserted: bool) -> bool:
        """Whether all rows are echoes; those of inserts are noted."""
        if not all((text := _text(raw)) is not None and is_by_replication(text) for raw in set(stamps)):
            return False
        if inserted:
            told = [[value for value in column if value is not None] for column in (*parts, stamps)]
            if any(len(column) < len(stamps) for column in told):
                return False
            *keys, texts = map(_decoded, told)
            self.arrived.note(keys, texts)
        self.echoes += len(stamps)
        return True

    def gather(self, now: int) -> LoggedBlock:
        """What was kept, which is forgotten here. now: microseconds. Raises MalformedStream for what is not UTF-8."""
        layout = self.layout
        values, places = zip(*self._rows.values(), strict=True)
        columns = list(zip(*values, strict=True))
        states = _texts(columns[layout.state]) if layout.state is not None else []
        block = Block(
            self.dataset, self.arrived.table, self.region, self.arrived.key,
            {name: _texts(columns[at]) for at, name in layout.columns},
            [self._stamps[raw] for raw in columns[layout.stamp]], positions(places), now,
            states=states if any(text is not None for text in states) else None,
        )  # fmt: skip
        told = LoggedBlock(block, tuple(at for at, key in enumerate(self._rows) if key in self._inserted))
        self._rows, self._inserted, self._stamps, self.overtaken = {}, set(), {}, 0
        return told


def is_document(text: str | None) -> bool:
    """Whether a column of states can be shipped; what is in it is read where it is decided on."""
    try:
        document_in(text)
    except MalformedStamp:
        return False
    return True


def _is_shippable(state: bytes | None) -> bool:
    return state is None or ((text := _text(state)) is not None and is_document(text))


def _text(raw: bytes | None) -> str | None:
    """A value that has to be there and to be UTF-8; none where it is not."""
    try:
        return raw.decode() if raw is not None else None
    except UnicodeDecodeError:
        return None


def _texts(column: Raw) -> list[str | None]:
    """A column as text."""
    present = [value for value in column if value is not None]
    texts = _decoded(present)
    if len(present) == len(column):
        return [*texts]
    left = iter(texts)
    return [None if value is None else next(left) for value in column]


def _decoded(values: Sequence[bytes]) -> list[str]:
    """Values as text, at once, which is possible since no text of PostgreSQL holds the character zero."""
    try:
        texts = b"\0".join(values).decode().split("\0") if values else []
    except UnicodeDecodeError as wrong:
        raise MalformedStream(f"not UTF-8 ({wrong.reason}); is client_encoding UTF8?") from wrong
    if len(texts) != len(values):
        raise MalformedStream("a value with the character zero")
    return texts
