"""Alerts and conflicts as EventBridge events on the region's default bus, for automation to act on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from distributary.adapters.sdk_errors import error_of, translated
from distributary.domain.alert import Alert
from distributary.domain.errors import DistributaryError, RetryLater, Unacceptable
from distributary.domain.journal import Entry, Trace
from distributary.domain.stamp import version_text
from distributary.domain.version import MICROSECONDS

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "distributary"
ALERT = "Replication Alert"
CONFLICT = "Replication Conflict"
AT_ONCE = 10
"""Entries that one request may have."""

DETAIL_LIMIT = 1_000
"""Characters of an alert's detail: an error's message may be long, and a request's entries have 256 KiB together."""


class EventBridgeAnnouncements:
    """`ports.Announcements` over the default event bus."""

    def __init__(self, client: EventBridgeClient, *, dataset: str, region: str) -> None:
        self._client, self._dataset, self._region = client, dataset, region

    def announce(self, alerts: Sequence[Alert]) -> None:
        """See `ports.Announcements`. What is refused keeps none of the others back; the first refusal is raised."""
        refusals: list[DistributaryError] = []
        for start in range(0, len(alerts), AT_ONCE):
            try:
                outcomes = put(self._client, [self._entry(alert) for alert in alerts[start : start + AT_ONCE]])
                refusals += [refusal for refusal in outcomes if refusal is not None]
            except DistributaryError as error:
                refusals.append(error)
        for refusal in refusals:
            raise RetryLater(str(refusal)) if isinstance(refusal, Unacceptable) else refusal

    def _entry(self, alert: Alert) -> dict[str, str]:
        detail = {
            "dataset": self._dataset,
            "region": self._region,
            "kind": alert.kind.value,
            "subject": alert.subject,
            "detail": alert.detail[:DETAIL_LIMIT],
        }
        return event(ALERT, detail)


class EventBridgeConflicts:
    """Conflicts on the default event bus. client_for: makes the SDK's client, when the first one is to be told."""

    def __init__(self, client_for: Callable[[], EventBridgeClient]) -> None:
        self._client_for = client_for

    def publish(self, entries: Sequence[Entry]) -> dict[str, DistributaryError]:
        """Tell of conflicts; why some were not told, by their ids. After a request that fails as a whole none is."""
        missed: dict[str, DistributaryError] = {}
        for start in range(0, len(entries), AT_ONCE):
            some = entries[start : start + AT_ONCE]
            try:
                with translated("finding a client for events"):
                    client = self._client_for()
                outcomes = put(client, [conflict_event(each) for each in some])
            except DistributaryError as error:
                return missed | {each.id: error for each in entries[start:]}
            missed |= {each.id: error for each, error in zip(some, outcomes, strict=True) if error is not None}
        return missed


def event(kind: str, detail: Mapping[str, Any]) -> dict[str, str]:
    """One entry of a request."""
    return {"Source": SOURCE, "DetailType": kind, "Detail": json.dumps(detail)}


def put(client: EventBridgeClient, events: Sequence[dict[str, str]]) -> list[DistributaryError | None]:
    """The outcome of each event, at most AT_ONCE; raises what the request as a whole met."""
    with translated("PutEvents"):
        answer = client.put_events(Entries=events)  # type: ignore[arg-type]
    return [
        error_of(each["ErrorCode"], each.get("ErrorMessage", "")) if "ErrorCode" in each else None
        for each in answer["Entries"]
    ]


def conflict_event(entry: Entry) -> dict[str, str]:
    """A conflict as everybody on the bus may read it: no key and no value of a row."""
    detail = {
        "id": entry.id,
        "dataset": entry.dataset,
        "table": entry.table,
        "region": entry.region,
        "row": entry.row,
        "at": datetime.fromtimestamp(entry.at / MICROSECONDS, UTC).isoformat(timespec="microseconds"),
        "arriving": _side(entry.arriving),
        "present": _side(entry.present),
        "policy": entry.policy,
        "resolution": entry.resolution.value,
        "lost": entry.loses,
    }
    return event(CONFLICT, detail)


def _side(trace: Trace) -> dict[str, Any]:
    return {"version": version_text(trace.version), "region": trace.version.region, "deleted": trace.deleted}
