"""TPC-B in three regions at once by plain clients: afterwards all tables are equal."""

from __future__ import annotations

import pytest

from tests.contract.aurora_sites import Sites
from tests.contract.tpcb import TABLES, drain, prepare, writing

SECONDS = 8
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
