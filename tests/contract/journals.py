"""What the suite of the journal runs over: a journal of each kind that can be written and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

import boto3
from mypy_boto3_dynamodb import DynamoDBClient

from distributary.adapters.conflict_model import RecordedConflicts
from distributary.adapters.events import EventBridgeConflicts
from distributary.adapters.journal import RecordingJournal
from distributary.adapters.journal_table import JournalTable
from distributary.adapters.memory.journal import MemoryJournal
from distributary.domain.errors import DistributaryError, Throttled
from distributary.domain.journal import REDACTS_NOTHING, Redaction
from distributary.ports import Journal, Recorded
from tests.template.stack import read
from tests.unit.conflicts import HERE, dataset


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
