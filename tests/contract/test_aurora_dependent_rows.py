"""Rows that hang on one that a region deletes: what it had moved or kept out of that is not deleted elsewhere."""

from __future__ import annotations

import pytest

from distributary.domain.version import MICROSECONDS
from tests.contract.aurora_sites import BOTH_WAYS, Site, Sites

pytestmark = pytest.mark.xdist_group("postgresql_regions")

ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT")
WRITES = {
    "moved, then deleted": ["UPDATE c SET p = 2 WHERE p = 1", "DELETE FROM p WHERE id = 1"],
    "given another key": ["UPDATE p SET id = 5 WHERE id = 1"],
    "deleted": ["DELETE FROM p WHERE id = 1"],
}
PLENTY = 3600 * MICROSECONDS
ROWS = "SELECT id, p FROM c ORDER BY id"


def deliver_backwards(site: Site) -> None:
    """Each message in a call of its own, the newest first."""
    for at in range(len(site.queues[site.region].messages)):
        site.apply(lambda visible, at=at: visible[len(visible) - 1 - at :][:1])  # type: ignore[misc]


@BOTH_WAYS
@pytest.mark.parametrize("writes", WRITES)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("at_once", [True, False])
def test_they_end_as_at_home(regions: Sites, writes: str, action: str, *, at_once: bool) -> None:
    # given
    regions.write(
        "CREATE TABLE p (id int PRIMARY KEY)",
        f"CREATE TABLE c (id int PRIMARY KEY, p int DEFAULT 2 REFERENCES p ON DELETE {action} ON UPDATE CASCADE)",
    )
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO p VALUES (1), (2)", "INSERT INTO c VALUES (1, 1), (2, 2)")
    regions.settle()
    # when
    for statement in WRITES[writes]:
        home.write(statement)
        if not at_once:
            home.capture()
    wanted = home.ask(ROWS)
    home.capture()
    for each in regions:
        each.concurrent_after = PLENTY
    deliver_backwards(peer)
    regions.settle()
    # then
    assert regions.same(ROWS) == wanted
