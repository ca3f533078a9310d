"""What each file of events/ must lead to: the facts that the function tells in its log."""

from __future__ import annotations

from typing import Any

ECHO = {"origins": {"echo": 1}, "shipped": {}}
SHIPPED = {"eu-west-1": 1, "ap-southeast-2": 1}


def _local(origin: str) -> dict[str, Any]:
    return {"origins": {origin: 1}, "shipped": SHIPPED, "parked": {}}


def _parked(reason: str) -> dict[str, Any]:
    return {"parked": {reason: 1}}


EXPECTED: dict[str, dict[str, Any]] = {
    "capture_dynamodb/insert": _local("unstamped"),
    "capture_dynamodb/modify": _local("unstamped"),
    "capture_dynamodb/remove": _local("deleted"),
    "capture_dynamodb/ttl_remove": _local("expired"),
    "capture_dynamodb/echo_insert": ECHO,
    "capture_dynamodb/echo_replace": ECHO,
    "capture_dynamodb/echo_restamp": ECHO,
    "capture_dynamodb/echo_remove": ECHO,
    "capture_dynamodb/stamped_put": _local("stamped"),
    "capture_dynamodb/copied_stamp": _local("unstamped"),
    "capture_dynamodb/forged_future_stamp": _local("unstamped"),
    "capture_dynamodb/unreadable_stamp": _local("unstamped"),
    "capture_dynamodb/no_new_image": {"parked": {"MalformedRecord": 1}, "shipped": {}},
    "capture_dynamodb/reserved_words_and_dots": _local("unstamped"),
    "capture_dynamodb/empty": {"records": 0, "shipped": {}, "parked": {}},
    "apply/put": {"effects": {"inserted": 1}},
    "apply/delete": {"effects": {"deleted": 1}},
    "apply/many": {"effects": {"inserted": 20}},
    "apply/deflated": {"effects": {"inserted": 1}},
    "apply/not_ours": _parked("MalformedMessage"),
    "apply/unknown_dataset": _parked("UnknownDataset"),
    "apply/other_policies": _parked("PoliciesDiffer"),
    "apply/newer_policies": {"again": {"PoliciesAhead": 1}, "parked": {}},
    "apply/unknown_format": _parked("UnknownFormat"),
    "apply/future_version": _parked("ClockDrift"),
    "apply/stale": _parked("StaleChange"),
    "apply/empty": {"messages": 0, "parked": {}},
    "forward/held": {"sent": {"eu-west-1": 1}},
    "forward/unknown_destination": _parked("MalformedMessage"),
    "forward/empty": {"messages": 0, "sent": {}},
}

COMES_AGAIN = {"apply/newer_policies"}
"""Whose only message is not done with."""

FOLLOWED: dict[str, dict[str, Any]] = {
    "capture_aurora/scheduled": {"writes": 2, "echoes": 1, "shipped": {"eu-west-1": 2, "ap-southeast-2": 2}},
}
"""The same for the function that follows a log, where the log holds two writes of an application and one of ours."""
