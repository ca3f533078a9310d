"""What one region does to tables of many kinds is in all of them at the end, though what was done last comes first."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from distributary.domain.version import MICROSECONDS
from tests.contract.aurora_sites import Sites

pytestmark = pytest.mark.xdist_group("postgresql_regions")

ROWS = "SELECT to_jsonb(t) - 'replication_stamp' FROM t ORDER BY id"
KEYS = {
    "smallint": ["7"], "numeric": ["1.0", "'NaN'", "1e30"], "float8": ["'NaN'", "-0.0", "0.1"],
    "mood": ["'sad'", "'ok'"], "timestamptz": ["'2020-01-01 00:00:00+02'", "'infinity'"], "bytea": [r"'\x00ff'"],
    "uuid": ["gen_random_uuid()"], "jsonb": ["""'{"b": 1, "a": [1.0]}'"""], "int4range": ["'[1,5]'"],
    "text[]": ["""'{a,NULL,"x y"}'"""], 'text COLLATE "C"': ["''", r"E'a\\ \"\t水'"], "bit(3)": ["B'101'"],
    "inet": ["'::1/64'"], "interval": ["'1 day -2 hours'"], "numeric[]": ["'{1.0,2}'"], "amount": ["1.0", "2"],
}  # fmt: skip
"""Values of keys, by type."""


@dataclass(frozen=True)
class Kind:
    """tables: what makes them. first: what all regions have. then: what one region does after that, each by itself."""

    tables: tuple[str, ...]
    first: str
    then: tuple[str, ...]
    asked: str = ROWS


KINDS = {
    "partitions": Kind(
        (
            "CREATE TABLE t (id int, at int, v int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)", "CREATE TABLE t2 PARTITION OF t DEFAULT",
        ),
        "INSERT INTO t VALUES (1, 1, 1), (2, 11, 2), (3, 5, 3), (4, 1, 4)",
        (
            "UPDATE t SET v = 9 WHERE id = 1", "UPDATE t SET at = 15 WHERE id = 1", "UPDATE t SET at = 2 WHERE id = 2",
            "DELETE FROM t WHERE id = 3", "UPDATE t SET at = 15 WHERE id = 4", "UPDATE t SET at = 1 WHERE id = 4",
        ),
    ),
    "a tree, a part of which is moved": Kind(
        ("CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t ON DELETE CASCADE)",),
        "INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2), (4, 1)",
        ("UPDATE t SET up = NULL WHERE id = 2", "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (5, 5)"),
    ),
    "a tree that is felled": Kind(
        ("CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t)",),
        "INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2), (4, 1)",
        ("DELETE FROM t",),
    ),
    "rows that exclude each other": Kind(
        ("CREATE TABLE t (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&))",),
        "INSERT INTO t VALUES (1, '[1,5)'), (2, '[5,9)')",
        ("UPDATE t SET during = '[20,30)' WHERE id = 1", "UPDATE t SET during = '[1,9)' WHERE id = 2"),
    ),
    "NULL but once": Kind(
        ("CREATE TABLE t (id int PRIMARY KEY, v int UNIQUE NULLS NOT DISTINCT)",),
        "INSERT INTO t VALUES (1, NULL), (2, 2)",
        ("UPDATE t SET v = 3 WHERE id = 1", "UPDATE t SET v = NULL WHERE id = 2"),
    ),
    "what the database fills in": Kind(
        (
            ("CREATE TABLE t (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY,"
            " w int GENERATED ALWAYS AS (id * 2) STORED, v int)"),
        ),
        "INSERT INTO t (id, v) VALUES (1, 1), (2, 2)",
        ("UPDATE t SET v = 3 WHERE id = 1", "UPDATE t SET id = 7 WHERE id = 2"),
    ),
    **{
        f"a key of {kind}": Kind(
            (
                "CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE DOMAIN amount AS numeric",
                f"CREATE TABLE t (id {kind} PRIMARY KEY, v int)",
            ),
            f"INSERT INTO t VALUES {', '.join(f'({value}, 1)' for value in values)}",
            ("UPDATE t SET v = 2", "UPDATE t SET v = 3 WHERE ctid = (SELECT max(ctid) FROM t)", "DELETE FROM t"),
        )
        for kind, values in KEYS.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_it_arrives_though_what_was_done_last_comes_first(regions: Sites, name: str) -> None:
    # given
    kind = KINDS[name]
    regions.write(*kind.tables)
    regions.install()
    home, peer, _ = regions.all
    home.write(kind.first)
    regions.settle()
    assert regions.same(kind.asked) == home.ask(kind.asked) != []
    for each in regions:
        each.concurrent_after = 3600 * MICROSECONDS

    # when
    for statement in kind.then:
        home.write(statement)
        home.capture()
    peer.apply_backwards()
    regions.settle()

    # then
    assert regions.same(kind.asked) == home.ask(kind.asked)
    assert [each.parking.parcels for each in regions] == [[], [], []]


def test_an_update_that_leaves_more_large_values_alone_than_a_function_takes_arguments_travels(regions: Sites) -> None:
    # given
    names = [f"c{number}" for number in range(70)]
    regions.write(f"CREATE TABLE t (id int PRIMARY KEY, v int, {', '.join(f'{name} text' for name in names)})")
    regions.install()
    home = regions.all[0]
    large = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 8))"
    home.write(f"INSERT INTO t SELECT 1, 1, {', '.join([large] * len(names))}")
    regions.settle()
    wanted = home.ask("SELECT c0, c69 FROM t")

    # when
    home.write("UPDATE t SET v = 2")
    regions.settle()

    # then
    assert regions.same("SELECT v, c0, c69 FROM t") == [(2, *wanted[0])]
    assert home.parking.parcels == []


def test_of_two_texts_of_one_key_the_newer_row_stays(regions: Sites) -> None:
    # given: rows that wait for another
    regions.write(
        "CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE t (id numeric PRIMARY KEY, p int REFERENCES p, v int)"
    )
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO p VALUES (1)")
    home.capture()

    # when: they come with others that have the same keys, in other words
    home.write(
        "INSERT INTO t SELECT (k * 7919) % 1009, 1, 1 FROM generate_series(1, 400) k",
        "UPDATE t SET id = id + 0.0, v = 2",
    )
    home.capture()
    peer.apply_backwards()
    regions.settle()

    # then
    assert regions.same("SELECT v, count(*) FROM t GROUP BY v") == [(2, 400)]


def test_a_key_of_a_domain_has_one_name_whatever_its_scale(regions: Sites) -> None:
    # given
    regions.write("CREATE DOMAIN amount AS numeric", "CREATE TABLE t (id amount PRIMARY KEY, v int)")
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1.0, 1)")
    regions.settle()

    # when: it is deleted, and comes again in other words
    home.write("DELETE FROM t", "INSERT INTO t VALUES (1.00, 2)", "DELETE FROM t", "INSERT INTO t VALUES (1, 3)")
    home.capture()
    peer.apply_backwards()
    regions.settle()

    # then
    assert regions.same("SELECT v FROM t") == [(3,)]
    assert all(
        each.ask("SELECT count(DISTINCT key) <= 1 FROM distributary.tombstones") == [(True,)] for each in regions
    )


def test_a_key_that_is_equal_and_reads_otherwise_travels_whatever_its_types_schema_is_called(regions: Sites) -> None:
    regions.write("CREATE SCHEMA textual", "CREATE DOMAIN textual.n AS numeric")
    regions.write("CREATE TABLE t (id textual.n PRIMARY KEY, v int)")
    regions.install()
    regions.all[0].write("INSERT INTO t VALUES (1.0, 1)")
    regions.settle()
    regions.all[0].write("UPDATE t SET id = 1.00, v = 2")
    regions.settle()
    assert regions.same("SELECT id::text, v FROM t") == [("1.00", 2)]
