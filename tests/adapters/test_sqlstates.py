"""Every error code that the driver of PostgreSQL knows is mapped on purpose: to a retry, to parking, or to a stop."""

from __future__ import annotations

import inspect

import psycopg
import pytest
from psycopg import errors as server

from distributary.adapters.aurora.psycopg_session import translated
from distributary.adapters.aurora.sqlstates import BY_CLASS, BY_STATE, error_of
from distributary.domain.errors import (
    AccessDenied,
    Disposition,
    DistributaryError,
    InvalidSettings,
    ItemTooLarge,
    Misconfigured,
    MissingResource,
    NotInstalled,
    ParentMissing,
    RejectedByDatabase,
    RetryLater,
    SchemaDiffers,
    Throttled,
    Unavailable,
    UniqueClash,
)

KNOWN: dict[str, type[psycopg.Error]] = {
    kind.sqlstate: kind
    for _, kind in inspect.getmembers(server, inspect.isclass)
    if issubclass(kind, psycopg.Error) and kind.sqlstate is not None
}
CLASSES = sorted({state[:2] for state in KNOWN})

RETRIED = {
    "03", "08", "0B", "25", "26", "34", "3B", "40", "55", "57", "58", "72", "XX",
}  # fmt: skip
"""Classes of which every state passes by itself, but for those in STOPPED: the server, the session, other transactions.

Of class 53 the limits that an operator has set stop the work.
"""

PARKED = {
    "02", "09", "0F", "0Z", "10", "20", "21", "22", "24", "27", "2B", "2D", "2F", "38", "39", "44", "54", "HV", "P0",
}  # fmt: skip
"""Classes of which every state is about what the row says, or about code of the database's own that it has set off."""

STOPPED = {"28000", "28P01", "0L000", "0LP01", "0P000", "3D000", "57P04", "F0000", "F0001", "53400", "42501", "3F000"}
"""What only an operator can mend."""

WAITED_FOR = {"23503", "42703", "42704", "42883", "42P01"}
"""What a statement says, but what DDL or another change, which has yet to come, will make right."""


def disposition(state: str) -> Disposition:
    return error_of(state, "why").disposition


def test_the_driver_tells_its_codes() -> None:
    assert len(KNOWN) > 200
    assert {"08006", "23505", "40001", "57P01", "XX000"} <= KNOWN.keys()


@pytest.mark.parametrize("prefix", CLASSES)
def test_every_class_of_codes_is_mapped(prefix: str) -> None:
    assert prefix in BY_CLASS


@pytest.mark.parametrize("state", sorted(BY_STATE))
def test_every_code_that_is_mapped_by_itself_is_one(state: str) -> None:
    assert state in KNOWN


@pytest.mark.parametrize("prefix", sorted(BY_CLASS))
def test_every_class_that_is_mapped_is_one(prefix: str) -> None:
    assert prefix in CLASSES


@pytest.mark.parametrize("state", sorted(state for state in KNOWN if state[:2] in RETRIED and state not in STOPPED))
def test_what_passes_by_itself_is_retried(state: str) -> None:
    assert disposition(state) is Disposition.RETRY


@pytest.mark.parametrize("state", sorted(state for state in KNOWN if state[:2] in PARKED))
def test_what_a_row_says_is_parked(state: str) -> None:
    assert disposition(state) is Disposition.PARK


@pytest.mark.parametrize("state", sorted(STOPPED))
def test_what_only_an_operator_can_mend_stops_the_work(state: str) -> None:
    assert disposition(state) is Disposition.STOP


@pytest.mark.parametrize("state", sorted(WAITED_FOR))
def test_what_has_yet_to_come_is_waited_for(state: str) -> None:
    assert disposition(state) is Disposition.RETRY


@pytest.mark.parametrize("state", sorted(s for s in KNOWN if s[:2] in {"23", "42"} and s not in WAITED_FOR | STOPPED))
def test_a_constraint_or_a_type_that_the_row_breaks_parks_it(state: str) -> None:
    assert issubclass(type(error_of(state, "why")), RejectedByDatabase)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("08000", Unavailable), ("08003", Unavailable), ("08006", Unavailable), ("08001", Unavailable),
        ("25006", Unavailable), ("55000", Unavailable), ("55006", Unavailable),
        ("57P01", Unavailable), ("57P02", Unavailable), ("57P03", Unavailable), ("57P05", Unavailable),
        ("58030", Unavailable), ("53200", Unavailable),
        ("53100", Throttled), ("53300", Throttled), ("57014", Throttled),
        ("53400", InvalidSettings),
        ("23503", ParentMissing), ("23505", UniqueClash),
        ("23502", RejectedByDatabase), ("23514", RejectedByDatabase), ("23P01", UniqueClash),
        ("22001", RejectedByDatabase), ("22003", RejectedByDatabase), ("22P02", RejectedByDatabase),
        ("22P05", RejectedByDatabase), ("22021", RejectedByDatabase), ("P0001", RejectedByDatabase),
        ("42804", RejectedByDatabase), ("42601", RejectedByDatabase), ("428C9", RejectedByDatabase),
        ("42703", SchemaDiffers), ("42P01", SchemaDiffers), ("42704", SchemaDiffers), ("42883", SchemaDiffers),
        ("54000", ItemTooLarge), ("54001", ItemTooLarge), ("54011", ItemTooLarge), ("54023", ItemTooLarge),
        ("28000", AccessDenied), ("28P01", AccessDenied), ("42501", AccessDenied),
        ("3D000", MissingResource), ("57P04", MissingResource),
        ("3F000", NotInstalled),
    ],
)  # fmt: skip
def test_a_code_has_its_error(state: str, expected: type[DistributaryError]) -> None:
    assert type(error_of(state, "why")) is expected


@pytest.mark.parametrize("state", ["40001", "40P01", "40003", "55P03", "XX000", "XX001", "25P02", "25P03", "26000"])
def test_what_another_transaction_or_the_server_is_at_fault_for_is_retried(state: str) -> None:
    assert isinstance(error_of(state, "why"), RetryLater)


@pytest.mark.parametrize("state", ["ZZ999", "99999", ""])
def test_a_code_that_nobody_knows_is_retried_and_named(state: str) -> None:
    error = error_of(state, "brand new")
    assert type(error) is RetryLater
    assert str(error) == f"{state}: brand new"


def test_a_connection_that_broke_before_the_server_could_say_why_is_retried() -> None:
    assert type(error_of(None, "the connection is lost")) is Unavailable


@pytest.mark.parametrize(
    ("state", "said", "told"),
    [
        ("22P02", 'invalid input syntax for type integer: "DE02 1203"', "invalid input syntax for type integer"),
        ("22003", 'value "DE02" is out of range for type integer', 'value "…" is out of range for type integer'),
        ("22003", '"1e999" is out of range for type real', '"…" is out of range for type real'),
        ("22023", 'time zone "a"\nb" not recognized', 'time zone "…" not recognized'),
        ("42601", 'syntax error in tsquery: "DE02 &"', "syntax error in tsquery"),
    ],
)
def test_a_value_of_a_row_is_not_told(state: str, said: str, told: str) -> None:
    assert str(error_of(state, said)) == f"{state}: {told}"


def test_a_code_says_why() -> None:
    assert str(error_of("22001", "value too long")) == "22001: value too long"


def test_a_clash_names_its_constraint() -> None:
    clash = error_of("23505", "duplicate", constraint="orders_number")
    assert isinstance(clash, UniqueClash)
    assert clash.constraint == "orders_number"


@pytest.mark.parametrize("state", sorted(KNOWN))
def test_an_error_of_the_driver_becomes_one_of_ours(state: str) -> None:
    ours = translated(KNOWN[state]("said by nobody"))
    assert type(ours) is type(error_of(state, ""))
    assert isinstance(ours, DistributaryError)


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("timed out"), psycopg.InterfaceError("closed"), psycopg.OperationalError()]
)
def test_an_error_of_the_driver_without_a_code_is_retried_and_says_something(error: psycopg.Error) -> None:
    ours = translated(error)
    assert type(ours) is Unavailable
    assert str(ours)


def test_no_code_is_both_an_operators_and_not() -> None:
    stopped = {state for state in KNOWN if issubclass(type(error_of(state, "")), Misconfigured)}
    assert stopped == STOPPED
