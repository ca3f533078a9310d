"""Blocks: changes of one table of an SQL database, a column each, as they travel and as one statement takes them.

A row costs a block a text for each of its columns and no object of its own, so many rows are checked, packed and merged
without a step of Python for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

from distributary.domain.change import Change
from distributary.domain.errors import MalformedMessage, MalformedStamp
from distributary.domain.image import OWN_ATTRIBUTES, AttributeValue, Image
from distributary.domain.stamp import Stamp, Writer, is_plain_stamp, is_stamp, parse
from distributary.domain.state_documents import incarnation_in
from distributary.domain.state_texts import document_in, state_text
from distributary.domain.unjoined import tells_of_unjoined

Column: TypeAlias = Sequence[str | None]
"""Texts as PostgreSQL writes them, none for NULL."""

_PART = r'"(?:[^"\x00]|"")+"'
_TABLE = re.compile(rf"{_PART}\.{_PART}", re.DOTALL)
_NULL: AttributeValue = {"NULL": True}


@dataclass(frozen=True, slots=True)
class Block:
    """New states of rows of one table that were written in one region or, in a block of deletions, their keys.

    table: schema and name, both quoted. key: names of the key's columns. columns: of the key alone for deletions.
    stamps: as the rows are to carry them. sources: see `Change`. captured_at: microseconds, of the oldest. states: what
    each row's state knows beside its values, as JSON text, where a policy needs memory; none where no row has a state.
    """

    dataset: str
    table: str
    home: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    stamps: Sequence[str]
    sources: Sequence[str]
    captured_at: int
    deletes: bool = False
    states: Column | None = None

    def __len__(self) -> int:
        return len(self.stamps)

    def change(self, at: int) -> Change:
        """One of the changes."""
        values: Image = {name: _NULL if (text := c[at]) is None else {"S": text} for name, c in self.columns.items()}
        stamp = parse(self.stamps[at])
        key = {name: values[name] for name in self.key}
        image = None if self.deletes else values
        state = document_in(self.states[at]) if self.states is not None else None
        return Change(
            self.dataset, self.table, key, image, stamp.version, stamp.context, self.home, self.sources[at],
            self.captured_at, state,
        )  # fmt: skip

    def changes(self) -> Iterator[Change]:
        """All of them."""
        return map(self.change, range(len(self)))

    def rows(self) -> Iterable[object]:
        """What tells one row from another, each in its turn."""
        columns = [self.columns[name] for name in self.key]
        return columns[0] if len(columns) == 1 else zip(*columns, strict=True)

    def slice(self, start: int, stop: int) -> Block:
        """The changes from one to before another."""
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        states = self.states[start:stop] if self.states is not None else None
        return self._with(columns, self.stamps[start:stop], self.sources[start:stop], states)

    def pick(self, wanted: Sequence[int]) -> Block:
        """The changes at these places."""
        columns = {name: [column[at] for at in wanted] for name, column in self.columns.items()}
        states = [self.states[at] for at in wanted] if self.states is not None else None
        return self._with(columns, [self.stamps[at] for at in wanted], [self.sources[at] for at in wanted], states)

    @property
    def kind(self) -> tuple[object, ...]:
        """What blocks must share to be one."""
        return self.table, self.home, self.key, tuple(self.columns), self.deletes

    def _with(
        self, columns: Mapping[str, Column], stamps: Sequence[str], sources: Sequence[str], states: Column | None
    ) -> Block:
        return replace(self, columns=columns, stamps=stamps, sources=sources, states=states)

    def document(self) -> dict[str, Any]:
        """The block as JSON values; `block_from` reads them."""
        return {
            "table": self.table,
            "key": self.key,
            "columns": self.columns,
            "stamps": self.stamps,
            "sources": self.sources,
            "captured_at": self.captured_at,
            "deletes": self.deletes,
            **({"states": self.states} if self.states is not None else {}),
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a block. left: places of the changes that take a decision each."""

    inserted: int = 0
    replaced: int = 0
    deleted: int = 0
    left: Sequence[int] = ()


def joined(blocks: Sequence[Block]) -> Block:
    """Blocks of one kind as one, in their order."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    return Block(
        first.dataset, first.table, first.home, first.key,
        {name: list(chain.from_iterable(each.columns[name] for each in blocks)) for name in first.columns},
        list(chain.from_iterable(each.stamps for each in blocks)),
        list(chain.from_iterable(each.sources for each in blocks)),
        min(each.captured_at for each in blocks), first.deletes, _joined_states(blocks),
    )  # fmt: skip


def _column(states: Column) -> Column | None:
    return None if all(text is None for text in states) else states


def _joined_states(blocks: Sequence[Block]) -> Column | None:
    if all(each.states is None for each in blocks):
        return None
    return list(chain.from_iterable(each.states or [None] * len(each) for each in blocks))


def blocks_of(changes: Iterable[Change]) -> list[Block]:
    """Changes as blocks, those of one kind that were captured together in one, in their order."""
    groups: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        columns = tuple(change.key if change.image is None else change.image)
        kind = (change.table, change.home, tuple(change.key), columns, change.image is None, change.captured_at)
        groups.setdefault(kind, []).append(change)
    return [_block_of(some) for some in groups.values()]


def _block_of(changes: Sequence[Change]) -> Block:
    first = changes[0]
    rows = [change.key if change.image is None else change.image for change in changes]
    states = [state_text(change.state) for change in changes]
    return Block(
        first.dataset, first.table, first.home, tuple(sorted(first.key)),
        {name: [row[name].get("S") for row in rows] for name in rows[0]},
        [Stamp(each.version, each.context, Writer.REPLICATION).text() for each in changes],
        [each.source for each in changes], first.captured_at, first.image is None, _column(states),
    )  # fmt: skip


def block_from(document: Any, dataset: str, home: str, regions: Sequence[str]) -> Block:
    """Read what `Block.document` wrote; raises MalformedMessage for anything else. regions: of the dataset."""
    try:
        table, key, columns, deletes = (document[name] for name in ("table", "key", "columns", "deletes"))
        stamps, sources, captured_at = (document[name] for name in ("stamps", "sources", "captured_at"))
        states = document.get("states")
        _check_table(table, key, columns, deletes)
        _check_values([*columns.values(), stamps, sources], len(stamps))
        _check_present([*(columns[name] for name in key), stamps, sources])
        _check_stamps(stamps, home, regions)
        if states is not None:
            _check_states(states, stamps, deletes)
        return Block(dataset, table, home, tuple(key), columns, stamps, sources, int(captured_at), deletes, states)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise MalformedMessage(f"a block lacks or garbles {type(error).__name__} {error}") from error


def _check_table(table: Any, key: Any, columns: Any, deletes: Any) -> None:
    if not isinstance(table, str) or not _TABLE.fullmatch(table):
        raise MalformedMessage(f"{table!r} is no table")
    if not isinstance(key, list) or not key or key != sorted(set(key)) or not columns.keys() >= set(key):
        raise MalformedMessage("the key is none of a table")
    if not isinstance(deletes, bool) or (deletes and len(columns) > len(key)):
        raise MalformedMessage("deletions have keys and nothing else")
    if not OWN_ATTRIBUTES.isdisjoint(columns) or "" in columns:
        raise MalformedMessage("a column that no application has")
    _check_texts([table, *columns])


def _check_values(columns: Sequence[Any], count: int) -> None:
    for column in columns:
        if not isinstance(column, list) or len(column) != count or not set(map(type, column)) <= {str, type(None)}:
            raise MalformedMessage("a column is no list of a text or NULL for each row")
        _check_texts(filter(None, column))


def _check_present(columns: Sequence[Any]) -> None:
    if any(None in column for column in columns):
        raise MalformedMessage("a key, stamp or source is missing")


def _check_texts(texts: Iterable[str]) -> None:
    """PostgreSQL takes all of Unicode but zero, and no half of a pair of surrogates."""
    together = "".join(texts)
    together.encode()
    if "\x00" in together:
        raise MalformedMessage("a text holds the character zero")


def _check_states(states: Any, stamps: Sequence[str], deletes: bool) -> None:
    """Each is an object of JSON, or missing, and on top of nothing newer; all else is read where it is decided on."""
    if deletes:
        raise MalformedMessage("a deletion has no state")
    _check_values([states], len(stamps))
    for text, stamp in zip(states, stamps, strict=True):
        if text is not None:
            document = document_in(text)
            incarnation_in(document, parse(stamp).version)
            if tells_of_unjoined(document):
                raise MalformedMessage("a state that is not joined")


def _check_stamps(stamps: Sequence[str], home: str, regions: Sequence[str]) -> None:
    """Each is of replication, and its version of a replica of the dataset; what one statement wrote shares a stamp."""
    for text in dict.fromkeys(stamps):
        if not is_plain_stamp(text, home) and not is_stamp(text, Writer.REPLICATION, regions):
            raise MalformedStamp(text[:80])
