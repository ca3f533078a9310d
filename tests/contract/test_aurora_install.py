"""Preparing a database: idempotent, safe for every name, undone without a trace, and never silent about a lost slot."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from cli.aurora import _print
from distributary.adapters.aurora import install
from distributary.adapters.aurora.doctor import examine
from distributary.domain.errors import InvalidSettings, NotInstalled, SlotLost
from distributary.domain.message import unpack
from local.postgresql import programs
from tests.contract.aurora_sites import BOTH_WAYS, MASTER, Site

NAMES = ['sel"ect', "o'brien", "$1 %s :x", "UPPER case", "水", "a.b", "$body$", "x" * 63, "~n; drop", "tab\tle"]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@BOTH_WAYS
def test_a_second_run_has_nothing_to_do(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY)")
    assert aurora.install()
    assert aurora.install() == []


@BOTH_WAYS
def test_tables_that_came_later_are_taken_in(aurora: Site) -> None:
    aurora.install()
    aurora.write("CREATE TABLE later (id int PRIMARY KEY)")
    assert aurora.install() == ['table "public"."later"']


@BOTH_WAYS
@pytest.mark.parametrize("name", NAMES)
def test_every_legal_name_is_replicated(aurora: Site, name: str) -> None:
    # given: a table, its key and a column with the name
    table = quoted(name)
    key = quoted(f"{name[:40]}k")
    aurora.write(f"CREATE TABLE {table} ({key} text PRIMARY KEY, {table} text)")
    # when: all of it is written
    aurora.install()
    aurora.write(f"INSERT INTO {table} VALUES ('a', 'b')", f"UPDATE {table} SET {table} = 'c'")
    aurora.write(f"INSERT INTO {table} VALUES ('d', 'e')", f"DELETE FROM {table} WHERE {key} = 'd'")
    # then: all of it is captured under that name
    aurora.capture()
    inbox = aurora.queues["eu-west-1"]
    (body,) = [message.body for message in inbox.messages.values()]
    changes = {str(change.key): change for change in unpack(body, aurora.dataset)}
    assert {change.table for change in changes.values()} == {f'"public".{table}'}
    kept = changes[str({f"{name[:40]}k": {"S": "a"}})]
    assert kept.image == {f"{name[:40]}k": {"S": "a"}, name: {"S": "c"}}
    assert changes[str({f"{name[:40]}k": {"S": "d"}})].image is None


@BOTH_WAYS
def test_a_table_that_others_inherit_from_is_refused_with_the_remedy(aurora: Site) -> None:
    aurora.write("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (PRIMARY KEY (id)) INHERITS (a)")
    with pytest.raises(NotInstalled, match=r'inherit from "public"."a": make partitions'):
        aurora.install()


@BOTH_WAYS
def test_tables_without_a_key_are_refused_with_the_remedy(aurora: Site) -> None:
    aurora.write("CREATE TABLE a (id int)", "CREATE TABLE b (id int)")
    with pytest.raises(NotInstalled, match=r'"public"."a", "public"."b"; add one') as refused:
        aurora.install()
    assert "replication.toml" in str(refused.value)


@BOTH_WAYS
def test_a_key_that_is_checked_late_is_refused_with_the_remedy(aurora: Site) -> None:
    aurora.write("CREATE TABLE a (id int PRIMARY KEY DEFERRABLE)", "CREATE TABLE b (id int PRIMARY KEY)")
    with pytest.raises(NotInstalled, match=r'DEFERRABLE primary key: "public"."a"; make it NOT DEFERRABLE'):
        aurora.install()


@pytest.mark.parametrize(
    "key",
    ["public.vector(2)", "public.narrow"],
)
def test_a_key_of_an_extensions_type_is_refused_with_the_remedy(aurora: Site, key: str) -> None:
    """Its operators are found nowhere: every update of an application's would fail in the trigger."""
    with psycopg.connect(aurora.address.replace(f"user={MASTER}", "user=postgres"), autocommit=True) as superuser:
        superuser.execute("CREATE EXTENSION vector SCHEMA public")
    aurora.write("CREATE DOMAIN narrow AS vector(2)")
    aurora.write(
        f"CREATE TABLE a (n int, id {key}, PRIMARY KEY (n, id))", f"CREATE TABLE b (id int PRIMARY KEY, v {key})"
    )
    with pytest.raises(NotInstalled, match=r'extension\'s type is in the key of "public"."a": give it'):
        aurora.install()
    aurora.write("DROP TABLE a")
    aurora.install()


@pytest.mark.parametrize("key", ["mood", "pair", "amount", "int4range", "text[]", "money", "inet", "bit(3)", "char(3)"])
def test_keys_of_types_that_are_made_of_postgresqls_own_are_taken(aurora: Site, key: str) -> None:
    values = {"mood": "glad", "pair": "(1,a)", "int4range": "[1,5)", "text[]": "{a}", "bit(3)": "101", "inet": "::1"}
    aurora.write(
        "CREATE TYPE mood AS ENUM ('glad')", "CREATE TYPE pair AS (n int, t text)",
        "CREATE DOMAIN amount AS numeric(9, 2)", f"CREATE TABLE t (id {key} PRIMARY KEY, v int)",
    )  # fmt: skip
    aurora.install()
    aurora.write(f"INSERT INTO t VALUES ('{values.get(key, '1')}', 1)", "UPDATE t SET v = 2", "DELETE FROM t")
    assert aurora.ask("SELECT count(*) FROM distributary.tombstones") == [(1,)]


@BOTH_WAYS
@pytest.mark.parametrize(
    "column",
    [
        "replication_stamp int",
        "replication_stamp text",
        'replication_stamp varchar(9) COLLATE "C"',
        "replication_state jsonb",
    ],
)
def test_a_column_that_has_the_name_of_ours_is_refused_with_the_remedy(aurora: Site, column: str) -> None:
    """Every write of an application's would fail in the trigger, or overwrite it."""
    aurora.write(f"CREATE TABLE a (id int PRIMARY KEY, {column})", "CREATE TABLE b (id int PRIMARY KEY)")
    with pytest.raises(NotInstalled, match=r'that is not ours is in "public"."a"; give it another name'):
        aurora.install()


@BOTH_WAYS
def test_a_database_of_another_region_is_left_alone(aurora: Site) -> None:
    aurora.install()
    aurora.region = "eu-west-1"
    with pytest.raises(InvalidSettings, match=r"us-east-1, not for .* in eu-west-1: connect to"):
        aurora.install()


@BOTH_WAYS
def test_a_lost_slot_is_made_anew_only_on_demand(aurora: Site) -> None:
    aurora.install()
    aurora.capture()
    slot = install.slot_of(aurora.dataset.name)
    aurora.ask(f"SELECT pg_drop_replication_slot('{slot}')")
    with pytest.raises(SlotLost, match="was there once"):
        aurora.install()
    assert "the slot that keeps what is written from now on" in aurora.install(new_slot=True)
    assert aurora.capture().failure is None


@BOTH_WAYS
@pytest.mark.parametrize(
    "since",
    [
        [],
        ["ALTER TABLE t RENAME TO other"],
        ["CREATE SCHEMA elsewhere", "ALTER TABLE t SET SCHEMA elsewhere"],
        ["ALTER TABLE t RENAME TO other", "CREATE VIEW t AS SELECT id FROM other"],
    ],
    ids=["", "renamed", "moved", "renamed beneath a view"],
)
def test_nothing_is_left_after_it_was_undone(aurora: Site, since: list[str]) -> None:
    # given: a prepared database with a deleted row
    tables = "c.relkind = 'r' AND c.relname IN ('t', 'other')"
    before = f"SELECT attname FROM pg_attribute JOIN pg_class c ON attrelid = c.oid AND {tables}"
    aurora.write("CREATE TABLE t (id int PRIMARY KEY)")
    was = aurora.ask(f"{before} WHERE NOT attisdropped ORDER BY 1")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1)", "DELETE FROM t", *since)
    # when
    session = aurora.session()
    install.carry_out(session, install.removal(session, aurora.dataset))
    # then
    assert aurora.ask(f"{before} WHERE NOT attisdropped ORDER BY 1") == was
    for place in ("pg_trigger WHERE NOT tgisinternal", "pg_namespace WHERE nspname = 'distributary'", "pg_publication"):
        assert aurora.ask(f"SELECT count(*) FROM {place}") == [(0,)]
    assert aurora.ask("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == [(0,)]
    assert install.removal(session, aurora.dataset) == []


@BOTH_WAYS
def test_a_database_of_another_dataset_is_not_undone(aurora: Site) -> None:
    """Its triggers would be gone, and its slot would keep the log for ever."""
    aurora.install()
    session = aurora.session()
    with pytest.raises(InvalidSettings, match=f"for {aurora.dataset.name}, not for other; name that one"):
        install.removal(session, replace(aurora.dataset, name="other"))


@BOTH_WAYS
def test_tables_of_another_are_refused_before_anything_is_done(aurora: Site) -> None:
    aurora.write("CREATE ROLE clerk", "GRANT clerk TO CURRENT_USER", "GRANT CREATE ON SCHEMA public TO clerk")
    try:
        aurora.write("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
        aurora.write("ALTER TABLE b OWNER TO clerk", "REVOKE clerk FROM CURRENT_USER")
        with pytest.raises(NotInstalled, match=r'somebody else\'s: "public"."b"; GRANT'):
            aurora.install()
        assert aurora.ask("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == [(0,)]
        aurora.write("GRANT clerk TO CURRENT_USER")
        aurora.install()
    finally:
        aurora.write("GRANT clerk TO CURRENT_USER", "DROP OWNED BY clerk", "DROP ROLE clerk")


def test_who_may_not_replicate_is_told_which_right_is_missing(aurora: Site) -> None:
    aurora.write("CREATE ROLE modest LOGIN", "GRANT modest TO CURRENT_USER")
    try:
        session = aurora.session()
        session.run("SET ROLE modest")
        with pytest.raises(NotInstalled) as refused:
            install.plan(session, aurora.dataset, aurora.region)
        assert "GRANT rds_replication" in str(refused.value)
        assert "GRANT CREATE ON DATABASE" in str(refused.value)
    finally:
        session.close()
        aurora.write("DROP ROLE modest")


@BOTH_WAYS
@pytest.mark.parametrize(
    "statements",
    [["DROP TABLE t"], ["ALTER TABLE t RENAME TO other"], ["ALTER TABLE t RENAME TO b", "CREATE VIEW t AS TABLE b"]],
)
def test_a_table_that_is_gone_is_forgotten(aurora: Site, statements: list[str]) -> None:
    # given: a table that was taken in and is not there any more, and a slot that is lost
    aurora.write("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE kept (id int PRIMARY KEY)")
    aurora.install()
    aurora.capture()
    aurora.write(*statements)
    aurora.ask(f"SELECT pg_drop_replication_slot('{install.slot_of(aurora.dataset.name)}')")
    # when
    assert 'table "public"."t", which is gone' in aurora.install(new_slot=True)
    # then: nobody is told of it any more
    assert aurora.install() == []
    assert examine(aurora.session(), aurora.dataset, aurora.region) == []
    assert aurora.capture().alerts == []


def test_what_a_dry_run_prints_is_what_is_run(aurora: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    # given: a type whose name depends on where names are looked up, and names that end a line or are changed in print
    odd = ["a\tb :smile: [bold]x[/bold]", "a\nCREATE TABLE public.stranger (); --", "bell\a\b\x0b"]
    aurora.write("CREATE TYPE mood AS ENUM ('glad')")
    aurora.write(*(f"CREATE TABLE {quoted(name)} (id mood PRIMARY KEY, {quoted(name)} int)" for name in odd))
    session = aurora.session()
    # when: psql runs it
    _print("here", install.plan(session, aurora.dataset, aurora.region))
    psql = str(programs(18, tmp_path).folder / "psql")
    command = [psql, aurora.address, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    done = subprocess.run(command, input=capsys.readouterr().out, capture_output=True, text=True, check=False)
    # then
    assert (done.returncode, done.stderr) == (0, "")
    assert aurora.ask("SELECT to_regclass('public.stranger')::text") == [(None,)]
    assert aurora.install() == []
    assert examine(session, aurora.dataset, aurora.region) == []
    _print("here", install.plan(session, aurora.dataset, aurora.region))
    assert capsys.readouterr().out == "-- here: nothing to do\n"
