"""Writes to a table as any application makes them, without stamps: capture takes them for local writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from distributary.adapters.dynamodb.values import item_for_sdk
from distributary.adapters.sdk_errors import error_from
from distributary.domain.image import Image, content_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class OrdinaryTable:
    """A table that is written to unconditionally. All methods raise our errors."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client, self._name = client, name

    def put(self, image: Image) -> None:
        """Put a whole row."""
        with _told("PutItem"):
            self._client.put_item(TableName=self._name, Item=item_for_sdk(content_of(image)))

    def delete(self, key: Image) -> None:
        """Delete a row, if it is there."""
        with _told("DeleteItem"):
            self._client.delete_item(TableName=self._name, Key=item_for_sdk(key))


@contextmanager
def _told(action: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise error_from(error, action) from error
