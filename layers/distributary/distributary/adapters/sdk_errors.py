"""Maps the errors of the AWS SDK to ours: the one table of error codes and exception classes.

What is not in the tables is retried, never dropped: a code of the 5xx kind as Unavailable, any other as RetryLater
with the code in its message, so that an alarm on the age of the work shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from botocore import exceptions as sdk

from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    InvalidSettings,
    ItemTooLarge,
    Misconfigured,
    MissingResource,
    RejectedByDatabase,
    RetryLater,
    Throttled,
    Unacceptable,
    Unavailable,
)

CONDITION_FAILED = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem"})
"""Codes that are answers, not errors: the condition of a write did not hold."""

REJECTED = frozenset(
    {"ValidationError", "ValidationException", "SerializationException", "413", "RequestEntityTooLarge"}
)
"""Codes by which DynamoDB refuses what a request says, so that the same words would be refused again."""

_SERVER_FAULT = 500

_OVER_THE_SIZE_LIMIT = "exceeded the maximum allowed size"
"""In "Item size has exceeded …" and "Item size to update has exceeded …", which share their code with all else."""

_CODES: Mapping[type[DistributaryError], tuple[str, ...]] = {
    Throttled: (
        "BandwidthLimitExceeded", "KmsThrottled", "LimitExceededException", "OverLimit",
        "PriorRequestNotComplete", "ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException",
        "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown", "Throttling",
        "ThrottlingError", "ThrottlingException", "TooManyRequestsException", "429",
    ),
    Unavailable: (
        "InternalError", "InternalException", "InternalFailure", "InternalServerError", "RequestTimeout",
        "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException", "500", "502", "503", "504",
    ),
    RetryLater: (
        # Another transaction or a global table's own replication holds the item for a moment.
        "TransactionConflict", "TransactionConflictException", "TransactionInProgressException",
        "ReplicatedWriteConflictException",
        # The function's temporary credentials are renewed, or its clock corrected, without us.
        "ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture",
        # The message has left our hands; the queue delivers it again.
        "MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidReceiptHandle",
    ),
    RejectedByDatabase: (
        "ItemCollectionSizeLimitExceeded", "ItemCollectionSizeLimitExceededException", *sorted(REJECTED),
    ),
    AccessDenied: (
        "AccessDenied", "AccessDeniedException", "AuthFailure", "IncompleteSignature",
        "IncompleteSignatureException", "InvalidClientTokenId", "InvalidSecurity", "InvalidSignatureException",
        "KmsAccessDenied", "KMS.AccessDeniedException", "MissingAuthenticationToken",
        "MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch",
        "UnrecognizedClientException", "403",
    ),
    MissingResource: (
        "NonExistentQueue", "QueueDoesNotExist", "QueueDeletedRecently", "ResourceNotFound",
        "ResourceNotFoundException", "TableNotFoundException", "404",
    ),
    Misconfigured: (
        "InvalidAddress", "InvalidEndpointException", "KmsDisabled", "KmsInvalidKeyUsage", "KmsInvalidState",
        "KmsNotFound", "KmsOptInRequired", "UnsupportedOperation",
        # These say that our own requests are wrong: no retry and no operator's patience mends a program.
        "InvalidAction", "InvalidMessageContents", "InvalidParameterCombination", "InvalidParameterValue",
        "MissingParameter", "UnknownOperationException",
    ),
}  # fmt: skip

BY_CODE: Mapping[str, type[DistributaryError]] = MappingProxyType(
    {code: error for error, codes in _CODES.items() for code in codes}
)

BY_CLASS: Mapping[type[Exception], type[DistributaryError]] = MappingProxyType(
    {
        # The network, and services on the way to a token.
        sdk.HTTPClientError: Unavailable,
        sdk.ConnectionError: Unavailable,
        sdk.IncompleteReadError: Unavailable,
        sdk.ChecksumError: Unavailable,
        sdk.FlexibleChecksumError: Unavailable,
        sdk.AwsChunkedWrapperError: Unavailable,
        sdk.UnseekableStreamError: Unavailable,
        sdk.MetadataRetrievalError: Unavailable,
        sdk.CredentialRetrievalError: Unavailable,
        sdk.TokenRetrievalError: Unavailable,
        sdk.CapacityNotAvailableError: Throttled,
        # Who we are.
        sdk.NoCredentialsError: AccessDenied,
        sdk.PartialCredentialsError: AccessDenied,
        sdk.NoAuthTokenError: AccessDenied,
        sdk.UnknownCredentialError: AccessDenied,
        sdk.SSOError: AccessDenied,
        sdk.LoginError: AccessDenied,
        sdk.RefreshWithMFAUnsupportedError: AccessDenied,
        sdk.UnknownTokenProviderError: AccessDenied,
        # Which endpoint is meant.
        sdk.BaseEndpointResolverError: InvalidSettings,
        sdk.EndpointProviderError: InvalidSettings,
        sdk.UnknownRegionError: InvalidSettings,
        sdk.InvalidRegionError: InvalidSettings,
        sdk.ServiceNotInRegionError: InvalidSettings,
        sdk.ProfileNotFound: InvalidSettings,
        sdk.ConfigNotFound: InvalidSettings,
        sdk.ConfigParseError: InvalidSettings,
        sdk.InvalidConfigError: InvalidSettings,
        # The SDK refuses what we ask of it, or is not whole.
        sdk.ParamValidationError: RejectedByDatabase,
        sdk.BotoCoreError: Misconfigured,
    }
)
"""The nearest base class counts; BotoCoreError is the base of them all but ClientError."""


def error_of(code: str, message: str, status: int = 400) -> DistributaryError:
    """Our error for an error code of a service. status: of the HTTP answer."""
    name = code.removeprefix("AWS.SimpleQueueService.")
    text = f"{code}: {message}"
    if name in REJECTED and _OVER_THE_SIZE_LIMIT in message:
        return ItemTooLarge(text)
    known = BY_CODE.get(name)
    if known is not None:
        return known(text)
    return Unavailable(text) if status >= _SERVER_FAULT else RetryLater(text)


def item_error(code: str, message: str, status: int = 400) -> DistributaryError | None:
    """What one write met: none when its condition did not hold. An unknown refusal of an item is a refusal."""
    if code in CONDITION_FAILED:
        return None
    error = error_of(code, message, status)
    return RejectedByDatabase(str(error)) if type(error) is RetryLater and code not in BY_CODE else error


def error_from(error: sdk.ClientError | sdk.BotoCoreError, action: str) -> DistributaryError:
    """Our error for one of the SDK. action: what was tried, for the message."""
    if isinstance(error, sdk.ClientError):
        code, message, status = parts_of(error)
        return error_of(code, f"{message} ({action})", status)
    for base in type(error).__mro__:
        if base in BY_CLASS:
            return BY_CLASS[base](f"{type(error).__name__}: {error} ({action})")
    return RetryLater(f"{type(error).__name__}: {error} ({action})")


def parts_of(error: sdk.ClientError) -> tuple[str, str, int]:
    """Code, message and HTTP status of a service's error answer."""
    answer = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return answer.get("Code", "Unknown"), answer.get("Message", ""), status


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Raise our errors in place of the SDK's. action: what is tried, for the message.

    A request that is refused for what it says is no fault of one row here: calls that carry a row map it themselves.
    """
    try:
        yield
    except (sdk.ClientError, sdk.BotoCoreError) as error:
        ours = error_from(error, action)
        if isinstance(ours, Unacceptable):
            raise RetryLater(str(ours)) from error
        raise ours from error
