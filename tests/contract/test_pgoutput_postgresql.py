"""The decoder reads what PostgreSQL itself writes: each kind of change, in whole transactions."""

from __future__ import annotations

import pytest

from distributary.adapters.aurora.messages import (
    Begin,
    Column,
    Commit,
    Delete,
    Described,
    Emitted,
    Insert,
    NoText,
    OldPart,
    OldRow,
    Origin,
    Relation,
    ReplicaIdentity,
    Truncate,
    TruncateOption,
    Update,
)
from distributary.adapters.aurora.positions import format_lsn, parse_lsn
from tests.contract.slots import Source

ORDERS = "CREATE TABLE orders (id bigint PRIMARY KEY, note varchar(32))"
DOCUMENTS = (
    "CREATE TABLE documents (id bigint PRIMARY KEY, title text, body text)",
    "ALTER TABLE documents ALTER body SET STORAGE EXTERNAL",
)
LARGE = "x" * 20_000


def relation_of(source: Source, table: str, identity: ReplicaIdentity, *columns: Column) -> Relation:
    (oid,) = source.ask("SELECT %s::regclass::oid", table)
    return Relation(oid, source.name, table, identity, columns)


def test_a_transaction_is_told_from_begin_to_commit(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    source.together(
        "INSERT INTO orders VALUES (1, 'new')", "UPDATE orders SET note = 'old'", "DELETE FROM orders WHERE id = 1"
    )
    begin, *inside, commit = source.messages()
    id_, note = Column("id", 20, -1, is_key=True), Column("note", 1043, 36, is_key=False)
    orders = relation_of(source, "orders", ReplicaIdentity.DEFAULT, id_, note)
    assert isinstance(begin, Begin)
    assert isinstance(commit, Commit)
    assert inside == [
        Described(None, orders),
        Insert(None, orders, ("1", "new")),
        Update(None, orders, None, ("1", "old")),
        Delete(None, orders, OldRow(OldPart.KEY, ("1", NoText.NOT_LOGGED))),
    ]


def test_begin_and_commit_tell_when_and_where(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    source.run("INSERT INTO orders VALUES (1)")
    told = source.peek()
    begin, commit = told[0].message, told[-1].message
    stamp = "SELECT (extract(epoch FROM pg_xact_commit_timestamp(%s)) * 1000000)::bigint"
    (committed_at,) = source.ask(stamp, str(told[0].xid))
    assert isinstance(commit, Commit)
    assert begin == Begin(commit.commit_lsn, committed_at, told[0].xid)
    assert commit == Commit(commit.commit_lsn, parse_lsn(told[-1].lsn), committed_at)


def test_a_slot_advances_to_the_end_of_a_commit(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    source.run("INSERT INTO orders VALUES (1)", "INSERT INTO orders VALUES (2)")
    first = next(each for each in source.messages() if isinstance(each, Commit))
    source.ask("SELECT pg_replication_slot_advance(%s, %s)::text", source.name, format_lsn(first.end_lsn))
    assert source.one(Insert).new == ("2", NoText.NULL)


def test_a_changed_key_brings_the_old_one(source: Source) -> None:
    source.run(ORDERS, "INSERT INTO orders VALUES (1, 'a')")
    source.watch()
    source.run("UPDATE orders SET id = 2")
    told = source.one(Update)
    assert (told.old, told.new) == (OldRow(OldPart.KEY, ("1", NoText.NOT_LOGGED)), ("2", "a"))


def test_a_large_value_that_stays_is_unchanged(source: Source) -> None:
    source.run(*DOCUMENTS, "INSERT INTO documents VALUES (1, 'a', repeat('x', 20000))")
    source.watch()
    source.run("UPDATE documents SET title = NULL")
    assert source.one(Update).new == ("1", NoText.NULL, NoText.UNCHANGED)


def test_a_large_value_that_changes_is_told(source: Source) -> None:
    source.run(*DOCUMENTS, "INSERT INTO documents VALUES (1)")
    source.watch()
    source.run("UPDATE documents SET body = repeat('x', 20000)")
    assert source.one(Update).new == ("1", NoText.NULL, LARGE)


def test_with_full_identity_an_unchanged_value_is_in_the_old_row_only(source: Source) -> None:
    source.run(*DOCUMENTS, "ALTER TABLE documents REPLICA IDENTITY FULL")
    source.run("INSERT INTO documents VALUES (1, NULL, repeat('x', 20000))")
    source.watch()
    source.run("UPDATE documents SET title = 'b'")
    told = source.one(Update)
    assert told.old == OldRow(OldPart.ROW, ("1", NoText.NULL, LARGE))
    assert told.new == ("1", "b", NoText.UNCHANGED)


def test_with_full_identity_a_deletion_brings_the_whole_row(source: Source) -> None:
    source.run("CREATE TABLE bare (a int, b int)", "ALTER TABLE bare REPLICA IDENTITY FULL")
    source.run("INSERT INTO bare VALUES (1)")
    source.watch()
    source.run("DELETE FROM bare")
    told = source.one(Delete)
    assert told.old == OldRow(OldPart.ROW, ("1", NoText.NULL))
    assert [column.is_key for column in told.relation.columns] == [True, True]


def test_with_an_index_as_identity_its_columns_are_the_key(source: Source) -> None:
    source.run("CREATE TABLE users (id int PRIMARY KEY, mail text NOT NULL, age int)")
    source.run("CREATE UNIQUE INDEX by_mail ON users (mail)", "ALTER TABLE users REPLICA IDENTITY USING INDEX by_mail")
    source.run("INSERT INTO users VALUES (1, 'a@b', 30)")
    source.watch()
    source.run("UPDATE users SET mail = 'c@d'", "DELETE FROM users")
    changed, gone = source.one(Update), source.one(Delete)
    assert changed.old == OldRow(OldPart.KEY, (NoText.NOT_LOGGED, "a@b", NoText.NOT_LOGGED))
    assert gone.old == OldRow(OldPart.KEY, (NoText.NOT_LOGGED, "c@d", NoText.NOT_LOGGED))
    assert changed.relation.identity is ReplicaIdentity.INDEX


def test_truncate_names_every_table_and_its_options(source: Source) -> None:
    source.run(ORDERS, "CREATE TABLE lines (id int PRIMARY KEY, order_id bigint REFERENCES orders)")
    source.watch()
    source.run("TRUNCATE orders RESTART IDENTITY CASCADE")
    told = source.one(Truncate)
    assert [each.name for each in told.relations] == ["orders", "lines"]
    assert told.options == TruncateOption.CASCADE | TruncateOption.RESTART_IDENTITY


@pytest.mark.parametrize("transactional", [False, True])
def test_an_emitted_message(source: Source, *, transactional: bool) -> None:
    source.watch()
    source.ask("SELECT pg_logical_emit_message(%s, 'app', '\\x00ff'::bytea)::text", transactional)
    # One that is not transactional waits in memory until something is committed.
    source.ask("SELECT pg_logical_emit_message(true, 'after', '')::text")
    told = next(each for each in source.peek() if isinstance(each.message, Emitted))
    assert told.message == Emitted(None, transactional, parse_lsn(told.lsn), "app", b"\x00\xff")


def test_the_origin_of_a_replayed_transaction(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    with source.replaying():
        source.together(
            "SELECT pg_replication_origin_xact_setup('A/FF', '2026-11-24')", "INSERT INTO orders VALUES (1)"
        )
        assert source.one(Origin) == Origin(0xA_000000FF, source.name)


def test_protocol_2_tells_small_transactions_as_protocol_1(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    source.together("INSERT INTO orders VALUES (1)", "UPDATE orders SET id = 2", "TRUNCATE orders")
    assert source.messages(2, streaming=True) == source.messages(1)
