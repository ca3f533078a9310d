"""What the suite of the journal runs over: conflicts, and a journal of each kind that can be written and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

import boto3
from mypy_boto3_dynamodb import DynamoDBClient

from distributary.adapters.conflict_model import RecordedConflicts
from distributary.adapters.events import EventBridgeConflicts
from distributary.adapters.journal import RecordingJournal
from distributary.adapters.journal_table import JournalTable
from distributary.adapters.memory.journal import MemoryJournal
from distributary.domain.conflict import Conflict, Resolution, Side
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.errors import DistributaryError, Throttled
from distributary.domain.image import Image
from distributary.domain.journal import REDACTS_NOTHING, Redaction, entry_of
from distributary.domain.version import MICROSECONDS, Context, Instant, Version
from distributary.ports import Journal, Recorded
from tests.template.stack import read

HERE, THERE, FAR = "us-east-1", "eu-west-1", "ap-southeast-2"
NOW = 1_795_600_000 * MICROSECONDS
HOUR = 3600 * MICROSECONDS
REDACTING = Redaction(frozenset({"card", "born"}), b"secret")

ARRIVING: Image = {
    "pk": {"S": "order-1"},
    "card": {"S": "4929-1234"},
    "total": {"N": "12.5"},
    "photo": {"B": "AAEC/w=="},
    "tags": {"SS": ["a", "水"]},
    "lines": {"L": [{"M": {"sku": {"S": "x"}, "raw": {"B": "/w=="}}}, {"NULL": True}]},
}
PRESENT: Image = {"pk": {"S": "order-1"}, "card": {"S": "4929-1234"}, "total": {"N": "7"}, "open": {"BOOL": True}}


def dataset(redaction: Redaction = REDACTS_NOTHING) -> Dataset:
    """The dataset of all conflicts here."""
    sites = tuple(map(ReplicaSite, (HERE, THERE, FAR)))
    return Dataset("orders", Engine.DYNAMODB, sites, redact=redaction.attributes, journal_days=30)


def conflict(pk: str = "order-1", sequence: int = 1, *, at: int = NOW, **changes: Any) -> Conflict:
    """Two writes of a row that know nothing of each other. sequence: of the arriving one, so that its id differs."""
    arriving = Version(NOW - HOUR, sequence, THERE)
    present = Version(NOW - 2 * HOUR, 7, HERE)
    made = Conflict(
        dataset="orders",
        table="orders",
        key={"pk": {"S": pk}},
        arriving=Side(arriving, Context({THERE: arriving.instant}), {**ARRIVING, "pk": {"S": pk}}),
        present=Side(present, Context({HERE: present.instant, FAR: Instant(5, 6)}), {**PRESENT, "pk": {"S": pk}}),
        policy="last_writer_wins",
        resolution=Resolution.ARRIVED,
        region=HERE,
        at=at,
    )
    return replace(made, **changes)


def id_of(made: Conflict, redaction: Redaction = REDACTS_NOTHING) -> str:
    """What a conflict is called in the journal."""
    return entry_of(made, redaction, 1).id


class Desk(Protocol):
    """A journal, to be written and to be read."""

    journal: Journal
    recorded: Recorded

    def fail(self) -> None:
        """Let nothing be written from now on."""
        ...


NewDesk: TypeAlias = Callable[..., Any]
"""Makes a `Desk`, of a `Redaction` or of none."""


@dataclass
class MemoryDesk:
    """The in-memory twin."""

    redaction: Redaction = REDACTS_NOTHING

    def __post_init__(self) -> None:
        self._twin = MemoryJournal("orders", self.redaction, 30)
        self.journal: Journal = self._twin
        self.recorded: Recorded = self._twin

    def fail(self) -> None:
        """See `Desk`."""

        def refuse(access: str) -> None:
            raise Throttled(access)

        self._twin.pause = refuse


class TableDesk:
    """The table of an engine that speaks DynamoDB's protocol; told: why conflicts were missed."""

    def __init__(self, client: DynamoDBClient, redaction: Redaction = REDACTS_NOTHING) -> None:
        self.client, self.table = client, made_table(client)
        self.told: list[DistributaryError] = []
        self.published: list[list[dict[str, Any]]] = []
        self.journal: Journal = RecordingJournal(
            dataset(redaction),
            JournalTable(lambda: client, self.table),
            EventBridgeConflicts(lambda: _Bus(self.published)),  # type: ignore[arg-type,return-value]
            lambda: redaction,
            self.told.append,
        )
        self.recorded: Recorded = RecordedConflicts(self.table, HERE, "orders", redaction)

    def fail(self) -> None:
        """See `Desk`."""
        self.client.delete_table(TableName=self.table)

    def item(self, name: str) -> dict[str, Any]:
        """The raw item."""
        return self.client.get_item(TableName=self.table, Key={"id": {"S": name}}, ConsistentRead=True)["Item"]


@dataclass
class _Bus:
    """An event bus that takes everything."""

    published: list[list[dict[str, Any]]]

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        self.published.append(Entries)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}


def made_table(client: DynamoDBClient) -> str:
    """A new table, as the template describes the journal's."""
    properties = read().properties("Journal")
    name = f"journal-{uuid4().hex}"
    taken = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    client.create_table(TableName=name, **{each: properties[each] for each in taken})
    return name


def moto_client() -> DynamoDBClient:
    """A client of moto, to be made while it mocks."""
    return boto3.client("dynamodb", region_name=HERE)
