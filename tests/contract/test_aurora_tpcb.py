"""TPC-B in three regions at once by plain clients: afterwards all tables are equal, and with counters all sums."""

from __future__ import annotations

import pytest

from tests.contract.aurora_sites import Sites
from tests.contract.tpcb import BALANCES, COUNTERS, TABLES, drain, prepare, writing

SECONDS = 8
ROWS = "sum(hashtextextended((to_jsonb(t) - 'replication_state' - 'replication_stamp')::text, 0)::numeric)"
SAME = """SELECT count(*), sum(hashtextextended((to_jsonb(t) - 'replication_stamp')::text, 0)::numeric),
    sum(hashtextextended(coalesce(split_part(replication_stamp, ' ', 1), ''), 0)::numeric) FROM {} t"""
pytestmark = pytest.mark.xdist_group("postgresql_regions")


def test_all_tables_are_equal_after_tpcb_in_three_regions(regions: Sites) -> None:
    # given
    prepare(regions)
    # when
    rates = writing(regions, SECONDS)
    drain(regions)
    # then
    assert all(rates)
    for table in TABLES:
        regions.same(SAME.format(table))
    ((history,),) = regions.same("SELECT count(*) FROM pgbench_history")
    assert history > 3 * SECONDS


def test_with_counters_the_sums_of_all_balances_are_that_of_the_history(regions: Sites) -> None:
    # given: every region updates one branch and ten tellers, without sight of the others
    prepare(regions, COUNTERS)
    # when
    rates = writing(regions, SECONDS)
    drain(regions)
    # then
    assert all(rates)
    for table in TABLES:
        regions.same(f"SELECT count(*), {ROWS} FROM {table} t")
    ((history, delta),) = regions.same("SELECT count(*), sum(delta) FROM pgbench_history")
    sums = [regions.same(f"SELECT sum({column}) FROM pgbench_{table}") for table, column in BALANCES.items()]
    assert sums == [[(delta,)]] * 3
    assert history > 3 * SECONDS
