"""Positions in PostgreSQL's write-ahead log (LSN) as numbers, and the text form that SQL functions take and give."""

from __future__ import annotations

import re
from functools import lru_cache

from distributary.domain.errors import MalformedStream

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", re.ASCII)


@lru_cache(maxsize=64)
def format_lsn(lsn: int) -> str:
    """The text of a position, as PostgreSQL writes it: two hexadecimal halves, without leading zeros."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """The position that a text names, as bytes since the start of the log; raises MalformedStream."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise MalformedStream(f"position {text!r}: not two hexadecimal numbers around a slash")
    return int(match[1], 16) << 32 | int(match[2], 16)
