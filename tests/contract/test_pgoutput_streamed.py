"""The decoder reads what PostgreSQL itself writes: large transactions in blocks, before it is known how they end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import psycopg
import pytest

from distributary.adapters.aurora.messages import (
    Begin,
    Delete,
    Described,
    Emitted,
    Insert,
    Message,
    Origin,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    TypeNamed,
    Update,
    Value,
)
from distributary.adapters.aurora.positions import parse_lsn
from tests.contract.slots import Source

FEELINGS = "CREATE TABLE feelings (id int PRIMARY KEY, mood mood, note text)"
ROWS = 1500
"""Of one statement here: several times the 64 kB of a transaction that the server keeps in memory."""


@pytest.fixture
def feelings(source: Source) -> Source:
    """A source with a table, watched."""
    source.run("CREATE TYPE mood AS ENUM ('fine', 'sad')", FEELINGS)
    source.watch()
    return source


@pytest.fixture
def another(feelings: Source) -> Iterator[psycopg.Connection]:
    """Another session on the same schema."""
    with psycopg.connect(feelings.address, options=f"-c search_path={feelings.name}") as connection:
        yield connection


def many(start: int) -> str:
    """Inserts so many rows that the transaction is streamed."""
    numbers = f"generate_series({start}, {start + ROWS - 1})"
    return f"INSERT INTO feelings SELECT n, 'fine', repeat('x', 100) FROM {numbers} n"


def streamed(source: Source) -> list[Message]:
    return source.messages(2, streaming=True)


def committed_ids(messages: list[Message]) -> set[Value]:
    """The rows that were inserted by streamed transactions that were committed, without what was aborted of them."""
    pending: dict[int, list[Insert]] = {}
    done: set[Value] = set()
    block = 0  # which is no transaction
    for message in messages:
        match message:
            case StreamStart():
                block = message.xid
                pending.setdefault(block, [])
            case Insert():
                if block:
                    pending[block].append(message)
            case StreamStop():
                block = 0
            case StreamAbort():
                kept = [each for each in pending[message.xid] if each.xid != message.subxid]
                pending[message.xid] = kept if message.subxid != message.xid else []
            case StreamCommit():
                done.update(each.new[0] for each in pending.pop(message.xid))
    return done


def ids_in_the_table(source: Source) -> set[Value]:
    return {text for (text,) in source.connection.execute("SELECT id::text FROM feelings")}


def test_a_large_transaction_comes_in_blocks_and_then_its_commit(feelings: Source) -> None:
    feelings.together(many(1))
    messages = streamed(feelings)
    first, *others = [each for each in messages if isinstance(each, StreamStart)]
    assert first == StreamStart(first.xid, first=True)
    assert others
    assert set(others) == {StreamStart(first.xid, first=False)}
    assert sum(isinstance(each, StreamStop) for each in messages) == 1 + len(others)
    assert isinstance(messages[-1], StreamCommit)


def test_the_commit_of_a_streamed_transaction_tells_when_and_where(feelings: Source) -> None:
    feelings.together(many(1))
    told = feelings.peek(2, streaming=True)[-1]
    stamp = "SELECT (extract(epoch FROM pg_xact_commit_timestamp(%s)) * 1000000)::bigint"
    (committed_at,) = feelings.ask(stamp, str(told.xid))
    assert isinstance(told.message, StreamCommit)
    assert told.message == StreamCommit(told.xid, told.message.commit_lsn, parse_lsn(told.lsn), committed_at)
    assert told.message.commit_lsn < told.message.end_lsn


def test_without_streaming_the_same_is_told_as_one_transaction(feelings: Source) -> None:
    feelings.together(many(1))
    whole = [each.new for each in feelings.messages(1) if isinstance(each, Insert)]
    blocks = [each.new for each in streamed(feelings) if isinstance(each, Insert)]
    assert whole == blocks


def test_every_kind_of_change_tells_its_transaction(feelings: Source) -> None:
    feelings.together(
        many(1),
        "UPDATE feelings SET note = 'y'",
        "SELECT pg_logical_emit_message(true, 'app', 'hello')",
        "DELETE FROM feelings WHERE id > 1",
        "TRUNCATE feelings",
        many(1),
    )
    messages = streamed(feelings)
    kinds = (Described, TypeNamed, Insert, Update, Delete, Truncate, Emitted)
    told = {(type(each), each.xid) for each in messages if isinstance(each, kinds)}
    (xid,) = {each.xid for each in messages if isinstance(each, StreamStart)}
    assert told == {(kind, xid) for kind in kinds}


def test_what_a_savepoint_was_rolled_back_to_is_aborted(feelings: Source) -> None:
    # Given rows before, in, and after a savepoint that was rolled back, and in one within another
    feelings.together(
        many(1),
        "SAVEPOINT a",
        many(10_000),
        "SAVEPOINT b",
        many(20_000),
        "ROLLBACK TO SAVEPOINT b",
        many(30_000),
        "SAVEPOINT c",
        many(40_000),
        "SAVEPOINT d",
        many(50_000),
        "RELEASE d",
        "ROLLBACK TO SAVEPOINT c",
        many(60_000),
    )
    messages = streamed(feelings)
    aborts = [each for each in messages if isinstance(each, StreamAbort)]
    assert len(aborts) == 3
    assert all(each.subxid != each.xid for each in aborts)
    assert committed_ids(messages) == ids_in_the_table(feelings)


ALTERED = (many(1), "SAVEPOINT a", "ALTER TABLE feelings ADD more int DEFAULT 5", many(10_000))


def widths(messages: list[Message]) -> list[int]:
    """How many columns the inserted rows have, in order, without repetition."""
    return [width for width, _ in groupby(len(each.new) for each in messages if isinstance(each, Insert))]


def test_a_table_altered_in_a_streamed_transaction_is_described_anew(feelings: Source) -> None:
    feelings.together(*ALTERED)
    assert widths(streamed(feelings)) == [3, 4]


def test_a_table_altered_in_a_savepoint_that_was_rolled_back_is_told_as_it_was(feelings: Source) -> None:
    # The server ends the block where it learns of the rollback, and may tell nothing of the savepoint.
    feelings.together(*ALTERED, "ROLLBACK TO SAVEPOINT a", many(20_000))
    messages = streamed(feelings)
    assert committed_ids(messages) == ids_in_the_table(feelings)
    assert widths(messages)[-1] == 3


def test_a_transaction_that_has_not_ended_is_told_without_an_end(feelings: Source, another: psycopg.Connection) -> None:
    another.execute(many(1).encode())
    feelings.run("INSERT INTO feelings VALUES (0)")
    messages = streamed(feelings)
    assert any(isinstance(each, StreamStart) for each in messages)
    assert not any(isinstance(each, StreamCommit | StreamAbort) for each in messages)


def test_blocks_and_whole_transactions_alternate(feelings: Source, another: psycopg.Connection) -> None:
    # Given two large transactions side by side, and small ones between their statements
    with another.transaction(), feelings.connection.transaction():
        for start in (1, 10_000):
            another.execute(many(start).encode())
            feelings.run(many(start + 5_000))
    feelings.run("INSERT INTO feelings VALUES (0)")
    messages = streamed(feelings)
    assert len({each.xid for each in messages if isinstance(each, StreamCommit)}) == 2
    assert sum(isinstance(each, Begin) for each in messages) == 1
    assert committed_ids(messages) | {"0"} == ids_in_the_table(feelings)


def test_a_transaction_that_was_rolled_back_leaves_nothing(feelings: Source, another: psycopg.Connection) -> None:
    # Given one that the server streams until it learns of the rollback (16) or does not tell at all (18)
    another.execute(many(1).encode())
    another.rollback()
    feelings.run("INSERT INTO feelings VALUES (0)")
    messages = streamed(feelings)
    starts = [each.xid for each in messages if isinstance(each, StreamStart) and each.first]
    aborts = [each for each in messages if isinstance(each, StreamAbort)]
    assert aborts == [StreamAbort(xid, xid) for xid in starts]
    assert len(aborts) == (1 if feelings.version < 18 else 0)


def test_the_origin_of_a_streamed_transaction(feelings: Source) -> None:
    with feelings.replaying():
        feelings.together("SELECT pg_replication_origin_xact_setup('A/FF', '2026-11-24')", many(1))
        messages = streamed(feelings)
    assert messages[1] == Origin(0, feelings.name)
    assert sum(isinstance(each, Origin) for each in messages) == 1
