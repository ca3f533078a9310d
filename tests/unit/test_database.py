"""Which way leads to a database."""

from __future__ import annotations

import pytest

from distributary.domain.dataset import Database


@pytest.mark.parametrize(
    ("database", "over_http"),
    [
        (Database(), False),
        (Database(host="h"), False),
        (Database(dsn="d"), False),
        (Database(cluster_arn="c"), True),
        (Database(cluster_arn="c", host="h"), False),
        (Database(cluster_arn="c", dsn="d"), False),
        (Database(cluster_arn="c", host="h", dsn="d"), False),
    ],
)
def test_a_cluster_is_reached_over_http_where_nothing_more_direct_is_told(database: Database, over_http: bool) -> None:
    assert database.over_http is over_http
