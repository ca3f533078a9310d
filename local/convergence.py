"""Compares the tables of all regions row by row, and waits until nothing is under way."""

import time
from dataclasses import dataclass
from typing import Any

import psycopg

from distributary.adapters.dynamodb.values import image_from_sdk
from distributary.domain.image import Image, key_text
from distributary.domain.row import Row
from local.clients import client
from local.cutoff import queue_url
from local.world import World

WORKING = ("inbox", "outbox")
LOST = ("inbox-dead", "outbox-dead", "capture-dead", "parked")
ITEMS_ONLY = ("capture-dead",)
"""Queues that a stack of DynamoDB has."""

KEY = """SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY 1"""


@dataclass(frozen=True)
class Comparison:
    """How many rows there are in all, and the keys of those that differ, each with what each region has."""

    regions: int
    items: int
    differences: dict[str, dict[str, str]]

    def __add__(self, other: "Comparison") -> "Comparison":
        """Both datasets of the same regions."""
        return Comparison(self.regions, self.items + other.items, self.differences | other.differences)

    def sentence(self) -> str:
        """One line that says it all."""
        verdict = "diverged" if self.differences else "converged"
        return f"{verdict}: {self.regions} regions, {self.items} items, {len(self.differences)} differences"


def compare(world: World, dataset: str) -> Comparison:
    """Read every table of a dataset whole, and compare contents and versions."""
    rows_of = _rows if _has_items(world, dataset) else _sql_rows
    seen = {region: rows_of(world, dataset, region) for region in _regions(world, dataset)}
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
    return [
        region
        for region in world.regions
        if dataset in {**world.tables.get(region, {}), **world.aurora.get(region, {})}
    ]


def _has_items(world: World, dataset: str) -> bool:
    return any(dataset in tables for tables in world.tables.values())


def messages(world: World, dataset: str, queues: tuple[str, ...]) -> int:
    """How many messages wait, or are being worked on, in some queues of all regions."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    total = 0
    for region in _regions(world, dataset):
        for queue in (each for each in queues if _has_items(world, dataset) or each not in ITEMS_ONLY):
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


def _sql_rows(world: World, dataset: str, region: str) -> dict[str, str]:
    """Each row's table and key, and its content and version as one text, of all tables that are replicated."""
    rows: dict[str, str] = {}
    with psycopg.connect(world.aurora[region][dataset], autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for (table,) in connection.execute("SELECT relation FROM distributary.relations").fetchall():
            content = "to_jsonb(t) - 'replication_stamp' - 'replication_state'"
            version = "split_part(replication_stamp, ' ', 1)"
            names = connection.execute(KEY, (table,))
            keys = [name for (name,) in names.fetchall()]
            found = connection.execute(f"SELECT {content}, {version} FROM {table} t".encode())  # noqa: S608
            for row, at in found:
                rows[f"{table} {[row[name] for name in keys]}"] = f"{sorted(row.items())} at {at}"
    return rows
