"""Every error that the SDK can raise where we call it is mapped on purpose, and nothing unknown is dropped."""

from __future__ import annotations

import inspect

import botocore.session
import pytest
from botocore import exceptions as sdk

from distributary.adapters.sdk_errors import (
    _CODES,
    BY_CLASS,
    BY_CODE,
    CONDITION_FAILED,
    error_from,
    error_of,
    item_error,
    translated,
)
from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    ItemTooLarge,
    Misconfigured,
    MissingResource,
    RejectedByDatabase,
    RetryLater,
    Throttled,
    Unavailable,
)

CALLS = {
    "dynamodb": ["BatchExecuteStatement", "BatchGetItem", "DeleteItem", "PutItem", "UpdateItem"],
    "events": ["PutEvents"],
    "sqs": ["ChangeMessageVisibility", "SendMessage"],
}


def codes_of_the_services() -> set[str]:
    session = botocore.session.get_session()
    models = {service: session.get_service_model(service) for service in CALLS}
    codes = {
        str(shape.metadata.get("error", {}).get("code", shape.name))
        for service, operations in CALLS.items()
        for operation in operations
        for shape in models[service].operation_model(operation).error_shapes
    }
    return codes | set(models["dynamodb"].shape_for("BatchStatementErrorCodeEnum").metadata["enum"])


def classes_of_the_sdk() -> list[type[sdk.BotoCoreError]]:
    found = [each for _, each in inspect.getmembers(sdk, inspect.isclass) if issubclass(each, sdk.BotoCoreError)]
    return [each for each in found if each is not sdk.BotoCoreError]


def client_error(code: str, message: str = "", status: int = 400) -> sdk.ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return sdk.ClientError(answer, "PutItem")  # type: ignore[arg-type]


@pytest.mark.parametrize("code", sorted(codes_of_the_services()))
def test_every_code_of_the_operations_that_we_call_is_mapped(code: str) -> None:
    assert code in BY_CODE or code in CONDITION_FAILED


def test_no_code_is_mapped_twice() -> None:
    assert not CONDITION_FAILED & BY_CODE.keys()
    assert sum(map(len, _CODES.values())) == len(BY_CODE)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ProvisionedThroughputExceededException", Throttled),
        ("ThrottlingError", Throttled),
        ("RequestThrottled", Throttled),
        ("InternalServerError", Unavailable),
        ("TransactionConflict", RetryLater),
        ("ExpiredTokenException", RetryLater),
        ("AccessDeniedException", AccessDenied),
        ("AccessDenied", AccessDenied),
        ("UnrecognizedClientException", AccessDenied),
        ("KmsAccessDenied", AccessDenied),
        ("KmsDisabled", Misconfigured),
        ("ResourceNotFoundException", MissingResource),
        ("AWS.SimpleQueueService.NonExistentQueue", MissingResource),
        ("ItemCollectionSizeLimitExceededException", RejectedByDatabase),
    ],
)
def test_a_code_means_the_same_for_a_call_and_for_an_item(code: str, expected: type[DistributaryError]) -> None:
    assert type(error_of(code, "why")) is expected
    assert type(item_error(code, "why")) is expected


@pytest.mark.parametrize("code", sorted(CONDITION_FAILED))
def test_a_lost_condition_is_no_error(code: str) -> None:
    assert item_error(code, "The conditional request failed") is None


@pytest.mark.parametrize("code", ["ValidationException", "ValidationError"])
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Item size has exceeded the maximum allowed size", ItemTooLarge),
        ("Item size to update has exceeded the maximum allowed size", ItemTooLarge),
        ("Number overflow", RejectedByDatabase),
        ("", RejectedByDatabase),
    ],
)
def test_a_refused_item_is_too_large_or_wrong(code: str, message: str, expected: type[DistributaryError]) -> None:
    assert type(item_error(code, message)) is expected


def test_what_nobody_knows_is_retried_and_named() -> None:
    assert type(error_of("Brandnew", "why", 503)) is Unavailable
    assert type(error_of("Brandnew", "why", 400)) is RetryLater
    assert "Brandnew" in str(error_of("Brandnew", "why"))


def test_an_item_that_is_refused_for_reasons_that_nobody_knows_is_parked() -> None:
    assert type(item_error("Brandnew", "why", 400)) is RejectedByDatabase
    assert type(item_error("Brandnew", "why", 500)) is Unavailable


TRANSIENT = {
    "AwsChunkedWrapperError", "CapacityNotAvailableError", "ChecksumError", "ConnectTimeoutError",
    "ConnectionClosedError", "ConnectionError", "CredentialRetrievalError", "EndpointConnectionError",
    "FlexibleChecksumError", "HTTPClientError", "IncompleteReadError", "MetadataRetrievalError",
    "ProxyConnectionError", "ReadTimeoutError", "ResponseStreamingError", "SSLError", "TokenRetrievalError",
    "UnseekableStreamError",
}  # fmt: skip


@pytest.mark.parametrize("kind", classes_of_the_sdk(), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_sdk_is_transient_or_stops_the_work(kind: type[sdk.BotoCoreError]) -> None:
    mapped = next(BY_CLASS[base] for base in kind.__mro__ if base in BY_CLASS)
    if kind.__name__ in TRANSIENT:
        assert issubclass(mapped, RetryLater)
    elif kind is sdk.ParamValidationError:
        assert mapped is RejectedByDatabase
    else:
        assert issubclass(mapped, Misconfigured)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sdk.EndpointConnectionError(endpoint_url="http://x"), Unavailable),
        (sdk.ReadTimeoutError(endpoint_url="http://x"), Unavailable),
        (sdk.ConnectTimeoutError(endpoint_url="http://x"), Unavailable),
        (sdk.ConnectionClosedError(endpoint_url="http://x"), Unavailable),
        (sdk.SSLError(endpoint_url="http://x", error=OSError("bad")), Unavailable),
        (sdk.NoCredentialsError(), AccessDenied),
        (client_error("ThrottlingException"), Throttled),
        (client_error("503", status=503), Unavailable),
    ],
)
def test_errors_say_what_was_tried(error: sdk.ClientError | sdk.BotoCoreError, expected: type[Exception]) -> None:
    with pytest.raises(expected, match="sending") as raised, translated("sending"):
        raise error
    assert raised.value.__cause__ is error
    assert type(error_from(error, "sending")) is expected


@pytest.mark.parametrize(
    "error",
    [
        client_error("ValidationException"),
        client_error("SerializationException"),
        sdk.ParamValidationError(report="odd"),
    ],
)
def test_a_call_without_rows_is_never_parked(error: sdk.ClientError | sdk.BotoCoreError) -> None:
    with pytest.raises(RetryLater), translated("reading"):
        raise error


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), translated("reading"):
        raise ZeroDivisionError
