"""Alerts as EventBridge events on the region's default bus, for automation to act on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from distributary.adapters.sdk_errors import error_of, translated
from distributary.domain.alert import Alert
from distributary.domain.errors import DistributaryError, RetryLater, Unacceptable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "distributary"
ALERT = "Replication Alert"
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
                refusals += self._put([self._entry(alert) for alert in alerts[start : start + AT_ONCE]])
            except DistributaryError as error:
                refusals.append(error)
        for refusal in refusals:
            raise RetryLater(str(refusal)) if isinstance(refusal, Unacceptable) else refusal

    def _put(self, entries: list[dict[str, str]]) -> list[DistributaryError]:
        with translated("PutEvents"):
            answer = self._client.put_events(Entries=entries)  # type: ignore[arg-type]
        refused = (each for each in answer["Entries"] if "ErrorCode" in each)
        return [error_of(each["ErrorCode"], each.get("ErrorMessage", "")) for each in refused]

    def _entry(self, alert: Alert) -> dict[str, str]:
        detail = {
            "dataset": self._dataset,
            "region": self._region,
            "kind": alert.kind.value,
            "subject": alert.subject,
            "detail": alert.detail[:DETAIL_LIMIT],
        }
        return {"Source": SOURCE, "DetailType": ALERT, "Detail": json.dumps(detail)}
