"""What the replica suite runs over: one place for each engine, with the application's own way to its rows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from distributary.adapters.dynamodb.replica import DynamoReplica
from distributary.adapters.dynamodb.values import image_from_sdk, item_for_sdk
from distributary.adapters.memory.replica import MemoryReplica, MemoryTable
from distributary.domain.image import Image
from distributary.ports import Replica

KEY = ("pk", "sk")


def now() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


def new_key() -> Image:
    """A key that no other test uses."""
    return {"pk": {"S": uuid4().hex}, "sk": {"N": "1"}}


class Place(Protocol):
    """A replica, and the same table as an application sees it."""

    engine: str

    @property
    def replica(self) -> Replica:
        """The replica under test."""
        ...

    def put(self, image: Image) -> None:
        """Write a whole row, as an unmodified application."""
        ...

    def get(self, key: Image) -> Image | None:
        """Read a row."""
        ...


@dataclass
class MemoryPlace:
    """The in-memory twin."""

    table: MemoryTable = field(default_factory=lambda: MemoryTable(now))
    engine: str = "memory"

    def __post_init__(self) -> None:
        self.replica: Replica = MemoryReplica(self.table)

    def put(self, image: Image) -> None:
        """See `Place`."""
        self.table.write({name: image[name] for name in KEY}, image)

    def get(self, key: Image) -> Image | None:
        """See `Place`."""
        return self.table.get(key)


@dataclass
class DynamoPlace:
    """Two tables of an engine."""

    client: DynamoDBClient
    table: str
    tombstones: str
    engine: str

    def __post_init__(self) -> None:
        self.replica: Replica = DynamoReplica(self.client, table=self.table, tombstones=self.tombstones, now=now)

    def put(self, image: Image) -> None:
        """See `Place`."""
        self.client.put_item(TableName=self.table, Item=item_for_sdk(image))

    def get(self, key: Image) -> Image | None:
        """See `Place`."""
        answer = self.client.get_item(TableName=self.table, Key=item_for_sdk(key), ConsistentRead=True)
        return image_from_sdk(answer["Item"]) if "Item" in answer else None

    def tombstone_items(self) -> list[dict[str, Any]]:
        """All items of the tombstones table."""
        return list(self.client.scan(TableName=self.tombstones)["Items"])


def deviates(place: Place, engine: str, how: str) -> None:
    """End the test as an expected failure on an engine that is known not to do as DynamoDB does."""
    if place.engine == engine:
        pytest.xfail(f"{engine} {how}")


def new_place(client: DynamoDBClient, engine: str) -> DynamoPlace:
    """Two new tables, whose names DynamoDB allows and PartiQL has to quote."""
    name = f"1-Orders.{uuid4().hex}"
    _create(client, name, {"pk": "S", "sk": "N"})
    _create(client, f"{name}-tombstones", {"row": "S"})
    return DynamoPlace(client, name, f"{name}-tombstones", engine)


def _create(client: DynamoDBClient, name: str, keys: dict[str, Any]) -> None:
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": key, "KeyType": "RANGE" if position else "HASH"} for position, key in enumerate(keys)
        ],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
