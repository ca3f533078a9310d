"""The session over a direct connection (psycopg 3): connects when first used, and anew after the connection broke."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import Literal

from distributary.adapters.aurora.copied_rows import arriving
from distributary.adapters.aurora.session import SETTINGS, Parameter, Row
from distributary.adapters.aurora.sqlstates import error_of
from distributary.domain.errors import DistributaryError

_SETTLE = "SELECT " + ", ".join(
    f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in SETTINGS.items()
)
_TIMES = """SELECT pg_catalog.set_config('statement_timeout', $1, false),
    pg_catalog.set_config('lock_timeout', $2, false),
    (SELECT pg_catalog.set_config(name, '2s', false) FROM pg_catalog.pg_settings
     WHERE name = 'client_connection_check_interval')"""
"""The last, where a server knows it, ends statements whose client is gone. A function that was ended while the server
read a long log for it would leave the slot in use, and the lock held, for as long as a statement may take."""


class PsycopgSession:
    """`session.StreamingSession` over one connection.

    connect: opens a connection. statement_timeout, lock_timeout: milliseconds; both below the function's deadline.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        *,
        statement_timeout: int = 30_000,
        lock_timeout: int = 5_000,
    ) -> None:
        self._connect = connect
        self._times = (str(statement_timeout), str(lock_timeout))
        self._connection: psycopg.Connection[Any] | None = None
        self._only_reads = False

    def run(self, sql: str, *parameters: Parameter) -> list[Row]:
        """See `session.Session`."""
        with self._translated():
            cursor = psycopg.RawCursor(self._open())
            cursor.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `session.Session`; one within another is a savepoint."""
        with self._translated(), self._open().transaction():
            yield

    def stream(self, query: str, *parameters: Parameter, rows: int, volume: int) -> Generator[list[bytes], None, None]:
        """See `session.StreamingSession`."""
        with self._translated():
            connection = self._open()
            literals = [Literal(each).as_string(connection) for each in parameters]
            copy = f"COPY ({query.format(*literals)}) TO STDOUT (FORMAT binary)"
            with connection.cursor() as cursor, cursor.copy(copy.encode()):
                yield from arriving(connection.pgconn, rows, volume)

    def close(self) -> None:
        """See `session.StreamingSession`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[Any]:
        known = self._connection
        if known is not None and self._only_reads and known.info.transaction_status == TransactionStatus.IDLE:
            self.close()  # a failover has left us there; another connection goes where the endpoint leads by now
        if self._connection is None or self._connection.closed:
            connection = self._connect()
            connection.autocommit = True
            connection.prepare_threshold = None  # a prepared statement would not see that a table was altered
            psycopg.RawCursor(connection).execute(_SETTLE.encode())
            psycopg.RawCursor(connection).execute(_TIMES.encode(), self._times)
            self._connection, self._only_reads = connection, False
        return self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            self._only_reads |= isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
            raise translated(error) from error


def translated(error: psycopg.Error) -> DistributaryError:
    """Our error for one of psycopg's."""
    constraint = error.diag.constraint_name or ""
    return error_of(error.sqlstate, _message(error), constraint=constraint)


def _message(error: psycopg.Error) -> str:
    """What the server said, without the details, which hold values of rows."""
    return error.diag.message_primary or str(error).splitlines()[0] if str(error) else type(error).__name__
