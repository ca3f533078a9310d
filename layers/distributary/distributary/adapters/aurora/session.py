"""The seam to PostgreSQL: what everything that speaks SQL here needs of a connection, direct or over HTTP."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

Parameter: TypeAlias = str | int | bool | None
Row: TypeAlias = tuple[Any, ...]

SETTINGS = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "xmloption": "content",
    "search_path": "pg_catalog, pg_temp",
    "row_security": "off",
}
"""What the text forms of values depend on, the same in every region, and where names are looked up.

Unless pg_temp is named it comes first, and who may make temporary types would be asked what a "text" is: in a trigger
that is by the rights of the tables' owner.

Where policies for rows hold for the role, a statement fails, so that none works on some of the rows in silence.
"""


class Session(Protocol):
    """A session of a database. Parameters are written $1, $2 … and are cast in the statement.

    Results are texts, whole numbers, truths or nothing: types that the Data API does not know are cast to text.

    A statement outside of `transaction` is a transaction of its own. Every method raises our errors only: RetryLater
    for a connection or server that is not ready, Unacceptable for what a statement says, Misconfigured.
    """

    def run(self, sql: str, *parameters: Parameter) -> list[Row]:
        """Run one statement; its rows, if it gives any."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Within, all statements are one transaction with the `SETTINGS`; an error undoes it."""
        ...

    def close(self) -> None:
        """End the session; the next call begins another."""
        ...


class StreamingSession(Session, Protocol):
    """A session that can read an answer of any size in portions, and hold a lock between statements.

    Only a direct connection is one: the Data API neither streams nor keeps anything between transactions.
    """

    def stream(self, query: str, *parameters: Parameter, rows: int, volume: int) -> Generator[list[bytes], None, None]:
        """The rows of one query, as COPY tells them in binary form; the session is busy until its end, or `close`.

        query: `{}` stands for each parameter, as in `str.format`. rows, volume: at most so many are given at once, and
        no more once they have so many bytes; fewer where no more have come yet. The server goes on meanwhile.

        The time that the statement may take is also that of what is done with the rows.
        """
        ...
