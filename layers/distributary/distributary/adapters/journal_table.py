"""Writes conflicts into the journal's table, 25 a request, without waiting for what does not answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from distributary.adapters.journal_items import fitting_item, item_of, shortened
from distributary.adapters.sdk_errors import REJECTED, error_from, parts_of
from distributary.domain.errors import DistributaryError, RejectedByDatabase, Throttled
from distributary.domain.journal import Entry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AT_ONCE = 25
"""Items that one BatchWriteItem may carry."""

ATTEMPTS = 2
"""Requests for an item that DynamoDB leaves unwritten: what is throttled now is not waited for."""

Missed: TypeAlias = dict[str, DistributaryError]
"""Why conflicts are not on record, by their ids."""


class JournalTable:
    """The writing half of the journal. client_for: makes the SDK's client, when the first conflict is to be written.

    A request that fails as a whole ends the call: what hits one request is about to hit the next.
    """

    def __init__(self, client_for: Callable[[], DynamoDBClient], table: str) -> None:
        self._client_for, self._table = client_for, table

    def write(self, entries: Sequence[Entry]) -> Missed:
        """Write entries of different ids; those that are not written, with the reason."""
        missed: Missed = {}
        items: dict[str, dict[str, Any]] = {}
        for entry in entries:
            try:
                items[entry.id] = fitting_item(entry)
            except (ValueError, TypeError, AttributeError) as error:
                missed[entry.id] = RejectedByDatabase(f"no values of DynamoDB: {error}")
        writable = [entry for entry in entries if entry.id in items]
        for start in range(0, len(writable), AT_ONCE):
            some = writable[start : start + AT_ONCE]
            try:
                missed |= self._put([items[each.id] for each in some])
            except RejectedByDatabase:
                missed |= self._put_one_by_one(some, items)
            except DistributaryError as error:
                return missed | {each.id: error for each in writable[start:]}
        return missed

    def _put_one_by_one(self, entries: Sequence[Entry], items: dict[str, dict[str, Any]]) -> Missed:
        """One item that DynamoDB refuses fails a whole request."""
        missed: Missed = {}
        for at, entry in enumerate(entries):
            try:
                missed |= self._put_alone(entry, items[entry.id])
            except RejectedByDatabase as error:
                missed[entry.id] = error
            except DistributaryError as error:
                return missed | {each.id: error for each in entries[at:]}
        return missed

    def _put_alone(self, entry: Entry, item: dict[str, Any]) -> Missed:
        """Write one item, with fewer images if DynamoDB refuses it otherwise."""
        for each in (item, item_of(shortened(entry, keep_losing=True))):
            try:
                return self._put([each])
            except RejectedByDatabase:
                continue
        return self._put([item_of(shortened(entry))])

    def _put(self, items: Sequence[dict[str, Any]]) -> Missed:
        request: Any = {self._table: [{"PutRequest": {"Item": item}} for item in items]}
        for _ in range(ATTEMPTS):
            try:
                answer = self._client_for().batch_write_item(RequestItems=request)
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError) and (code := parts_of(error)[0]) in REJECTED:
                    raise RejectedByDatabase(code) from error  # the message may show values
                raise error_from(error, "BatchWriteItem") from error
            request = answer.get("UnprocessedItems")
            if not request:
                return {}
        left = [each["PutRequest"]["Item"]["id"]["S"] for each in request[self._table]]
        return {name: Throttled(f"BatchWriteItem left it unwritten {ATTEMPTS} times") for name in left}
