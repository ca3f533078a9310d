"""Alerts as EventBridge events on the region's default bus, for automation to act on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from distributary.adapters.sdk_errors import error_of, translated
from distributary.domain.alert import Alert

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "distributary"
ALERT = "Replication Alert"
AT_ONCE = 10
"""Entries that one request may have."""


class EventBridgeAnnouncements:
    """`ports.Announcements` over the default event bus."""

    def __init__(self, client: EventBridgeClient, *, dataset: str, region: str) -> None:
        self._client, self._dataset, self._region = client, dataset, region

    def announce(self, alerts: Sequence[Alert]) -> None:
        """See `ports.Announcements`."""
        for start in range(0, len(alerts), AT_ONCE):
            entries = [self._entry(alert) for alert in alerts[start : start + AT_ONCE]]
            with translated("PutEvents"):
                answer = self._client.put_events(Entries=entries)  # type: ignore[arg-type]
            for refused in (each for each in answer["Entries"] if "ErrorCode" in each):
                raise error_of(refused["ErrorCode"], refused.get("ErrorMessage", ""))

    def _entry(self, alert: Alert) -> dict[str, str]:
        detail = {
            "dataset": self._dataset,
            "region": self._region,
            "kind": alert.kind.value,
            "subject": alert.subject,
            "detail": alert.detail,
        }
        return {"Source": SOURCE, "DetailType": ALERT, "Detail": json.dumps(detail)}
