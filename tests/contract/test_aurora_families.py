"""Rows that hang on others and may not share a value, written in all regions at once: all end alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest

from distributary.domain.policies import Policy
from tests.contract.aurora_sites import Sites

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

CONTENT = "SELECT to_jsonb(t) - 'replication_stamp' - 'replication_state' FROM {} t ORDER BY id"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
@pytest.mark.parametrize("policy", [Policy.LAST_WRITER_WINS, Policy.ATTRIBUTE_MERGE])
def test_random_writes_end_alike(regions: Sites, seed: int, action: str, policy: Policy) -> None:
    # given
    dice = random.Random(seed)
    follow = f"ON DELETE {action} ON UPDATE CASCADE"
    regions.write(
        "CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE)",
        f"CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p {follow}, n int UNIQUE)",
    )
    for each in regions:
        each.dataset = replace(each.dataset, conflict=policy)
    regions.install()

    # when
    for _ in range(120):
        statement = dice.choice(WRITES)(dice.randrange(5), dice.randrange(5))
        with suppress(psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation):
            dice.choice(regions.all).write(statement)
        if dice.random() < 0.25:
            dice.choice(regions.all).capture()
        if dice.random() < 0.25:
            dice.choice(regions.all).apply(lambda visible: dice.sample(visible, dice.randrange(len(visible) + 1)))
    regions.settle()

    # then
    for table in ("p", "c"):
        regions.same(CONTENT.format(table))
    assert [each.parking.parcels for each in regions] == [[], [], []]
