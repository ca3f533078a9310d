"""A session over a direct connection: what it does when the server is not what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from distributary.adapters.aurora.psycopg_session import PsycopgSession
from distributary.domain.errors import RetryLater, Unavailable
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
