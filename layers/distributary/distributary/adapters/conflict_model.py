"""The journal's table as a PynamoDB model, and the queries of the operator's commands over it.

Nothing of the deployed functions imports this module: PynamoDB is not in their layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.constants import MAP
from pynamodb.exceptions import PynamoDBException
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from distributary.adapters.dynamodb.values import image_from_sdk, item_for_sdk
from distributary.adapters.journal_items import BY_ROW, BY_TIME, LISTED, periods
from distributary.adapters.sdk_errors import error_from
from distributary.domain.conflict import Resolution
from distributary.domain.errors import RetryLater
from distributary.domain.image import Image
from distributary.domain.journal import REDACTS_NOTHING, Entry, Redaction, Trace, row_of
from distributary.domain.stamp import parse_context, parse_version
from distributary.domain.version import MICROSECONDS

_TOLD = ("version", "context", "deleted", "image", "digest", "lost")


class ImageAttribute(Attribute[Image]):
    """A row, or a key: a map in the table, typed JSON (binary values as base64 text) in Python."""

    attr_type = MAP

    def serialize(self, value: Image) -> Any:
        """The map as it is stored."""
        return item_for_sdk(value)

    def deserialize(self, value: Mapping[str, Any]) -> Image:
        """The image as a change would carry it."""
        return image_from_sdk(value)


class ByTime(GlobalSecondaryIndex["RecordedConflict"]):  # type: ignore[no-untyped-call]
    """The conflicts of a dataset, a day and a part of it, in the order in which they were resolved."""

    class Meta:
        """Of the index."""

        index_name = BY_TIME
        projection = IncludeProjection(list(LISTED))

    period = UnicodeAttribute(hash_key=True)
    at = NumberAttribute(range_key=True)


class ByRow(GlobalSecondaryIndex["RecordedConflict"]):  # type: ignore[no-untyped-call]
    """The conflicts of a row, in the order in which they were resolved."""

    class Meta:
        """Of the index."""

        index_name = BY_ROW
        projection = IncludeProjection(list(LISTED))

    row = UnicodeAttribute(hash_key=True)
    at = NumberAttribute(range_key=True)


class RecordedConflict(Model):
    """A conflict on record; see `journal_items`. Subclass it with a `Meta` that names your table and region."""

    id = UnicodeAttribute(hash_key=True)
    period = UnicodeAttribute()
    at = NumberAttribute()
    row = UnicodeAttribute()
    dataset = UnicodeAttribute()
    table = UnicodeAttribute()
    key = ImageAttribute()
    policy = UnicodeAttribute()
    resolution = UnicodeAttribute()
    region = UnicodeAttribute()
    expires = NumberAttribute()
    redacted = UnicodeSetAttribute(null=True)
    note = UnicodeAttribute(null=True)
    arriving_version = UnicodeAttribute()
    arriving_region = UnicodeAttribute()
    arriving_context = UnicodeAttribute()
    arriving_deleted = BooleanAttribute()
    arriving_image = ImageAttribute(null=True)
    arriving_digest = UnicodeAttribute(null=True)
    present_version = UnicodeAttribute()
    present_region = UnicodeAttribute()
    present_context = UnicodeAttribute()
    present_deleted = BooleanAttribute()
    present_image = ImageAttribute(null=True)
    present_digest = UnicodeAttribute(null=True)
    arriving_lost = UnicodeSetAttribute(null=True)
    present_lost = UnicodeSetAttribute(null=True)
    by_time = ByTime()
    by_row = ByRow()

    def entry(self) -> Entry:
        """The conflict as a value."""
        return Entry(
            id=self.id,
            row=row_of(self.dataset, self.table, self.key),  # which lists in the order of time do not carry
            dataset=self.dataset,
            table=self.table,
            key=self.key,
            arriving=self._trace("arriving"),
            present=self._trace("present"),
            policy=self.policy,
            resolution=Resolution(self.resolution),
            region=self.region,
            at=int(self.at),
            expires=int(self.expires) * MICROSECONDS,
            redacted=frozenset(self.redacted or ()),
            note=self.note or "",
        )

    def _trace(self, side: str) -> Trace:
        told = {name: getattr(self, f"{side}_{name}") for name in _TOLD}
        return Trace(
            parse_version(told["version"]),
            parse_context(told["context"]),
            bool(told["deleted"]),
            told["image"],
            told["digest"] or "",
            frozenset(told["lost"] or ()),
        )


class RecordedConflicts:
    """`ports.Recorded` over the table of one replica. redaction: for keys that are kept as hashes."""

    def __init__(self, table: str, region: str, dataset: str, redaction: Redaction = REDACTS_NOTHING) -> None:
        meta = type("Meta", (), {"table_name": table, "region": region})
        self._model: type[RecordedConflict] = type("Recorded", (RecordedConflict,), {"Meta": meta})
        self._dataset, self._redaction = dataset, redaction

    def find(self, name: str) -> Entry | None:
        """See `ports.Recorded`."""
        try:
            return self._model.get(name, consistent_read=True).entry()
        except self._model.DoesNotExist:
            return None
        except PynamoDBException as error:
            raise _ours(error) from error

    def within(self, since: int, until: int) -> Iterator[Entry]:
        """See `ports.Recorded`."""
        for parts in periods(self._dataset, since, until):
            answers = [self._query(part, BY_TIME, since, until) for part in parts]
            yield from merge(*answers, key=lambda entry: entry.at, reverse=True)

    def of_row(self, table: str, key: Image, since: int, until: int) -> Iterator[Entry]:
        """See `ports.Recorded`."""
        return self._query(row_of(self._dataset, table, self._redaction.of(key)), BY_ROW, since, until)

    def _query(self, place: str, index: str, since: int, until: int) -> Iterator[Entry]:
        try:
            within = RecordedConflict.at.between(since, until - 1)
            found = self._model.query(place, within, index_name=index, scan_index_forward=False)
            yield from (each.entry() for each in found)
        except PynamoDBException as error:
            raise _ours(error) from error


def _ours(error: PynamoDBException) -> Exception:
    """Our error for one of PynamoDB, which keeps the SDK's as its cause."""
    if isinstance(error.cause, ClientError | BotoCoreError):
        return error_from(error.cause, "reading the journal")
    return RetryLater(f"reading the journal: {error}")
