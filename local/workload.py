"""An unmodified application that writes the same rows in every region at once."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from local.clients import client
from local.world import World


@dataclass
class Workload:
    """Puts, updates, deletions and re-insertions of a few rows, by one thread a region.

    key: the table's partition key, a string. rate: writes a second in each region. rows: how few rows they share.
    """

    world: World
    dataset: str
    key: str
    rows: int = 60
    rate: float = 10.0
    written: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Begin to write in all regions."""
        for number, region in enumerate(self.world.tables):
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

    def _write(self, region: str, rng: random.Random) -> None:
        table = client(self.world, "dynamodb", region)
        name = self.world.tables[region][self.dataset]
        operations: tuple[Callable[[str], object], ...] = (
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
        try:
            while not self._stop.wait(rng.expovariate(self.rate)):
                (operation,) = rng.choices(operations, weights=(4, 4, 2))
                operation(f"order-{rng.randrange(self.rows):03d}")
                self.written[region] += 1
        except BaseException as error:  # noqa: BLE001 - handed to whoever stops the workload
            self._errors.append(error)

    def _item(self, row: str, region: str, rng: random.Random) -> dict[str, dict[str, object]]:
        return {
            self.key: {"S": row},
            "region": {"S": region},
            "amount": {"N": f"{rng.randrange(100_000) / 100}"},
            "tags": {"SS": rng.sample(["new", "gift", "urgent", "bulk"], 2)},
            "placed_at": {"N": str(time.time_ns() // 1_000_000)},
        }
