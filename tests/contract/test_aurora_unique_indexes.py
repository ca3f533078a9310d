"""Whatever it is that has to be unique: of rows that clash one stays, in all regions, and values may move."""

from __future__ import annotations

import pytest

from tests.contract.aurora_sites import BOTH_WAYS, Sites

pytestmark = pytest.mark.xdist_group("postgresql_regions")

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v int, note text, live boolean NOT NULL DEFAULT true"
PARTITIONED = TABLE.replace("int PRIMARY KEY", "int")
KINDS = {
    "a column": [f"{TABLE}, UNIQUE (v))"],
    "columns": [f"{TABLE}, UNIQUE (live, v))"],
    "with others in it": [f"{TABLE}, UNIQUE (v) INCLUDE (note))"],
    "nothing, once": [f"{TABLE}, UNIQUE NULLS NOT DISTINCT (note, v))"],
    "an expression": [f"{TABLE})", "CREATE UNIQUE INDEX ON t (abs(v))"],
    "an expression and a column": [f"{TABLE})", "CREATE UNIQUE INDEX ON t (live, (v + 1))"],
    "of some rows": [f"{TABLE})", "CREATE UNIQUE INDEX ON t (v) WHERE live AND v >= 0"],
    "what is generated": [f"{TABLE}, twice int GENERATED ALWAYS AS (v * 2) STORED UNIQUE)"],
    "by a function of their own": [
        f"{TABLE})",
        "CREATE FUNCTION half(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 / 2'",
        "CREATE UNIQUE INDEX ON t (half(v * 2))",
    ],
    "at the end of a transaction": [f"{TABLE}, UNIQUE (v) DEFERRABLE INITIALLY DEFERRED)"],
    "what overlaps": [f"{TABLE}, EXCLUDE USING gist (int4range(v, v + 1) WITH &&))"],
    "what overlaps, of some rows": [f"{TABLE}, EXCLUDE (v WITH =, live WITH =) WHERE (v >= 0))"],
    "odd names": [
        f'{TABLE}, "a ""b"" \'c\'" int)',
        'CREATE UNIQUE INDEX "x ""y""" ON t (v, ("a ""b"" \'c\'" IS NULL))',
    ],
    "in partitions": [
        f"{PARTITIONED}, PRIMARY KEY (id, live), UNIQUE (v, live)) PARTITION BY LIST (live)",
        "CREATE TABLE alive PARTITION OF t FOR VALUES IN (true) PARTITION BY LIST (live)",
        "CREATE TABLE alive_still PARTITION OF alive FOR VALUES IN (true)",
        "CREATE TABLE dead PARTITION OF t FOR VALUES IN (false)",
    ],
}
ROWS = "SELECT id, v, note FROM t ORDER BY id"


@BOTH_WAYS
@pytest.mark.parametrize("kind", KINDS)
def test_of_rows_that_clash_one_stays_in_all_regions(regions: Sites, kind: str) -> None:
    # given
    regions.write(*KINDS[kind])
    regions.install()
    # when: four values, each in three regions at once
    for key in range(12):
        regions.all[key // 4].write(f"INSERT INTO t (id, v) VALUES ({key}, {key % 4})")
    reports = regions.settle()
    # then
    assert regions.same("SELECT v, count(*) FROM t GROUP BY v ORDER BY v") == [(value, 1) for value in range(4)]
    regions.same("SELECT id, split_part(replication_stamp, ' ', 1) FROM t ORDER BY id")
    assert sum(sum(report.conflicts.values()) for report in reports) > 0
    assert all(not each.parking.parcels for each in regions)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_moves_takes_no_row_with_it(regions: Sites, kind: str) -> None:
    # given
    regions.write(*KINDS[kind])
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t (id, v) VALUES (1, 10), (2, 20)")
    regions.settle()
    # when: two rows exchange what is unique, and what was written last comes first
    for statement in ("SET v = 0 WHERE id = 1", "SET v = 10 WHERE id = 2", "SET v = 20 WHERE id = 1"):
        home.write(f"UPDATE t {statement}")
        home.capture()
    peer.apply_backwards()
    regions.settle()
    # then
    assert regions.same(ROWS) == [(1, 20, None), (2, 10, None)]
    assert all(not each.parking.parcels for each in regions)


@BOTH_WAYS
def test_of_rows_without_a_value_one_stays_where_no_two_may_be_without(regions: Sites) -> None:
    # given: a pair of columns, of which one may be empty once for each value of the other
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v int, n int, UNIQUE NULLS NOT DISTINCT (v, n))")
    regions.install()
    # when: each region inserts such rows
    for key in range(6):
        regions.all[key // 2].write(f"INSERT INTO t VALUES ({key}, NULL, {key % 2})")
    regions.settle()
    # then
    assert regions.same("SELECT n, count(*) FROM t GROUP BY n ORDER BY n") == [(0, 1), (1, 1)]
    regions.same("SELECT id FROM t ORDER BY id")
    assert all(not each.parking.parcels for each in regions)


@pytest.mark.parametrize("moves", ["UPDATE t SET v = 1 WHERE id = 1; UPDATE t SET v = NULL WHERE id = 2",
                                   "BEGIN; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (3); COMMIT"])  # fmt: skip
def test_having_no_value_may_move_where_no_two_may_be_without(regions: Sites, moves: str) -> None:
    # given
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v int UNIQUE NULLS NOT DISTINCT)")
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1, NULL), (2, 2)")
    regions.settle()
    # when: what was written last comes first
    for statement in moves.split("; "):
        home.write(statement)
        home.capture()
    peer.apply_backwards()
    regions.settle()
    # then
    assert regions.same("SELECT id, v FROM t ORDER BY id") == home.ask("SELECT id, v FROM t ORDER BY id")
    assert len(home.ask("SELECT id FROM t")) == 2
