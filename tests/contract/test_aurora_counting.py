"""The counting run on SQL databases, short: what it counts is exact, and it notices what is not."""

from __future__ import annotations

import pytest

from chaos.counting_sql import count
from tests.contract.aurora_sites import Sites

pytestmark = pytest.mark.xdist_group("postgresql_regions")


def test_nothing_that_three_regions_add_is_lost_while_one_of_them_is_cut_off(regions: Sites) -> None:
    found = count(regions, updates=60, rows=5)
    assert (found.updates, found.wrong, found.parked, found.sound) == (180, dict.fromkeys(found.wrong, 0), 0, True)


def test_a_number_that_is_not_exact_is_noticed(regions: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a ledger that knows of one addition that no row has
    count(regions, updates=3, rows=1)
    first, *_ = regions
    first.write("UPDATE ledger.added SET amount = amount + 1")
    # when: the same databases are written and judged again
    monkeypatch.setattr("chaos.counting_sql._prepare", lambda *_: None)
    found = count(regions, updates=3, rows=1)
    # then
    assert (found.wrong, found.sound) == (dict.fromkeys(found.wrong, 1), False)
