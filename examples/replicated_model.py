"""An application on a replicated table, with PynamoDB, whose writes are ordered by the microsecond.

It needs `pynamodb` and this project's `distributary` package, and reads the environment only: ORDERS_TABLE (partition
key `pk`, a string), the region and credentials as every AWS program does, and AWS_ENDPOINT_URL for a local deployment.
"""

from __future__ import annotations

import os

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.connection import Connection
from pynamodb.transactions import TransactWrite

from distributary.adapters.dynamodb.replicated_model import ReplicatedModel
from distributary.domain.stamp import parse

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]


class Order(ReplicatedModel):
    """A PynamoDB model like any other, but for its base class."""

    class Meta:
        """Where the table is."""

        table_name = os.environ["ORDERS_TABLE"]
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute(default="open")
    total = NumberAttribute(default=0)
    tags = UnicodeSetAttribute()


def show(what: str, order: Order) -> None:
    """Print the version that the write took, the same in every region."""
    version = parse(order.replication_stamp).version
    print(f"{what:<12} {order.pk:<10} at {version.timestamp} µs in {version.region}")


def main() -> None:
    """Write in every way that there is."""
    order = Order("example-1", total=12.5, tags={"new"})
    order.save()
    show("saved", order)
    order.update([Order.total.add(7.5), Order.state.set("paid")], Order.state == "open")
    show("updated", order)
    with Order.batch_write() as batch:
        for number in (2, 3):
            batch.save(Order(f"example-{number}"))
    with TransactWrite(connection=Connection(region=REGION)) as transaction:
        transaction.update(order, [Order.state.set("sent")])
        transaction.delete(Order.get("example-2"))
    show("sent", order)
    Order.get("example-3").delete()


if __name__ == "__main__":
    main()
