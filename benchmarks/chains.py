"""The chains that are compared: a table in a source region, and the same table in its peers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.clients import client
from local.world import World

KEYS = 100
"""Keys of one BatchGetItem."""


@dataclass(frozen=True)
class Chain:
    """Whatever carries rows of `table` from `source` to `peers`; the partition key is the string `key`.

    written: the rows that this chain has written.
    """

    name: str
    world: World
    table: str
    key: str
    source: str
    peers: tuple[str, ...]
    written: set[str] = field(default_factory=set, compare=False)

    def item(self, row: str, number: int) -> dict[str, dict[str, Any]]:
        """A row as an application may write it; `number` tells its writes apart."""
        return {
            self.key: {"S": row},
            "number": {"N": str(number)},
            "status": {"S": "paid"},
            "customer": {"S": f"customer-{number % 97:04d}"},
            "amount": {"N": f"{number % 1000}.25"},
            "lines": {"L": [{"M": {"sku": {"S": f"sku-{at}"}, "count": {"N": str(at)}}} for at in range(3)]},
            "note": {"S": "Leave the parcel with the neighbours if nobody opens. " * 3},
        }

    def put(self, row: str, number: int) -> None:
        """Write one row in the source region."""
        self.written.add(row)
        client(self.world, "dynamodb", self.source).put_item(TableName=self.table, Item=self.item(row, number))

    def put_many(self, rows: Sequence[tuple[str, int]]) -> None:
        """Write up to 25 rows in the source region."""
        self.written.update(row for row, _ in rows)
        requests = [{"PutRequest": {"Item": self.item(row, number)}} for row, number in rows]
        self._batch_write(requests)

    def clear(self) -> None:
        """Delete in the source region what was written there."""
        rows = sorted(self.written)
        for start in range(0, len(rows), 25):
            keys = [{self.key: {"S": row}} for row in rows[start : start + 25]]
            self._batch_write([{"DeleteRequest": {"Key": key}} for key in keys])

    def numbers(self, region: str, rows: Sequence[str]) -> Mapping[str, int]:
        """The numbers that up to KEYS rows have in a region, read consistently; absent rows are left out."""
        asked = {self.table: {"Keys": [{self.key: {"S": row}} for row in rows], "ConsistentRead": True}}
        answer = client(self.world, "dynamodb", region).batch_get_item(RequestItems=asked)
        items: list[dict[str, Any]] = answer["Responses"].get(self.table, [])
        return {item[self.key]["S"]: int(item["number"]["N"]) for item in items}

    def _batch_write(self, requests: list[dict[str, Any]]) -> None:
        database = client(self.world, "dynamodb", self.source)
        left: Any = {self.table: requests}
        while left:
            left = database.batch_write_item(RequestItems=left).get("UnprocessedItems")
