"""The applications: unmodified and stamping writers in every region, who keep what they were acknowledged."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chaos.oracle import WRITE, Content, Write
from distributary.adapters.dynamodb.replicated_model import ReplicatedModel
from distributary.domain.image import STAMP_ATTRIBUTE
from local.clients import client
from local.world import World

KEY = "pk"
SHARED_ROWS = 12
SHARED_SHARE = 0.5
STATUSES = ("paid", "packed", "sent")


def content_of(item: Mapping[str, Mapping[str, Any]]) -> Content:
    """An item as the oracle compares it."""
    return {name: str(next(iter(v.values()))) for name, v in item.items() if name not in (KEY, STAMP_ATTRIBUTE)}


@dataclass
class History:
    """What was acknowledged, in the order in which each region was told; safe for threads."""

    writes: list[Write] = field(default_factory=list)
    locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    _numbers: Any = field(default_factory=count)

    def name(self, region: str) -> str:
        """A name for a write that no other has."""
        return f"{region}-{next(self._numbers)}"


@dataclass
class Writers:
    """Two writers a region, one of each kind, on shared rows and on rows of their own. rate: of each, a second."""

    world: World
    prefix: str
    rate: float
    history: History = field(default_factory=History)
    idle: set[str] = field(default_factory=set)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Begin to write in all regions."""
        for region in self.world.tables:
            for kind in (Unmodified, Stamping):
                writer = kind(self.world, region, self.history)
                thread = threading.Thread(target=self._guarded, args=(writer,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """End the writing; raises what a writer met, if one did."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _guarded(self, writer: "Unmodified | Stamping") -> None:
        try:
            self._write(writer)
        except BaseException as error:  # noqa: BLE001 - handed to whoever stops the writers
            self._errors.append(error)

    def _write(self, writer: "Unmodified | Stamping") -> None:
        dice = random.Random(f"{self.prefix} {writer.region} {type(writer).__name__}")
        own = count()
        while not self._ended.wait(dice.expovariate(self.rate)):
            if writer.region in self.idle:
                continue
            row = f"{self.prefix}-shared-{dice.randrange(SHARED_ROWS)}"
            if dice.random() > SHARED_SHARE:
                # Rows of its own: some new ones, some that it has written or deleted before.
                newest = next(own)
                number = newest if newest % 2 else dice.randrange(newest + 1)
                row = f"{self.prefix}-{type(writer).__name__}-{writer.region}-{number}"
            act: Callable[[str, int], None]
            (act,) = dice.choices((writer.put, writer.update, writer.delete), weights=(4, 4, 2))
            with self.history.locks[writer.region]:
                act(row, dice.randrange(1000))


@dataclass
class Unmodified:
    """An application that knows nothing of stamps. DynamoDB tells it what each write replaced."""

    world: World
    region: str
    history: History

    def put(self, row: str, number: int) -> None:
        """Replace the row, or make it."""
        name = self.history.name(self.region)
        item = {WRITE: {"S": name}, "amount": {"N": str(number)}, "status": {"S": "new"}}
        old = self._call("put_item", Item={KEY: {"S": row}, **item})
        self._keep(row, name, content_of(item), old)

    def update(self, row: str, number: int) -> None:
        """Change some attributes of the row, or make it with these."""
        name = self.history.name(self.region)
        changed = {WRITE: {"S": name}, "status": {"S": STATUSES[number % len(STATUSES)]}}
        old = self._call(
            "update_item",
            Key={KEY: {"S": row}},
            UpdateExpression="SET #w = :w, #s = :s",
            ExpressionAttributeNames={"#w": WRITE, "#s": "status"},
            ExpressionAttributeValues={":w": changed[WRITE], ":s": changed["status"]},
        )
        self._keep(row, name, {**content_of(old), **content_of(changed)}, old)

    def delete(self, row: str, _number: int) -> None:
        """Delete the row; where there is none, nothing has been done."""
        old = self._call("delete_item", Key={KEY: {"S": row}})
        if old:
            self._keep(row, self.history.name(self.region), None, old)

    def _call(self, operation: str, **arguments: Any) -> Mapping[str, Mapping[str, Any]]:
        call = getattr(client(self.world, "dynamodb", self.region), operation)
        old: Mapping[str, Mapping[str, Any]] = call(
            TableName=self.world.tables[self.region]["orders"], ReturnValues="ALL_OLD", **arguments
        ).get("Attributes", {})
        return old

    def _keep(self, row: str, name: str, content: Content | None, old: Mapping[str, Mapping[str, Any]]) -> None:
        over = content_of(old).get(WRITE)
        self.history.writes.append(Write(row, self.region, name, content, over))


class Stamping:
    """An application with ReplicatedModel. It reads a row before it writes it, so it knows what it replaced."""

    def __init__(self, world: World, region: str, history: History) -> None:
        self.region = region
        self._history = history
        self.model = _model(world, region)

    def put(self, row: str, number: int) -> None:
        """Replace the row, or make it."""
        order, over = self._load(row)
        name = self._history.name(self.region)
        order.write, order.amount, order.status = name, number, "new"
        order.save()
        self._keep(row, name, order, over)

    def update(self, row: str, number: int) -> None:
        """Change some attributes of the row, or make it with these."""
        order, over = self._load(row)
        name = self._history.name(self.region)
        order.update([self.model.write.set(name), self.model.status.set(STATUSES[number % len(STATUSES)])])
        self._keep(row, name, order, over)

    def delete(self, row: str, _number: int) -> None:
        """Delete the row; where there is none, nothing has been done."""
        order, over = self._load(row)
        if over is not None:
            order.delete()
            self._keep(row, self._history.name(self.region), None, over)

    def _load(self, row: str) -> tuple[Any, str | None]:
        try:
            order = self.model.get(row, consistent_read=True)
        except self.model.DoesNotExist:
            return self.model(row), None
        return order, order.write

    def _keep(self, row: str, name: str, order: Any | None, over: str | None) -> None:
        content = None if order is None else content_of(order.serialize())
        self._history.writes.append(Write(row, self.region, name, content, over))


def _model(world: World, at: str) -> Any:
    class Order(ReplicatedModel):
        class Meta:
            table_name = world.tables[at]["orders"]
            region = at
            host = world.endpoint
            aws_access_key_id = world.access_key_id
            aws_secret_access_key = world.secret_access_key

        pk = UnicodeAttribute(hash_key=True)
        write = UnicodeAttribute(null=True)
        amount = NumberAttribute(null=True)
        status = UnicodeAttribute(null=True)

    return Order
