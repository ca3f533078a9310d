"""Unmodified applications, one of DynamoDB and one of SQL, that write the same rows in every region at once."""

import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from local.clients import client
from local.world import World

Operation = Callable[[str], object]
TAGS = ("new", "gift", "urgent", "bulk")


@dataclass
class Workload(ABC):
    """Inserts, updates, deletions and re-insertions of a few rows, by one thread a region.

    key: the table's key. rate: writes a second in each region. rows: how few rows they share.
    """

    world: World
    dataset: str
    key: str = "id"
    rows: int = 60
    rate: float = 10.0
    written: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Begin to write in all regions."""
        for number, region in enumerate(self.world.regions):
            thread = threading.Thread(target=self._write, args=(region, random.Random(number)), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the writing; raises what a writer met, if one did."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    @abstractmethod
    def operations(self, region: str, rng: random.Random) -> tuple[Operation, ...]:
        """A write of a whole row, one of a part, and a deletion, each of the row that it is given."""

    def _write(self, region: str, rng: random.Random) -> None:
        try:
            operations = self.operations(region, rng)
            while not self._stop.wait(rng.expovariate(self.rate)):
                (operation,) = rng.choices(operations, weights=(4, 4, 2))
                operation(f"order-{rng.randrange(self.rows):03d}")
                self.written[region] += 1
        except BaseException as error:  # noqa: BLE001 - handed to whoever stops the workload
            self._errors.append(error)


class ItemWorkload(Workload):
    """Of a DynamoDB table whose key is one string."""

    def operations(self, region: str, rng: random.Random) -> tuple[Operation, ...]:
        """See `Workload`."""
        table = client(self.world, "dynamodb", region)
        name = self.world.tables[region][self.dataset]
        return (
            lambda row: table.put_item(TableName=name, Item=self._item(row, region, rng)),
            lambda row: table.update_item(
                TableName=name,
                Key={self.key: {"S": row}},
                UpdateExpression="SET #s = :s, seen_in = :r",
                ExpressionAttributeNames={"#s": "status"},
                ExpressionAttributeValues={
                    ":s": {"S": rng.choice(("paid", "packed", "sent"))},
                    ":r": {"S": region},
                },
            ),
            lambda row: table.delete_item(TableName=name, Key={self.key: {"S": row}}),
        )

    def _item(self, row: str, region: str, rng: random.Random) -> dict[str, dict[str, object]]:
        return {
            self.key: {"S": row},
            "region": {"S": region},
            "amount": {"N": f"{rng.randrange(100_000) / 100}"},
            "tags": {"SS": rng.sample(TAGS, 2)},
            "placed_at": {"N": str(time.time_ns() // 1_000_000)},
        }


TABLE = "demo_orders"
DDL = f"""CREATE TABLE IF NOT EXISTS {TABLE} (id text PRIMARY KEY, region text NOT NULL, amount numeric(12, 2),
    status text, tags text[], placed_at timestamptz NOT NULL DEFAULT now())"""


class RowWorkload(Workload):
    """Of a table of an Aurora database, which has to be there."""

    def operations(self, region: str, rng: random.Random) -> tuple[Operation, ...]:
        """See `Workload`."""
        connection = psycopg.connect(self.world.aurora[region][self.dataset], autocommit=True)
        put = f"""INSERT INTO {TABLE} (id, region, amount, tags) VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO UPDATE
            SET region = excluded.region, amount = excluded.amount, tags = excluded.tags"""  # noqa: S608
        update = f"UPDATE {TABLE} SET status = %s, region = %s WHERE id = %s"  # noqa: S608
        remove = f"DELETE FROM {TABLE} WHERE id = %s"  # noqa: S608
        return (
            lambda row: connection.execute(put, (row, region, rng.randrange(100_000) / 100, rng.sample(TAGS, 2))),
            lambda row: connection.execute(update, (rng.choice(("paid", "packed", "sent")), region, row)),
            lambda row: connection.execute(remove, (row,)),
        )
