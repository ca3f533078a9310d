"""Rows of a COPY as the server sends them, in binary form: what has arrived is worked on while more is on its way."""

from __future__ import annotations

from collections.abc import Generator
from select import select
from typing import TYPE_CHECKING, Any

from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""What the first row, or the trailer, comes behind: the format's signature, no flags, no extension."""
TRAILER = b"\xff\xff"
"""What comes after the last row: a number of columns that no row has."""


def arriving(connection: PGconn, rows: int, volume: int) -> Generator[list[bytes], None, None]:
    """Rows of a `COPY … TO STDOUT (FORMAT binary)` that has begun, in their order; raises psycopg.Error.

    rows, volume: at most so many at once, and no more of them once there are so many bytes.

    Source: PostgreSQL's documentation, "COPY", binary format; libpq's PQgetCopyData. psycopg's own reading waits for
    each row by itself, which costs more than all that is done with a row here.
    """
    some, held = list[bytes](), 0
    begun = False
    while (told := connection.get_copy_data(1))[0] >= 0:
        length, data = told
        if not length:
            if not _readable(connection, 0 if some else None):
                yield some
                some, held = [], 0
            else:
                connection.consume_input()
            continue
        row = bytes(data) if begun else bytes(data)[len(HEADER) :]
        begun = True
        if row != TRAILER:
            some.append(row)
            held += len(row)
        if some and (len(some) == rows or held >= volume):
            yield some
            some, held = [], 0
    _end(connection)  # before the last rows: nobody may come back for more
    if some:
        yield some


def _readable(connection: PGconn, seconds: float | None) -> bool:
    """Whether more has come; None waits for it."""
    return bool(select([connection.socket], [], [], seconds)[0])


def _end(connection: PGconn) -> None:
    """Take what the server says at the end, and raise it where it is an error."""
    failed: Any = None
    while (result := connection.get_result()) is not None:
        if result.status != ExecStatus.COMMAND_OK:
            failed = failed or result
    if failed is not None:
        raise error_from_result(failed, "utf-8")
