"""Three deployed regions under an unmodified application, one of them cut off and let back, end equal."""

from __future__ import annotations

import time
from typing import Any

from local.clients import client
from local.convergence import LOST, WORKING, messages, wait_for_convergence
from local.cutoff import cut_off
from local.workload import Workload
from local.world import World

HOME, PEER, LONELY = "us-east-1", "eu-west-1", "ap-southeast-2"
PATIENCE = 90.0


def orders(world: World, region: str) -> Any:
    return client(world, "dynamodb", region)


def read(world: World, region: str, row: str) -> dict[str, Any] | None:
    answer = orders(world, region).get_item(TableName="orders", Key={"pk": {"S": row}}, ConsistentRead=True)
    item: dict[str, Any] | None = answer.get("Item")
    return item


def wait_until(world: World, region: str, row: str, note: str | None) -> None:
    """Poll until a region shows the note, or no row."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        item = read(world, region, row)
        if (item["note"]["S"] if item else None) == note:
            return
        time.sleep(0.05)
    raise AssertionError(f"{row} in {region} is {read(world, region, row)}, not {note!r}")


def put(world: World, region: str, row: str, note: str) -> None:
    orders(world, region).put_item(TableName="orders", Item={"pk": {"S": row}, "note": {"S": note}})


def test_regions_under_load_end_equal_although_one_was_cut_off(world: World) -> None:
    # given: writes to the same rows in all regions
    workload = Workload(world, "orders", "pk", rows=30, rate=6)
    workload.start()
    try:
        time.sleep(3)
        # when: one region is cut off for a while
        with cut_off(world, "orders", LONELY):
            put(world, HOME, "healthy", "during the cut")
            wait_until(world, PEER, "healthy", "during the cut")
            deadline = time.monotonic() + PATIENCE
            while messages(world, "orders", ("outbox",)) == 0 and time.monotonic() < deadline:
                time.sleep(0.1)
            held = messages(world, "orders", ("outbox",))
        time.sleep(2)
    finally:
        workload.stop()

    # then: its peers had kept its changes, the healthy link had gone on, and all end equal with nothing lost
    comparison = wait_for_convergence(world, "orders", seconds=PATIENCE)
    assert held > 0
    assert comparison.differences == {}
    assert messages(world, "orders", (*WORKING, *LOST)) == 0


def test_a_write_on_top_of_another_wins_in_every_region(world: World) -> None:
    put(world, HOME, "chain", "first")
    wait_until(world, PEER, "chain", "first")
    put(world, PEER, "chain", "second")
    wait_until(world, LONELY, "chain", "second")
    put(world, LONELY, "chain", "third")
    for region in world.tables:
        wait_until(world, region, "chain", "third")


def test_a_deleted_row_stays_deleted_and_can_be_written_again(world: World) -> None:
    put(world, HOME, "deleted", "there")
    wait_until(world, PEER, "deleted", "there")
    orders(world, PEER).delete_item(TableName="orders", Key={"pk": {"S": "deleted"}})
    for region in world.tables:
        wait_until(world, region, "deleted", None)
    put(world, LONELY, "deleted", "again")
    for region in world.tables:
        wait_until(world, region, "deleted", "again")


def test_composite_keys_are_replicated(world: World) -> None:
    key = {"customer": {"S": "c-1"}, "placed": {"N": "20"}}
    table = client(world, "dynamodb", PEER)
    table.put_item(TableName="carts", Item={**key, "items": {"L": [{"M": {"name": {"S": "tea"}}}]}})
    table.put_item(TableName="carts", Item={**key, "placed": {"N": "21.5"}, "items": {"L": []}})
    comparison = wait_for_convergence(world, "carts", seconds=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while comparison.items < 2 and time.monotonic() < deadline:
        comparison = wait_for_convergence(world, "carts", seconds=PATIENCE)
    assert (comparison.items, comparison.differences) == (2, {})
