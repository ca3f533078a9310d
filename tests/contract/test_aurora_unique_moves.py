"""A unique value that one region moves from one row to another costs no row, in whatever order their states come."""

from __future__ import annotations

import pytest

from distributary.domain.version import MICROSECONDS
from tests.contract.aurora_sites import BOTH_WAYS, Sites

pytestmark = pytest.mark.xdist_group("postgresql_regions")

MOVES = {
    "let go, then taken": ["UPDATE t SET v = 30 WHERE id = 1", "UPDATE t SET v = 10 WHERE id = 2"],
    "taken by a row with a lower key": ["UPDATE t SET v = 30 WHERE id = 2", "UPDATE t SET v = 20 WHERE id = 1"],
    "handed on": ["UPDATE t SET v = v + 10 WHERE id = 2", "UPDATE t SET v = v + 10 WHERE id = 1"],
    "exchanged": [
        "UPDATE t SET v = 0 WHERE id = 1", "UPDATE t SET v = 10 WHERE id = 2", "UPDATE t SET v = 20 WHERE id = 1",
    ],
    "deleted, then taken": ["DELETE FROM t WHERE id = 1", "UPDATE t SET v = 10 WHERE id = 2"],
    "let go, then inserted": ["UPDATE t SET v = 5 WHERE id = 1", "INSERT INTO t VALUES (3, 10)"],
}  # fmt: skip
ROWS = "SELECT id, v FROM t ORDER BY id"


def moved(regions: Sites, column: str, moves: str, *, at_once: bool) -> list[tuple[int, int]]:
    """The rows at home after the value has moved and all was delivered. at_once: captured together."""
    regions.write(f"CREATE TABLE t (id int PRIMARY KEY, v int {column} UNIQUE)")
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1, 10), (2, 20)")
    regions.settle()
    for statement in MOVES[moves]:
        home.write(statement)
        if not at_once:
            home.capture()
    home.capture()
    peer.apply_backwards()
    regions.settle()
    return home.ask(ROWS)


@BOTH_WAYS
@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("column", ["NULL", "NOT NULL"])
def test_it_takes_no_row_with_it(regions: Sites, moves: str, column: str) -> None:
    # when
    wanted = moved(regions, column, moves, at_once=True)
    # then
    assert regions.same(ROWS) == wanted
    assert len(wanted) == 1 + (moves != "deleted, then taken") + (moves == "let go, then inserted")


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("column", ["NULL", "NOT NULL"])
def test_it_takes_no_row_with_it_where_what_was_written_last_comes_first(
    regions: Sites, moves: str, column: str
) -> None:
    wanted = moved(regions, column, moves, at_once=False)
    assert regions.same(ROWS) == wanted
    assert all(
        each.ask("SELECT count(*) FROM distributary.tombstones") == [(moves == "deleted, then taken",)]
        for each in regions
    )


@BOTH_WAYS
def test_rows_that_others_hang_on_are_not_taken_for_a_moment(regions: Sites) -> None:
    # given: rows that cannot do without a value, and others that would go with them
    regions.write(
        "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL UNIQUE)",
        "CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE)",
    )
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1, 10), (2, 20)", "INSERT INTO child VALUES (1, 1), (2, 2)")
    regions.settle()

    # when: two exchange their values
    for statement in MOVES["exchanged"]:
        home.write(statement)
    home.capture()
    report = peer.apply()

    # then: they wait, and nothing is lost
    assert [type(error).__name__ for error in report.failed.values()] == ["NotSettled"]
    assert peer.ask(ROWS) == [(1, 10), (2, 20)]
    assert peer.ask("SELECT count(*) FROM child") == [(2,)]


def test_values_that_other_rows_follow_are_not_emptied_for_a_moment(regions: Sites) -> None:
    # given: rows that name others by a code, and follow where it changes
    regions.write(
        "CREATE TABLE t (id int PRIMARY KEY, v int UNIQUE)",
        "CREATE TABLE child (id int PRIMARY KEY, v int REFERENCES t (v) ON UPDATE CASCADE)",
    )
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1, 10), (2, 20)", "INSERT INTO child VALUES (1, 10), (2, 20)")
    regions.settle()

    # when: two exchange their codes
    for statement in MOVES["exchanged"]:
        home.write(statement)
    home.capture()
    reports = []
    for _ in range(4):
        reports.append(peer.apply())
        peer.capture()
        home.apply()

    # then: the two changes wait, and what follows the rows is nowhere without one
    assert [type(error).__name__ for error in reports[-1].failed.values()] == ["NotSettled"]
    children = "SELECT id, v FROM child ORDER BY id"
    assert peer.ask(children) == home.ask(children) == [(1, 20), (2, 10)]


@pytest.mark.parametrize("column", ["int CHECK (v IS NOT NULL)", "mandatory"])
def test_values_are_exchanged_that_may_not_be_missing_though_no_column_says_so(regions: Sites, column: str) -> None:
    # given
    regions.write("CREATE DOMAIN mandatory AS int NOT NULL", f"CREATE TABLE t (id int PRIMARY KEY, v {column} UNIQUE)")
    regions.install()
    home = regions.all[0]
    home.write("INSERT INTO t VALUES (1, 10), (2, 20)")
    regions.settle()

    # when
    for statement in (
        "UPDATE t SET v = 0 WHERE id = 1",
        "UPDATE t SET v = 10 WHERE id = 2",
        "UPDATE t SET v = 20 WHERE id = 1",
    ):
        home.write(statement)
    regions.settle()

    # then
    assert regions.same(ROWS) == [(1, 20), (2, 10)]
    assert [each.parking.parcels for each in regions] == [[], [], []]


def test_a_row_in_the_way_of_which_only_some_must_differ_is_waited_for(regions: Sites) -> None:
    # given
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v int)", "CREATE UNIQUE INDEX ON t (v) WHERE v > 0")
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1, 10), (2, 20)")
    regions.settle()
    for each in regions:
        each.concurrent_after = 3600 * MICROSECONDS
    # when
    for statement in MOVES["let go, then taken"]:
        home.write(statement)
        home.capture()
    peer.apply_backwards()
    regions.settle()
    # then
    assert regions.same(ROWS) == home.ask(ROWS) == [(1, 30), (2, 10)]


@pytest.mark.parametrize("column", ["NULL", "NOT NULL"])
def test_rows_that_step_aside_where_they_were_written_are_not_told_as_written_again(
    regions: Sites, column: str
) -> None:
    # given: rows that a peer wrote last
    regions.write(f"CREATE TABLE t (id int PRIMARY KEY, v int {column} UNIQUE)")
    regions.install()
    home, peer, _ = regions.all
    peer.write("INSERT INTO t VALUES (1, 10), (2, 20)")
    regions.settle()

    # when: they exchange their values
    for statement in MOVES["exchanged"]:
        home.write(statement)
    home.capture()
    peer.apply()
    told = peer.capture()

    # then
    assert (peer.ask(ROWS), told.writes) == ([(1, 20), (2, 10)], 0)
    regions.settle()
    assert regions.same(ROWS) == [(1, 20), (2, 10)]
