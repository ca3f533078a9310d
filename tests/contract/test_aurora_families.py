"""Rows that hang on others and may not share a value, written in all regions at once: all end alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest

from distributary.domain.policies import Policy
from distributary.domain.version import MICROSECONDS
from tests.contract.aurora_sites import Site, Sites

pytestmark = pytest.mark.xdist_group("postgresql_regions")

WRITES: tuple[Callable[[int, int], str], ...] = (
    lambda one, other: f"INSERT INTO p VALUES ({one}, '{other}')",
    lambda one, other: f"UPDATE p SET name = '{other}' WHERE id = {one}",
    lambda one, other: f"UPDATE p SET id = {other} WHERE id = {one}",
    lambda one, other: f"DELETE FROM p WHERE id = {one} OR name = '{other}'",
    lambda one, other: f"INSERT INTO c VALUES ({one}, {other}, {one + other})",
    lambda one, other: f"UPDATE c SET p = {other} WHERE id = {one}",
    lambda one, other: f"UPDATE c SET n = {other} WHERE id = {one}",
    lambda one, other: f"UPDATE c SET n = NULL WHERE id = {one} OR n = {other}",
    lambda one, _: f"DELETE FROM c WHERE id = {one}",
)
"""What an application does, with two small numbers."""

ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT")
CONTENT = "SELECT to_jsonb(t) - 'replication_stamp' - 'replication_state' FROM {} t ORDER BY id"


def prepare(regions: Sites, action: str, policy: Policy, concurrent_after: int) -> None:
    """Two tables, of which one hangs on the other, in all regions."""
    regions.write(
        "CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE)",
        f"CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE {action} ON UPDATE CASCADE, n int UNIQUE)",
    )
    for each in regions:
        each.dataset, each.concurrent_after = replace(each.dataset, conflict=policy), concurrent_after
    regions.install()


def write(regions: Sites, writers: Sequence[Site], dice: random.Random) -> None:
    """Random writes, some of which travel meanwhile, in any order."""
    for _ in range(120):
        statement = dice.choice(WRITES)(dice.randrange(5), dice.randrange(5))
        with suppress(psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation):
            dice.choice(writers).write(statement)
        if dice.random() < 0.25:
            dice.choice(regions.all).capture()
        if dice.random() < 0.25:
            dice.choice(regions.all).apply(lambda visible: dice.sample(visible, dice.randrange(len(visible) + 1)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("action", ACTIONS)
def test_what_one_region_writes_all_have_as_it_left_it(regions: Sites, seed: int, action: str) -> None:
    # given
    prepare(regions, action, Policy.LAST_WRITER_WINS, 3600 * MICROSECONDS)
    # when
    write(regions, regions.all[:1], random.Random(seed))
    left = [regions.all[0].ask(CONTENT.format(table)) for table in ("p", "c")]
    regions.settle()
    # then: and none of it was changed by what came back
    assert [regions.same(CONTENT.format(table)) for table in ("p", "c")] == left
    assert [each.parking.parcels for each in regions] == [[], [], []]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("policy", [Policy.LAST_WRITER_WINS, Policy.ATTRIBUTE_MERGE])
def test_random_writes_of_all_regions_end_alike(regions: Sites, seed: int, action: str, policy: Policy) -> None:
    # given
    prepare(regions, action, policy, 0)
    # when
    write(regions, regions.all, random.Random(seed))
    regions.settle()

    # then
    for table in ("p", "c"):
        regions.same(CONTENT.format(table))
    assert [each.parking.parcels for each in regions] == [[], [], []]
