"""Large rows do not fill the memory of the function that reads them, however many follow one another."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.contract.aurora_sites import Site

ROWS, SIZE = 100, 1_000_000


@pytest.fixture
def prepared(aurora: Site) -> Site:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)")
    aurora.write("ALTER TABLE t ALTER big SET STORAGE EXTERNAL")
    aurora.install()
    aurora.write(f"INSERT INTO t SELECT n, 1, repeat('distributary', {SIZE} / 12) FROM generate_series(1, {ROWS}) n")
    return aurora


def peak_of_capture(site: Site) -> int:
    """MB. What was sent is in memory here, too, but deflated."""
    tracemalloc.start()
    try:
        report = site.capture()
        assert report.parked == []
        assert report.writes == ROWS
        return tracemalloc.get_traced_memory()[1] // 1_000_000
    finally:
        tracemalloc.stop()


def test_of_large_rows_few_are_in_memory_at_once(prepared: Site) -> None:
    assert peak_of_capture(prepared) < 100


def test_of_large_values_that_are_read_from_the_row_few_are_in_memory_at_once(prepared: Site) -> None:
    prepared.capture()
    prepared.write("UPDATE t SET v = 2")
    assert peak_of_capture(prepared) < 100
