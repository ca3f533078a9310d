"""Every error of the RDS Data API is mapped on purpose, and what the database says in one is read out of it."""

from __future__ import annotations

import botocore.session
import pytest
from botocore import exceptions as sdk

from distributary.adapters.aurora.data_api_errors import BY_KIND, error_from, translated
from distributary.adapters.aurora.sqlstates import BY_STATE
from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    InvalidSettings,
    ItemTooLarge,
    Misconfigured,
    MissingResource,
    ParentMissing,
    RejectedByDatabase,
    RetryLater,
    Throttled,
    Unavailable,
    UniqueClash,
)

CALLS = ("BeginTransaction", "CommitTransaction", "ExecuteStatement", "RollbackTransaction")


def errors_of_the_model() -> list[str]:
    model = botocore.session.get_session().get_service_model("rds-data")
    return sorted({shape.name for call in CALLS for shape in model.operation_model(call).error_shapes})


def client_error(kind: str, message: str = "", status: int = 400) -> sdk.ClientError:
    answer = {"Error": {"Code": kind, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return sdk.ClientError(answer, "ExecuteStatement")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", errors_of_the_model())
def test_every_error_of_the_api_is_mapped(kind: str) -> None:
    error = error_from(client_error(kind, "text"), "ExecuteStatement")
    assert type(error) is BY_KIND[kind]
    assert str(error) == f"{kind}: text (ExecuteStatement)"


def test_nothing_is_mapped_that_the_api_does_not_know() -> None:
    assert {kind for kind in BY_KIND if kind.endswith(("Exception", "Error"))} - {"RequestEntityTooLargeException"} == {
        *errors_of_the_model()
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("TransactionNotFoundException", RetryLater),
        ("StatementTimeoutException", Throttled),
        ("ServiceUnavailableError", Unavailable),
        ("ForbiddenException", AccessDenied),
        ("HttpEndpointNotEnabledException", InvalidSettings),
        ("DatabaseNotFoundException", MissingResource),
        ("UnsupportedResultException", Misconfigured),
        ("ThrottlingException", Throttled),
        ("ExpiredTokenException", RetryLater),
        ("NeverHeardOf", RetryLater),
    ],
)
def test_what_is_to_be_done_about_an_error(kind: str, expected: type[DistributaryError]) -> None:
    assert type(error_from(client_error(kind), "ExecuteStatement")) is expected


@pytest.mark.parametrize("state", BY_STATE)
@pytest.mark.parametrize("kind", ["DatabaseErrorException", "BadRequestException"])
def test_the_state_of_the_database_counts_before_the_kind(kind: str, state: str) -> None:
    error = error_from(client_error(kind, f"ERROR: no; SQLState: {state}"), "ExecuteStatement")
    assert type(error) is BY_STATE[state]
    assert str(error) == f"{state}: no"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("ERROR: a; b; SQLState: 23514", "a; b"),
        ("ERROR: a\n  Detail: Key (k)=(secret).; SQLState: 23514", "a"),
        ("ERROR: a\n  Where: line 1\n  Position: 3; SQLState: 23514", "a"),
        ("ERROR: a; Position: 12; SQLState: 23514", "a"),
        ("FATAL: a: b; SQLState: 23514", "a: b"),
        ("a; SQLState: 23514", "a"),
    ],
)
def test_details_are_left_out_since_they_hold_values_of_rows(message: str, said: str) -> None:
    error = error_from(client_error("DatabaseErrorException", message), "ExecuteStatement")
    assert (type(error), str(error)) == (RejectedByDatabase, f"23514: {said}")


@pytest.mark.parametrize("name", ["t_v_key", 'odd "name"', "水"])
def test_a_clash_names_its_constraint(name: str) -> None:
    message = (
        f'ERROR: duplicate key value violates unique constraint "{name}"\n  Detail: Key ("v")=(1).; SQLState: 23505'
    )
    error = error_from(client_error("DatabaseErrorException", message), "ExecuteStatement")
    assert isinstance(error, UniqueClash)
    assert error.constraint == name


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("DatabaseErrorException", "Database returned more than the allowed response size limit"),
        ("BadRequestException", "Database response exceeded size limit"),
        ("BadRequestException", "Packet for query is too large"),
        ("RequestEntityTooLargeException", ""),
        ("413", "Request Entity Too Large"),
    ],
)
def test_what_is_too_large_can_be_halved(kind: str, message: str) -> None:
    assert type(error_from(client_error(kind, message), "ExecuteStatement")) is ItemTooLarge


def test_a_constraint_that_is_named_for_a_size_limit_is_no_limit() -> None:
    message = 'ERROR: insert violates foreign key constraint "size limit"; SQLState: 23503'
    assert type(error_from(client_error("DatabaseErrorException", message), "")) is ParentMissing


def test_the_network_is_not_the_database() -> None:
    with pytest.raises(Unavailable, match="BeginTransaction"), translated("BeginTransaction"):
        raise sdk.EndpointConnectionError(endpoint_url="https://rds-data")
