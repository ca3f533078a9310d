"""Compares the tables of all regions row by row, and waits until nothing is under way."""

import time
from dataclasses import dataclass
from typing import Any

from distributary.adapters.dynamodb.values import image_from_sdk
from distributary.domain.image import Image, key_text
from distributary.domain.row import Row
from local.clients import client
from local.cutoff import queue_url
from local.world import World

WORKING = ("inbox", "outbox")
LOST = ("inbox-dead", "outbox-dead", "capture-dead", "parked")


@dataclass(frozen=True)
class Comparison:
    """How many rows there are in all, and the keys of those that differ, each with what each region has."""

    regions: int
    items: int
    differences: dict[str, dict[str, str]]

    def sentence(self) -> str:
        """One line that says it all."""
        verdict = "diverged" if self.differences else "converged"
        return f"{verdict}: {self.regions} regions, {self.items} items, {len(self.differences)} differences"


def compare(world: World, dataset: str) -> Comparison:
    """Read every table of a dataset whole, and compare contents and versions."""
    seen = {region: _rows(world, dataset, region) for region in _regions(world, dataset)}
    keys = sorted(set().union(*seen.values()))
    differences: dict[str, dict[str, str]] = {}
    for key in keys:
        views = {region: rows.get(key, "absent") for region, rows in seen.items()}
        if len(set(views.values())) > 1:
            differences[key] = views
    return Comparison(len(seen), len(keys), differences)


def wait_for_convergence(world: World, dataset: str, *, seconds: float) -> Comparison:
    """Compare until two comparisons in a row found no difference and no message waiting, or the time is up."""
    deadline = time.monotonic() + seconds
    calm = 0
    while True:
        waiting = messages(world, dataset, WORKING)
        comparison = compare(world, dataset)
        calm = 0 if waiting or comparison.differences else calm + 1
        if calm == 2 or time.monotonic() > deadline:
            return comparison
        time.sleep(0.5)


def _regions(world: World, dataset: str) -> list[str]:
    return [region for region, tables in world.tables.items() if dataset in tables]


def messages(world: World, dataset: str, queues: tuple[str, ...]) -> int:
    """How many messages wait, or are being worked on, in some queues of all regions."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    total = 0
    for region in _regions(world, dataset):
        for queue in queues:
            url = queue_url(world, f"distributary-{dataset}-{queue}", region)
            answer = client(world, "sqs", region).get_queue_attributes(QueueUrl=url, AttributeNames=names)
            total += sum(int(answer["Attributes"][name]) for name in names)
    return total


def _rows(world: World, dataset: str, region: str) -> dict[str, str]:
    """Each row's key, and its content and version as one text."""
    database = client(world, "dynamodb", region)
    table = world.tables[region][dataset]
    names = [key["AttributeName"] for key in database.describe_table(TableName=table)["Table"]["KeySchema"]]
    rows: dict[str, str] = {}
    pages: Any = database.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            image: Image = image_from_sdk(item)
            row = Row(image)
            rows[key_text({name: image[name] for name in names})] = f"{row.digest} at {row.version}"
    return rows
