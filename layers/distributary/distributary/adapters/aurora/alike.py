"""Splits rows that the log tells one after the other and alike into columns: many in one step, and exactly.

A message tells how long each value is, so to go through it takes a few steps of Python a value. No text of PostgreSQL
holds the character zero, and a length below 16 MB begins with one, so a pattern finds the same ends in one step for all
rows; that they are the same is checked, since a value may look like what would follow it.

Formats: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from struct import Struct, error, pack
from typing import TypeAlias

Raw: TypeAlias = Sequence[bytes | None]
"""Values as the log has them: UTF-8, none for NULL."""

HEAD = 8
"""Bytes of how a row's message begins: its kind, its table, the mark of a new row, the number of its columns."""

_TEXT, _NULL = b"tn"
_length_at = Struct(">I").unpack_from


MANY = 20
"""Rows for which a pattern pays; it has to be made for the columns that are NULL, in the time of some of these."""


def columns_of(messages: Sequence[bytes], width: int) -> Sequence[Raw] | None:
    """The values of rows whose messages begin alike, a column each; none where one has others than texts and NULL."""
    if len(messages) >= MANY:
        present = _present(messages, width)
        columns = columns_together(messages, present) if present is not None else None
        if columns is not None:
            return columns
    rows = list[list[bytes | None]]()
    for each in messages:
        row = values_of(each, width)
        if row is None:
            return None
        rows.append(row)
    return list(zip(*rows, strict=True))


def _present(messages: Sequence[bytes], width: int) -> tuple[bool, ...] | None:
    """For each column, whether it is a text in all of some rows, or NULL in all of them; none where they differ."""
    some = [values_of(messages[at], width) for at in (0, len(messages) // 2, -1)]
    told = {tuple(value is not None for value in row) if row is not None else None for row in some}
    return told.pop() if len(told) == 1 else None


def columns_together(messages: Sequence[bytes], present: tuple[bool, ...]) -> list[Raw] | None:
    """The columns of rows that are alike in what is NULL; none where one is not alike, or is cut.

    present: for each column, whether it is a text or NULL; some are texts.
    """
    together = b"\0".join(messages)
    found = _pattern(present).findall(together)
    parts = list(zip(*found, strict=True))
    sizes = [list(map(len, column)) for column in parts[1::2]]
    lengths = map(b"".join, parts[::2])
    as_told = all(pack(f">{len(size)}I", *size) == told for size, told in zip(sizes, lengths, strict=True))
    around = HEAD + 4 * sum(present) + len(present) + 1
    whole = sum(map(sum, sizes)) + len(found) * around == len(together) + 1
    if not (as_told and whole and len(found) == len(messages)):
        return None
    texts = iter(parts[1::2])
    return [next(texts) if there else (None,) * len(messages) for there in present]


@lru_cache(maxsize=256)
def _pattern(present: tuple[bool, ...]) -> re.Pattern[bytes]:
    """A message and what separates it from the next. present: for each column, whether it is a text or NULL."""
    values = b"".join(rb"t(\x00...)([^\x00]*)" if there else b"n" for there in present)
    return re.compile(b".{%d}%s(?:\\x00|\\Z)" % (HEAD, values), re.DOTALL)


def values_of(data: bytes, width: int) -> list[bytes | None] | None:
    """The values of a row; none where it has others than texts and NULL, or is cut."""
    at = HEAD
    found: list[bytes | None] = []
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
