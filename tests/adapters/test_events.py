"""Alerts and conflicts become events of the region's bus, ten at a time, and what the bus refuses is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import botocore.session
import pytest
from botocore.stub import ANY, Stubber
from mypy_boto3_events import EventBridgeClient

from distributary.adapters.events import AT_ONCE, EventBridgeAnnouncements, EventBridgeConflicts
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.conflict import Resolution
from distributary.domain.errors import AccessDenied, DistributaryError, RetryLater, Throttled, Unavailable
from distributary.domain.journal import REDACTS_NOTHING, Entry, entry_of
from distributary.domain.stamp import version_text
from tests.unit.conflicts import conflict

REQUEST_LIMIT = 256 * 1024
"""Bytes of all entries of a request, by the smaller of the limits that EventBridge has had."""

ALERT = Alert(AlertKind.TRUNCATED, '"public"."orders"', "in the transaction at 0/15E3A48")


@dataclass(frozen=True)
class Bus:
    """The real client, with answers that are laid down beforehand; entries: of every request."""

    stub: Stubber
    announcements: EventBridgeAnnouncements
    conflicts: EventBridgeConflicts
    entries: list[list[dict[str, Any]]]

    def answers(self, entries: int, *refused: tuple[int, str]) -> None:
        """Expect a request of so many entries; some are refused with a code."""
        told: list[dict[str, str]] = [{"EventId": str(at)} for at in range(entries)]
        for at, code in refused:
            told[at] = {"ErrorCode": code, "ErrorMessage": "why"}
        self.stub.add_response(
            "put_events", {"FailedEntryCount": len(refused), "Entries": told}, {"Entries": [ANY] * entries}
        )


@pytest.fixture
def bus() -> Iterator[Bus]:
    session = botocore.session.get_session()
    session.set_credentials("test", "test")
    client = session.create_client("events", region_name="eu-west-1")
    entries: list[list[dict[str, Any]]] = []
    client.meta.events.register(
        "provide-client-params.events.PutEvents", lambda params, **_: entries.append(params["Entries"])
    )
    with Stubber(client) as stub:
        yield Bus(
            stub,
            EventBridgeAnnouncements(cast("EventBridgeClient", client), dataset="shop", region="eu-west-1"),
            EventBridgeConflicts(lambda: cast("EventBridgeClient", client)),
            entries,
        )
        stub.assert_no_pending_responses()


def alerts(count: int) -> list[Alert]:
    return [Alert(AlertKind.SCHEMA_CHANGED, f'"public"."t{at}"', "another column") for at in range(count)]


def test_an_alert_says_what_was_seen_where(bus: Bus) -> None:
    bus.answers(1)
    bus.announcements.announce([ALERT])
    ((entry,),) = bus.entries
    assert (entry["Source"], entry["DetailType"]) == ("distributary", "Replication Alert")
    assert json.loads(entry["Detail"]) == {
        "dataset": "shop",
        "region": "eu-west-1",
        "kind": "truncated",
        "subject": '"public"."orders"',
        "detail": "in the transaction at 0/15E3A48",
    }


def test_an_event_goes_to_the_default_bus_that_the_role_may_use(bus: Bus) -> None:
    bus.answers(1)
    bus.announcements.announce([ALERT])
    assert "EventBusName" not in bus.entries[0][0]


def test_no_alerts_make_no_request(bus: Bus) -> None:
    bus.announcements.announce([])
    assert bus.entries == []


@pytest.mark.parametrize(
    ("count", "requests"), [(1, [1]), (AT_ONCE, [10]), (AT_ONCE + 1, [10, 1]), (25, [10, 10, 5]), (30, [10, 10, 10])]
)
def test_a_request_has_no_more_entries_than_it_may(bus: Bus, count: int, requests: list[int]) -> None:
    for entries in requests:
        bus.answers(entries)
    bus.announcements.announce(alerts(count))
    told = [json.loads(entry["Detail"])["subject"] for entries in bus.entries for entry in entries]
    assert told == [alert.subject for alert in alerts(count)]


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_of_alert_can_be_told(bus: Bus, kind: AlertKind) -> None:
    bus.answers(1)
    bus.announcements.announce([Alert(kind, "shop", "why")])
    assert json.loads(bus.entries[0][0]["Detail"])["kind"] == kind.value


@pytest.mark.parametrize("text", ["x", "漢", "😀", '"', "\\", "\x00", "\ud800"])
def test_a_request_of_the_longest_details_is_under_the_limit(bus: Bus, text: str) -> None:
    bus.answers(AT_ONCE)
    bus.announcements.announce([Alert(AlertKind.NOT_SHIPPED, '"' + text * 126 + '"', text * 500_000)] * AT_ONCE)
    (entries,) = bus.entries
    assert sum(len(str(value).encode()) for entry in entries for value in entry.values()) < REQUEST_LIMIT


# --- what is refused


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ThrottlingException", Throttled),
        ("InternalFailure", Unavailable),
        ("InternalException", Unavailable),
        ("AccessDeniedException", AccessDenied),
        ("NotAuthorizedForSourceException", RetryLater),
        ("MalformedDetail", RetryLater),
        ("InvalidArgument", RetryLater),
        ("ValidationException", RetryLater),
        ("Brandnew", RetryLater),
    ],
)
def test_an_entry_that_is_refused_is_raised_and_never_parked(
    bus: Bus, code: str, expected: type[DistributaryError]
) -> None:
    bus.answers(3, (1, code))
    with pytest.raises(DistributaryError, match=code) as raised:
        bus.announcements.announce(alerts(3))
    assert type(raised.value) is expected


def test_a_refused_entry_keeps_no_other_back(bus: Bus) -> None:
    bus.answers(10, (0, "MalformedDetail"))
    bus.answers(10)
    bus.answers(2, (1, "ThrottlingException"))
    with pytest.raises(RetryLater, match="MalformedDetail"):
        bus.announcements.announce(alerts(22))
    assert [len(entries) for entries in bus.entries] == [10, 10, 2]


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("InternalException", 500, Unavailable),
        ("ThrottlingException", 400, Throttled),
        ("AccessDeniedException", 400, AccessDenied),
        ("ValidationException", 400, RetryLater),
        ("RequestEntityTooLarge", 413, RetryLater),
        ("Brandnew", 400, RetryLater),
    ],
)
def test_a_request_that_fails_is_told_and_keeps_no_other_back(
    bus: Bus, code: str, status: int, expected: type[DistributaryError]
) -> None:
    bus.stub.add_client_error("put_events", code, "why", http_status_code=status)
    bus.answers(1)
    with pytest.raises(DistributaryError, match="why") as raised:
        bus.announcements.announce(alerts(11))
    assert type(raised.value) is expected
    assert [len(entries) for entries in bus.entries] == [10, 1]


# --- conflicts


def entry(number: int = 0, **changes: Any) -> Entry:
    return entry_of(conflict(f"order-{number}", **changes), REDACTS_NOTHING, 90)


def test_a_conflict_is_told_without_key_or_values(bus: Bus) -> None:
    bus.answers(1)
    assert bus.conflicts.publish([entry()]) == {}
    ((told,),) = bus.entries
    assert (told["Source"], told["DetailType"]) == ("distributary", "Replication Conflict")
    detail = json.loads(told["Detail"])
    assert detail == {
        "id": entry().id,
        "dataset": "orders",
        "table": "orders",
        "region": "us-east-1",
        "row": entry().row,
        "at": "2026-11-25T09:46:40.000000+00:00",
        "arriving": {"version": version_text(conflict().arriving.version), "region": "eu-west-1", "deleted": False},
        "present": {"version": version_text(conflict().present.version), "region": "us-east-1", "deleted": False},
        "policy": "last_writer_wins",
        "resolution": "arrived",
        "lost": True,
    }
    assert "order-0" not in told["Detail"]


def test_what_shows_both_states_has_lost_none(bus: Bus) -> None:
    bus.answers(1)
    bus.conflicts.publish([entry(resolution=Resolution.MERGED)])
    assert json.loads(bus.entries[0][0]["Detail"])["lost"] is False


def test_conflicts_that_the_bus_refuses_are_told_apart(bus: Bus) -> None:
    some = [entry(number) for number in range(12)]
    bus.answers(10, (3, "ThrottlingException"))
    bus.answers(2)
    missed = bus.conflicts.publish(some)
    assert {name: type(error) for name, error in missed.items()} == {some[3].id: Throttled}


def test_after_a_request_that_fails_no_more_conflicts_are_told(bus: Bus) -> None:
    some = [entry(number) for number in range(25)]
    bus.answers(10)
    bus.stub.add_client_error("put_events", "AccessDeniedException", "why")
    assert bus.conflicts.publish(some).keys() == {each.id for each in some[10:]}
