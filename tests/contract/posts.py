"""What the suite of the queues runs over: the queues of a dataset, with a look into each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from uuid import uuid4

from mypy_boto3_sqs import SQSClient

from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.parcels import parcel_text
from distributary.adapters.queues import SqsInboxes, SqsOutbox, SqsParking
from distributary.ports import Inboxes, Outbox, Parking
from tests.contract.engines import sqs_client

REGIONS = ("us-east-1", "eu-west-1")
NAMES = (*(f"inbox {region}" for region in REGIONS), "outbox", "parked")

Received = list[tuple[str, dict[str, str]]]
"""Bodies, each with its attributes."""


class Post(Protocol):
    """The queues, and what arrived in them."""

    inboxes: Inboxes
    outbox: Outbox
    parking: Parking

    def received(self, name: str) -> Received:
        """Everything that waits in a queue (one of NAMES), deleted with that."""
        ...


@dataclass
class MemoryPost:
    """The in-memory twins."""

    queues: dict[str, MemoryQueue] = field(default_factory=lambda: {name: MemoryQueue(time.time_ns) for name in NAMES})

    def __post_init__(self) -> None:
        self.inboxes: Inboxes = MemoryInboxes({region: self.queues[f"inbox {region}"] for region in REGIONS})
        self.outbox: Outbox = MemoryOutbox(self.queues["outbox"])
        self._parking = MemoryParking()
        self.parking: Parking = self._parking

    def received(self, name: str) -> Received:
        """See `Post`."""
        if name == "parked":
            return [(parcel_text(each), {}) for each in self._parking.parcels]
        queue = self.queues[name]
        return [(held.body, dict(held.attributes)) for held in map(queue.receive, queue.visible())]


@dataclass
class SqsPost:
    """Queues of an engine, of two regions. urls: by name, see NAMES."""

    clients: Callable[[str], SQSClient]
    urls: Mapping[str, str]

    def __post_init__(self) -> None:
        here = self.clients(REGIONS[0])
        self.inboxes: Inboxes = SqsInboxes(self.clients, {region: self.urls[f"inbox {region}"] for region in REGIONS})
        self.outbox: Outbox = SqsOutbox(here, self.urls["outbox"])
        self.parking: Parking = SqsParking(here, self.urls["parked"])

    def received(self, name: str) -> Received:
        """See `Post`."""
        client, url = self._client(name), self.urls[name]
        found: Received = []
        while messages := client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, MessageAttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages"):
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                found.append((message["Body"], {name: value["StringValue"] for name, value in attributes.items()}))
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def receipt(self, name: str) -> str:
        """Receive one message and keep it."""
        (message,) = self._client(name).receive_message(QueueUrl=self.urls[name], WaitTimeSeconds=1)["Messages"]
        return message["ReceiptHandle"]

    def _client(self, name: str) -> SQSClient:
        return self.clients(REGIONS[1] if REGIONS[1] in name else REGIONS[0])


def clients(endpoint: str) -> Callable[[str], SQSClient]:
    """One client a region."""
    return lru_cache(maxsize=None)(lambda region: sqs_client(endpoint, region))


def new_post(endpoint: str) -> SqsPost:
    """New queues in an engine, which take messages up to the limit of SQS."""
    client_for, test = clients(endpoint), uuid4().hex
    urls = {}
    for name in NAMES:
        client = client_for(REGIONS[1] if REGIONS[1] in name else REGIONS[0])
        queue = f"{name.replace(' ', '-')}-{test}"
        urls[name] = client.create_queue(QueueName=queue, Attributes={"MaximumMessageSize": "1048576"})["QueueUrl"]
    return SqsPost(client_for, urls)
