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


def columns_of(messages: Sequence[bytes], width: int) -> list[Raw] | None:
    """The values of rows whose messages begin alike, a column each.

    None where one has others than texts and NULL, has NULL in other columns than the first one has, or is cut.
    """
    first = _values(messages[0], width)
    if first is None:
        return None
    if len(messages) == 1:
        return [(value,) for value in first]
    present = tuple(value is not None for value in first)
    together = b"\0".join(messages)
    found = _pattern(present).findall(together)
    parts = list(zip(*found, strict=True))
    sizes = [list(map(len, column)) for column in parts[1::2]]
    lengths = map(b"".join, parts[::2])
    as_told = all(pack(f">{len(size)}I", *size) == told for size, told in zip(sizes, lengths, strict=True))
    around = HEAD + 4 * sum(present) + width + 1
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


def _values(data: bytes, width: int) -> list[bytes | None] | None:
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
