"""A session over a direct connection: what it does when the server is not what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from os import dup
from socket import SHUT_RDWR, socket
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from distributary.adapters.aurora.psycopg_session import PsycopgSession
from distributary.domain.errors import RetryLater, Unacceptable, Unavailable
from tests.contract.aurora_sites import Site


@pytest.fixture
def moved(aurora: Site) -> Iterator[PsycopgSession]:
    """Its first connection is to a node that only reads, as an endpoint leads to for a moment after a failover."""
    aurora.write("CREATE TABLE t (id int)")
    only_reads = iter(["on"])

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(aurora.address, options=f"-c default_transaction_read_only={next(only_reads, 'off')}")

    session = PsycopgSession(connect)
    yield session
    session.close()


def write(session: PsycopgSession) -> None:
    session.run("INSERT INTO public.t VALUES (1)")


def write_in_a_transaction(session: PsycopgSession) -> None:
    with session.transaction(), session.transaction():
        write(session)


@pytest.mark.parametrize("attempt", [write, write_in_a_transaction])
def test_a_node_that_only_reads_is_left(
    aurora: Site, moved: PsycopgSession, attempt: Callable[[PsycopgSession], None]
) -> None:
    with pytest.raises(Unavailable, match="25006"):
        attempt(moved)
    attempt(moved)
    assert aurora.ask("SELECT count(*) FROM t") == [(1,)]


def test_a_node_that_only_reads_is_not_left_within_a_transaction(moved: PsycopgSession) -> None:
    """What would come after it would not be part of it."""

    def write_twice() -> None:
        with moved.transaction():
            with pytest.raises(Unavailable, match="25006"):
                write(moved)
            write(moved)

    with pytest.raises(RetryLater, match="25P02"):
        write_twice()


# --- an answer that is read while it is sent


@pytest.fixture
def session(aurora: Site) -> Iterator[PsycopgSession]:
    session = PsycopgSession(lambda: psycopg.connect(aurora.address), statement_timeout=5_000)
    yield session
    session.close()


NUMBERS = "SELECT n::int4 FROM generate_series(1, {}) n"


def number(row: bytes) -> int:
    """Behind the number of columns and the size of the first."""
    return int.from_bytes(row[6:], "big")


def numbers(portions: Iterable[list[bytes]]) -> list[int]:
    return [number(row) for portion in portions for row in portion]


@pytest.mark.parametrize("many", [0, 1, 2, 7, 8, 9, 30_000])
@pytest.mark.parametrize(("rows", "volume"), [(1, 1_000), (8, 1_000_000), (200, 30), (200, 1_000_000)])
def test_a_streamed_answer_is_whole_and_in_order(session: PsycopgSession, many: int, rows: int, volume: int) -> None:
    assert numbers(session.stream(NUMBERS, many, rows=rows, volume=volume)) == list(range(1, many + 1))


def test_a_portion_has_no_more_rows_than_asked_for(session: PsycopgSession) -> None:
    sizes = [len(portion) for portion in session.stream(NUMBERS, 30_000, rows=200, volume=1_000_000)]
    assert max(sizes) == 200


def test_a_portion_takes_no_more_rows_once_it_has_its_bytes(session: PsycopgSession) -> None:
    large = "SELECT repeat('x', 1000) FROM generate_series(1, {})"
    sizes = [sum(map(len, portion)) for portion in session.stream(large, 2_000, rows=200, volume=10_000)]
    assert max(sizes) < 11_100


def test_parameters_are_literals_whatever_they_hold(session: PsycopgSession) -> None:
    told = "it's {} \\ \" $1 %s"
    ((row,),) = session.stream("SELECT {}::text", told, rows=1, volume=1)
    assert row[6:].decode() == told


def test_what_fails_while_it_is_sent_is_our_error_and_the_session_goes_on(session: PsycopgSession) -> None:
    portions = session.stream(
        "SELECT (10 / (20000 - n))::int4 FROM generate_series(1, {}) n", 30_000, rows=9, volume=900
    )
    assert number(next(portions)[0]) == 0
    with pytest.raises(Unacceptable, match="22012"):
        list(portions)
    assert session.run("SELECT 1") == [(1,)]


def test_an_answer_that_takes_too_long_is_tried_again_later(session: PsycopgSession) -> None:
    session.run("SET statement_timeout = 50")
    with pytest.raises(RetryLater, match="57014"):
        numbers(session.stream("SELECT n::int4 FROM generate_series(1, {}) n, pg_sleep(1)", 3, rows=9, volume=900))


@pytest.mark.parametrize("many", [1, 5, 8, 30_000])
def test_an_answer_need_not_be_read_to_its_end(session: PsycopgSession, many: int) -> None:
    with closing(session.stream(NUMBERS, many, rows=8, volume=1_000)) as portions:
        assert number(next(portions)[0]) == 1
    assert session.run("SELECT 1") == [(1,)]


def test_a_connection_that_ends_while_it_answers_is_opened_anew(session: PsycopgSession, aurora: Site) -> None:
    ((pid,),) = session.run("SELECT pg_backend_pid()")
    portions = session.stream(NUMBERS, 3_000_000, rows=8, volume=1_000)
    next(portions)
    aurora.write(f"SELECT pg_terminate_backend({pid})")
    with pytest.raises(RetryLater):
        list(portions)
    assert session.run("SELECT 1") == [(1,)]


def test_a_server_does_not_work_for_a_client_that_is_gone(session: PsycopgSession, aurora: Site) -> None:
    ((pid,),) = session.run("SELECT pg_backend_pid()")
    connection = session._connection
    assert connection is not None
    connection.pgconn.send_query(b"SELECT pg_sleep(600)")
    # when: its machine ends the connection, without a word to the server
    with socket(fileno=dup(connection.fileno())) as own:
        own.shutdown(SHUT_RDWR)
    # then
    until = monotonic() + 10
    while aurora.ask(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") != [(0,)]:
        assert monotonic() < until
        sleep(0.1)
