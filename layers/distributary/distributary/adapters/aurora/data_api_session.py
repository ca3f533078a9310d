"""The session over the RDS Data API: HTTP requests signed by IAM, a secret for the database, no network of its own.

The API lends a connection for each request, so nothing that is set stays. Only a transaction keeps its connection:
every statement runs in one, which begins with the settings that a direct connection is given when it is opened. It
answers with one result of at most 1 MiB, so it cannot follow the log: capture needs a direct connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from distributary.adapters.aurora.data_api_errors import translated
from distributary.adapters.aurora.placeholders import named
from distributary.adapters.aurora.session import SETTINGS, Parameter, Row
from distributary.domain.errors import DistributaryError, ItemTooLarge

if TYPE_CHECKING:
    from mypy_boto3_rds_data import RDSDataServiceClient
    from mypy_boto3_rds_data.type_defs import SqlParameterTypeDef

REQUEST_LIMIT = 4 << 20
"""Bytes of a request, with its headers and the JSON around what is told."""

STATEMENT_LIMIT = 65_536
"""Characters of a statement, without its parameters."""

ENVELOPE = 8_192
"""Bytes for headers, ARNs and the names of members."""

_SETTLE = "SELECT " + ", ".join(
    [f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in SETTINGS.items()]
    + ["pg_catalog.set_config('statement_timeout', $1, true)", "pg_catalog.set_config('lock_timeout', $2, true)"]
)


class _Where(TypedDict):
    resourceArn: str
    secretArn: str


class _Statement(TypedDict):
    sql: str
    parameters: NotRequired[list[SqlParameterTypeDef]]


class DataApiSession:
    """`session.Session` over the Data API.

    statement_timeout, lock_timeout: milliseconds; the first below the 45 seconds after which the API gives up, so that
    the database says what took too long. A statement alone takes four requests.
    """

    def __init__(
        self,
        client: RDSDataServiceClient,
        cluster_arn: str,
        secret_arn: str,
        database: str,
        *,
        statement_timeout: int = 30_000,
        lock_timeout: int = 5_000,
    ) -> None:
        self._client = client
        self._where: _Where = {"resourceArn": cluster_arn, "secretArn": secret_arn}
        self._database = database
        self._times = (str(statement_timeout), str(lock_timeout))
        self._transaction = ""

    def run(self, sql: str, *parameters: Parameter) -> list[Row]:
        """See `session.Session`. Raises ItemTooLarge where the request, or the answer, is over the API's limits."""
        request = _request(sql, parameters)
        with self.transaction():
            return self._execute(request)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `session.Session`; one within another is a part of it, since the API ends it all at the first error."""
        if self._transaction:
            yield
            return
        self._begin()
        try:
            self._execute(_request(_SETTLE, self._times))
            yield
        except BaseException:
            self._roll_back()
            raise
        self._commit()

    def close(self) -> None:
        """See `session.Session`; an open transaction is undone."""
        self._roll_back()

    def _begin(self) -> None:
        with translated("BeginTransaction"):
            answer = self._client.begin_transaction(**self._where, database=self._database)
        self._transaction = answer["transactionId"]

    def _commit(self) -> None:
        ended, self._transaction = self._transaction, ""
        with translated("CommitTransaction"):
            self._client.commit_transaction(**self._where, transactionId=ended)

    def _roll_back(self) -> None:
        ended, self._transaction = self._transaction, ""
        if not ended:
            return
        try:
            with translated("RollbackTransaction"):
                self._client.rollback_transaction(**self._where, transactionId=ended)
        except DistributaryError:
            # The error before it is what counts; the API has ended the transaction with it, or does so when it is idle.
            return

    def _execute(self, request: _Statement) -> list[Row]:
        with translated("ExecuteStatement"):
            answer = self._client.execute_statement(
                **self._where, database=self._database, transactionId=self._transaction, **request
            )
        return [tuple(map(_value, record)) for record in answer.get("records", ())]


def _request(sql: str, parameters: tuple[Parameter, ...]) -> _Statement:
    """What a request says of a statement; raises ItemTooLarge where the API would not take it."""
    statement = named(sql)
    if len(statement) > STATEMENT_LIMIT:
        raise ItemTooLarge(f"a statement of {len(statement)} characters; the Data API takes {STATEMENT_LIMIT}")
    told = [_parameter(f"p{number}", value) for number, value in enumerate(parameters, 1)]
    # As the SDK writes it: every character beyond ASCII takes six bytes or twelve.
    size = len(json.dumps(statement)) + len(json.dumps(told)) + ENVELOPE
    if size > REQUEST_LIMIT:
        raise ItemTooLarge(f"a request of {size} bytes; the Data API takes {REQUEST_LIMIT}")
    return {"sql": statement, "parameters": told} if told else {"sql": statement}


def _parameter(name: str, value: Parameter) -> SqlParameterTypeDef:
    if value is None:
        return {"name": name, "value": {"isNull": True}}
    if isinstance(value, bool):
        return {"name": name, "value": {"booleanValue": value}}
    if isinstance(value, int):
        return {"name": name, "value": {"longValue": value}}
    return {"name": name, "value": {"stringValue": value}}


def _value(field: Mapping[str, Any]) -> Any:
    """A value as a direct connection gives it: a text, a number, a truth, or nothing."""
    ((kind, value),) = field.items()
    return None if kind == "isNull" else value
