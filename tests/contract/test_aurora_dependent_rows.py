"""Rows that hang on one that a region deletes: what it had moved or kept out of that is not deleted elsewhere."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from distributary.adapters.aurora.dependents import PostgresDependents
from distributary.adapters.aurora.known_tables import KnownTables
from distributary.domain.hanging import Hanging
from distributary.domain.policies import AttributePolicy, AttributeRule
from distributary.domain.version import MICROSECONDS, Version
from tests.contract.aurora_sites import BOTH_WAYS, Sites
from tests.unit.stamped_sites import deletion_of

pytestmark = pytest.mark.xdist_group("postgresql_regions")

ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT")
WRITES = {
    "moved, then deleted": ["UPDATE c SET p = 2 WHERE p = 1", "DELETE FROM p WHERE id = 1"],
    "given another key": ["UPDATE p SET id = 5 WHERE id = 1"],
    "deleted": ["DELETE FROM p WHERE id = 1"],
}
PLENTY = 3600 * MICROSECONDS
ROWS = "SELECT id, p FROM c ORDER BY id"


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
    peer.apply_backwards()
    regions.settle()
    # then
    assert regions.same(ROWS) == wanted


@pytest.mark.parametrize(
    "writes",
    [
        ["UPDATE c SET note = 'new'", "UPDATE p SET code = 'b'"],
        ["UPDATE p SET code = 'b'", "UPDATE c SET note = 'new'"],
    ],
)
@pytest.mark.parametrize(
    "policies", [{}, {"public.c.seen": AttributeRule(AttributePolicy.COUNTER)}], ids=["plain", "merging"]
)
def test_what_was_written_beside_an_update_that_cascades_is_not_lost(
    regions: Sites, writes: list[str], policies: dict[str, AttributeRule]
) -> None:
    # given: a row that names another by a code
    for each in regions:
        each.dataset = replace(each.dataset, attributes=policies)
    regions.write(
        "CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE)",
        "CREATE TABLE c (id int PRIMARY KEY, code text REFERENCES p (code) ON UPDATE CASCADE, note text,"
        " seen int NOT NULL DEFAULT 0)",
    )
    regions.install()
    home = regions.all[0]
    home.write("INSERT INTO p VALUES (1, 'a')", "INSERT INTO c VALUES (1, 'a', 'old')")
    regions.settle()

    # when: one region writes both, and nobody anything else
    home.write(*writes)
    regions.settle()

    # then
    assert regions.same("SELECT id, code, note FROM c") == [(1, "b", "new")]


def test_an_update_that_a_peers_trigger_repeats_does_not_win_over_what_was_done_at_home(regions: Sites) -> None:
    # given: a number of rows that a trigger of the application keeps, which fires in every region
    regions.write(
        "CREATE TABLE p (id int PRIMARY KEY, rows int NOT NULL DEFAULT 0, note text)",
        "CREATE TABLE c (id int PRIMARY KEY, p int)",
        "CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE public.p SET rows = rows + 1 WHERE id = NEW.p; RETURN NULL; END'",
        "CREATE TRIGGER counted AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION counted()",
        "ALTER TABLE c ENABLE ALWAYS TRIGGER counted",
    )
    regions.install()
    home = regions.all[0]
    home.write("INSERT INTO p VALUES (1)")
    regions.settle()

    # when
    home.write("INSERT INTO c VALUES (1, 1)", "UPDATE p SET note = 'new'")
    regions.settle()

    # then
    assert regions.same("SELECT rows, note FROM p") == [(1, "new")]


@BOTH_WAYS
def test_a_deletion_whose_key_fits_no_row_here_keeps_no_other_from_being_told_of(regions: Sites) -> None:
    # given: a row on which another hangs
    home = regions.all[0]
    home.write(
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)",
    )
    home.install()
    home.write("INSERT INTO p VALUES (1), (2)", "INSERT INTO c VALUES (1, 1)")
    session = home.session()
    dependents = PostgresDependents(session, KnownTables(session, home.dataset, home.region))
    keys = [{"id": {"S": "one"}}, {"id": {"S": "1"}}, {"other": {"S": "1"}}, {"id": {"S": "2"}}]

    # when
    version = Version((int(time.time()) + 30) * MICROSECONDS, 0, home.region)
    deletions = [replace(deletion_of(), key=key, version=version) for key in keys]
    told = dependents.hanging('"public"."p"', deletions)

    # then
    assert told == [Hanging.NONE, Hanging.OF_ITS_REGION, Hanging.NONE, Hanging.NONE]
