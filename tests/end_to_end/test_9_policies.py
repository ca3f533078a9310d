"""Three deployed regions whose policies merge, under applications that know nothing of it; conflicts are on record."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from chaos.counting import Adders
from local.clients import client
from local.convergence import LOST, messages, wait_for_convergence
from local.cutoff import cut_off
from local.world import PROJECT, World
from tests.end_to_end.conftest import REPLICATION
from tests.end_to_end.rows import HOME, LONELY, PATIENCE, PEER

STOCK = "stock"


def update(world: World, region: str, row: str, expression: str, values: dict[str, Any]) -> None:
    """UpdateItem, as any application would."""
    client(world, "dynamodb", region).update_item(
        TableName=world.tables[region][STOCK],
        Key={"pk": {"S": row}},
        UpdateExpression=expression,
        ExpressionAttributeValues=values,
    )


def rows(world: World, region: str) -> dict[str, dict[str, Any]]:
    """All rows of a region, without what replication keeps in them."""
    items = client(world, "dynamodb", region).scan(TableName=world.tables[region][STOCK], ConsistentRead=True)["Items"]
    return {
        item["pk"]["S"]: {name: value for name, value in item.items() if not name.startswith("replication_")}
        for item in items
    }


def equal(world: World) -> None:
    """Nothing is under way any more, and the regions are equal."""
    comparison = wait_for_convergence(world, STOCK, seconds=PATIENCE)
    assert comparison.differences == {}
    assert messages(world, STOCK, LOST) == 0


def conflicts(world: World, region: str, *arguments: str) -> list[dict[str, Any]]:
    """What the operator's command tells of the journal, as JSON."""
    environment = {
        "AWS_ENDPOINT_URL": world.endpoint,
        "AWS_ACCESS_KEY_ID": world.access_key_id,
        "AWS_SECRET_ACCESS_KEY": world.secret_access_key,
        "PATH": "/usr/bin:/bin",
    }
    command = [sys.executable, "-m", "cli", "conflicts", "list", "--dataset", STOCK, "--region", region, "--json"]
    command += ["--replication", str(REPLICATION)]
    done = subprocess.run(
        [*command, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_all_regions_add_at_once_adds_up_although_one_is_cut_off(world: World) -> None:
    # given: an application a region, which adds to the same numbers
    adders = Adders(world, rows=5, adds=40, dataset=STOCK, number="amount")
    with cut_off(world, STOCK, LONELY):
        # when: all of them do, with one region cut off
        for thread in adders.run():
            thread.join()
    assert adders.errors == []

    # then: the numbers are exact everywhere, to the last unit
    equal(world)
    for region in world.tables:
        items = rows(world, region).items()
        assert Counter({row: int(item["amount"]["N"]) for row, item in items if row in adders.added}) == adders.added


@pytest.fixture
def met(world: World) -> World:
    """Two regions have written one row without sight of each other: other attributes, one set, and one alike."""
    with cut_off(world, STOCK, PEER):
        update(world, HOME, "met", "SET title = :t, highest = :n ADD tags :s", _values("home", 3, "a"))
        update(world, PEER, "met", "SET price = :t, highest = :n ADD tags :s", _values("peer", 7, "b"))
    equal(world)
    return world


def _values(text: str, number: int, tag: str) -> dict[str, Any]:
    return {":t": {"S": text}, ":n": {"N": str(number)}, ":s": {"SS": [tag]}}


def test_attributes_are_merged_each_by_its_policy_and_the_conflict_is_on_record(met: World) -> None:
    # then: every region has both writes
    for region in met.tables:
        row = rows(met, region)["met"]
        assert (row["title"], row["price"], row["highest"]) == ({"S": "home"}, {"S": "peer"}, {"N": "7"})
        assert set(row["tags"]["SS"]) == {"a", "b"}

    # then: the replica that had one when the other came has the conflict on record
    assert any(conflicts(met, region) for region in met.tables)
