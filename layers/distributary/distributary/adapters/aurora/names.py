"""Names in SQL: identifiers and literals that no name can break out of, and tables by schema and name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from distributary.domain.errors import UnknownTable

_PART = r'"((?:[^"\x00]|"")+)"'
_TEXT = re.compile(rf"{_PART}\.{_PART}", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table by schema and name, as the catalogue has them."""

    schema: str
    name: str

    def text(self) -> str:
        """Both parts quoted: the name in SQL, and what a change says of its table."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def table_name(text: str) -> TableName:
    """Read what `TableName.text` wrote; raises UnknownTable for anything else."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise UnknownTable(f"{text[:140]!r} is no name of a table")
    return TableName(match[1].replace('""', '"'), match[2].replace('""', '"'))


def quoted(identifier: str) -> str:
    """An identifier, quoted whatever it is."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal; with standard_conforming_strings, and in a function's body, only quotes mean something."""
    return "'" + text.replace("'", "''") + "'"
