"""Writes placeholders as the Data API wants them: $1 as :p1, and nothing else, whatever a statement holds.

The API takes every colon before a name for a parameter, but for casts and what is quoted: statements of ours have no
other (a slice of an array is one).
"""

from __future__ import annotations

import re
from functools import lru_cache

_PLACEHOLDER = re.compile(
    r"""
      '(?:[^']|'')*'                                          # as standard_conforming_strings says
    | "(?:[^"]|"")*"
    | \b[eE]'(?:[^'\\]|''|\\.)*'
    | --[^\n]*
    | /\*(?:[^*/]|\*(?!/)|/(?!\*)|/\*(?:[^*]|\*(?!/))*\*/)*\*/    # a comment may hold another
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | [^\W\d][\w$]*                                           # a name may hold a dollar
    | \$(?P<number>\d+)
    """,
    re.DOTALL | re.VERBOSE,
)


@lru_cache(maxsize=256)
def named(sql: str) -> str:
    """The statement with :p1 for $1, but where $1 is part of a literal, a name, a function's body or a comment."""
    return _PLACEHOLDER.sub(lambda match: f":p{match['number']}" if match["number"] else match[0], sql)
