"""Runs conditional writes, PartiQL statements many to a request, and tells the outcome of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from distributary.adapters.dynamodb.expressions import Request
from distributary.adapters.dynamodb.statements import Statement
from distributary.adapters.sdk_errors import REJECTED, error_from, item_error, parts_of
from distributary.domain.errors import DistributaryError
from distributary.ports import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATEMENTS = 25
"""Statements that one BatchExecuteStatement may carry."""

BYTES = 2_000_000
"""Of one request's parameters, as Python shows them, in UTF-8.

DynamoDB refuses requests over 16 MB, and JSON may take three times as many: twelve for a smiley.
"""


def run(client: DynamoDBClient, statements: Sequence[Statement]) -> list[Outcome]:
    """The outcome of each statement, in order.

    Raises RetryLater or Misconfigured when the first request failed as a whole. When a later one does, the statements
    from there on have that error as their outcome and are not tried: what hits one request is about to hit the next.
    """
    outcomes: list[Outcome] = []
    for batch in _batches(statements):
        try:
            outcomes += _run_batch(client, batch)
        except DistributaryError as error:
            if not outcomes:
                raise
            return outcomes + [error] * (len(statements) - len(outcomes))
    return outcomes


def run_one(client: DynamoDBClient, request: Request) -> Outcome:
    """The outcome of a write that PartiQL cannot say."""
    method, arguments = request
    try:
        getattr(client, method)(**arguments)
    except (ClientError, BotoCoreError) as error:
        return _outcome_of(error)
    return True


def _batches(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    batch: list[Statement] = []
    size = 0
    for statement in statements:
        weight = len(repr(statement.parameters).encode())
        if batch and (len(batch) == STATEMENTS or size + weight > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(statement)
        size += weight
    if batch:
        yield batch


def _run_batch(client: DynamoDBClient, batch: Sequence[Statement]) -> list[Outcome]:
    try:
        answer = client.batch_execute_statement(Statements=[each.document() for each in batch])  # type: ignore[misc]
    except (ClientError, BotoCoreError) as error:
        if not _rejected(error):
            raise error_from(error, "BatchExecuteStatement") from error
        if len(batch) == 1:
            return [_outcome_of(error)]
        # One value that DynamoDB does not take fails the whole request. Alone it fails alone.
        return [outcome for each in batch for outcome in _run_batch(client, [each])]
    return [_outcome(each, response) for each, response in zip(batch, answer["Responses"], strict=True)]


def _outcome(statement: Statement, response: Mapping[str, Any]) -> Outcome:
    error = response.get("Error")
    if error is None:
        return "Item" in response if statement.deletes else True
    return item_error(error.get("Code", "Unknown"), error.get("Message", "")) or False


def _rejected(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        return parts_of(error)[0] in REJECTED
    return isinstance(error, ParamValidationError)


def _outcome_of(error: ClientError | BotoCoreError) -> Outcome:
    """The outcome of a write that had a request of its own and failed."""
    if isinstance(error, ClientError):
        return item_error(*parts_of(error)) or False
    return error_from(error, "one write")
