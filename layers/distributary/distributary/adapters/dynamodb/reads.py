"""Reads many items with strong consistency, asking again for what DynamoDB leaves unread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

from distributary.adapters.sdk_errors import REJECTED, parts_of, translated
from distributary.domain.errors import Throttled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchGetItemOutputTypeDef, KeysAndAttributesTypeDef

KEYS = 100
"""Keys that one BatchGetItem may ask for, over all its tables."""

ATTEMPTS = 8
"""Requests in a row that get no further before reading is given up as throttled."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

Item: TypeAlias = Mapping[str, Any]


class RefusedKeyError(Exception):
    """DynamoDB does not take one of the keys, so no item can have it."""


def read_items(
    client: DynamoDBClient, keys: Mapping[str, Sequence[Item]], pause: Callable[[float], None]
) -> dict[str, list[Item]]:
    """The items that exist, by table. keys: at most KEYS, by table. pause: waits so many seconds.

    Raises RefusedKeyError, and RetryLater or Misconfigured.
    """
    found: dict[str, list[Item]] = {table: [] for table in keys}
    asked: Any = {table: {"Keys": list(some), "ConsistentRead": True} for table, some in keys.items() if some}
    fruitless = 0
    while asked:
        answer = _read(client, asked)
        for table, items in answer["Responses"].items():
            found[table] += items
        unread: Any = answer.get("UnprocessedKeys") or {}
        # An answer that is full (16 MB) leaves keys unread too; as long as it gets on there is nothing to wait for.
        fruitless = fruitless + 1 if _count(unread) == _count(asked) else 0
        if fruitless == ATTEMPTS:
            raise Throttled(f"BatchGetItem read nothing in {ATTEMPTS} attempts")
        if fruitless:
            pause(min(_FIRST_PAUSE * 2 ** (fruitless - 1), _LONGEST_PAUSE))
        asked = unread
    return found


def _count(asked: Mapping[str, Any]) -> int:
    return sum(len(part["Keys"]) for part in asked.values())


def _read(client: DynamoDBClient, asked: dict[str, KeysAndAttributesTypeDef]) -> BatchGetItemOutputTypeDef:
    with translated("BatchGetItem"):
        try:
            return client.batch_get_item(RequestItems=asked)
        except ClientError as error:
            code, message, _ = parts_of(error)
            if code in REJECTED:
                raise RefusedKeyError(message) from error
            raise
