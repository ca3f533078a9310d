"""Writes to a table as any application makes them, without stamps: capture takes them for local writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from distributary.adapters.dynamodb.values import item_for_sdk
from distributary.adapters.sdk_errors import error_from
from distributary.domain.errors import NothingFound
from distributary.domain.image import AttributeValue, Image, content_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


GONE = "the row is not there any more, so there is nothing to give its attributes back to"


class OrdinaryTable:
    """A table that is written to unconditionally. All methods raise our errors."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client, self._name = client, name

    def put(self, image: Image) -> None:
        """Put a whole row."""
        with _told("PutItem"):
            self._client.put_item(TableName=self._name, Item=item_for_sdk(content_of(image)))

    def update(self, key: Image, values: Mapping[str, AttributeValue | None]) -> None:
        """Give a row's attributes these values, or remove them; raises NothingFound where it is not there."""
        names = dict(enumerate(sorted(values)))
        given = {at: value for at, name in names.items() if (value := values[name]) is not None}
        removed = names.keys() - given.keys()
        parts = [f"SET {', '.join(f'#{at} = :{at}' for at in given)}"] if given else []
        parts += [f"REMOVE {', '.join(f'#{at}' for at in removed)}"] if removed else []
        request: dict[str, Any] = {
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": "attribute_exists(#key)",
            "ExpressionAttributeNames": {"#key": min(key), **{f"#{at}": name for at, name in names.items()}},
        }
        if given:
            request["ExpressionAttributeValues"] = item_for_sdk({f":{at}": value for at, value in given.items()})
        with _told("UpdateItem"):
            try:
                self._client.update_item(TableName=self._name, Key=item_for_sdk(key), **request)
            except self._client.exceptions.ConditionalCheckFailedException as gone:
                raise NothingFound(GONE) from gone

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
