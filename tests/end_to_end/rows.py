"""Reads and writes rows of the deployed tables as an application would, and waits for what must become true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from local.clients import client
from local.world import World

HOME, PEER, LONELY = "us-east-1", "eu-west-1", "ap-southeast-2"
PATIENCE = 150.0

T = TypeVar("T")


def until(what: str, found: Callable[[], T | None], *, pause: float = 0.05) -> T:
    """Poll until `found` returns something that is true, and return it; fails with `what` when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(pause)
    raise AssertionError(f"in vain, for {PATIENCE:.0f} s: {what}")


def read(world: World, region: str, row: str) -> dict[str, Any] | None:
    """The row in a region, or None."""
    answer = client(world, "dynamodb", region).get_item(TableName="orders", Key={"pk": {"S": row}}, ConsistentRead=True)
    item: dict[str, Any] | None = answer.get("Item")
    return item


def note(world: World, region: str, row: str) -> str | None:
    """What `put` wrote into the row, or None where the row is absent."""
    item = read(world, region, row)
    return str(item["note"]["S"]) if item else None


def put(world: World, region: str, row: str, text: str) -> None:
    """Write a row whole, without any stamp."""
    client(world, "dynamodb", region).put_item(TableName="orders", Item={"pk": {"S": row}, "note": {"S": text}})


def delete(world: World, region: str, row: str) -> None:
    """Delete a row."""
    client(world, "dynamodb", region).delete_item(TableName="orders", Key={"pk": {"S": row}})


def wait_until(world: World, region: str, row: str, text: str | None) -> None:
    """Poll until a region shows the text, or no row."""
    until(f"{row} in {region} is {text!r}", lambda: note(world, region, row) == text)
