"""Maps the errors of the RDS Data API to ours: by the SQLSTATE that stands in a message, else by the kind of error.

Kinds: https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from botocore import exceptions as sdk

from distributary.adapters import sdk_errors
from distributary.adapters.aurora import sqlstates
from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    InvalidSettings,
    ItemTooLarge,
    Misconfigured,
    MissingResource,
    RetryLater,
    Throttled,
    Unavailable,
)

BY_KIND: Mapping[str, type[DistributaryError]] = MappingProxyType(
    {
        # Without an SQLSTATE these tell of the API itself, such as "Transaction is still running a query".
        "DatabaseErrorException": RetryLater,
        "BadRequestException": RetryLater,
        # The transaction ended by an earlier error, by three idle minutes, or by its age.
        "TransactionNotFoundException": RetryLater,
        "NotFoundException": RetryLater,
        "StatementTimeoutException": Throttled,
        "DatabaseResumingException": Unavailable,
        "DatabaseUnavailableException": Unavailable,
        "InternalServerErrorException": Unavailable,
        "InvalidResourceStateException": Unavailable,
        "ServiceUnavailableError": Unavailable,
        "AccessDeniedException": AccessDenied,
        "ForbiddenException": AccessDenied,
        "SecretsErrorException": AccessDenied,
        "HttpEndpointNotEnabledException": InvalidSettings,
        "InvalidSecretException": InvalidSettings,
        "DatabaseNotFoundException": MissingResource,
        # A statement of ours gives a type that the API does not know: no retry mends a program.
        "UnsupportedResultException": Misconfigured,
        # Of the HTTP server before it.
        "413": ItemTooLarge,
        "RequestEntityTooLarge": ItemTooLarge,
        "RequestEntityTooLargeException": ItemTooLarge,
    }
)

_STATE = re.compile(r"SQLState: ([0-9A-Z]{5})\s*$")
_SAID = re.compile(r"^(?:[A-Z]+: )?(.*?)(?:\n  [A-Z]\w*: |; Position: \d+; SQLState: |; SQLState: )", re.DOTALL)
_CONSTRAINT = re.compile(r'"(.*)"', re.DOTALL)
_TOO_LARGE = re.compile(r"size limit|packet for query is too large", re.IGNORECASE)


def error_from(error: sdk.ClientError | sdk.BotoCoreError, action: str) -> DistributaryError:
    """Our error for one of the SDK. action: what was tried, for the message."""
    if not isinstance(error, sdk.ClientError):
        return sdk_errors.error_from(error, action)
    kind, message, _ = sdk_errors.parts_of(error)
    state = _STATE.search(message)
    if state is not None:
        return _of_the_database(state[1], message)
    text = f"{kind}: {message} ({action})"
    if _TOO_LARGE.search(message):
        return ItemTooLarge(text)
    known = BY_KIND.get(kind)
    return known(text) if known is not None else sdk_errors.error_from(error, action)


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Raise our errors in place of the SDK's. action: what is tried, for the message."""
    try:
        yield
    except (sdk.ClientError, sdk.BotoCoreError) as error:
        raise error_from(error, action) from error


def _of_the_database(state: str, message: str) -> DistributaryError:
    """The constraint's name is told in the message only; details, which hold values of rows, are left out."""
    match = _SAID.match(message)
    said = match[1] if match else state
    constraint = _CONSTRAINT.search(said)
    return sqlstates.error_of(state, said, constraint=constraint[1] if constraint else "")
