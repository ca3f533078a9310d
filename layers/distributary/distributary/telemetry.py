"""Facts into log lines and metrics (Powertools, EMF). Keys and contents of rows are never logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from distributary.domain.alert import AlertKind
from distributary.domain.errors import Disposition, DistributaryError
from distributary.domain.facts import ApplyReport, CaptureReport, ForwardReport, LogReport
from distributary.domain.version import MICROSECONDS

LAG_SAMPLES = 99
"""Values of one metric that fit one EMF line; with the hundredth Powertools writes the line, and warns at its end."""


@cache
def _logger() -> Logger:
    return Logger()


def captured(report: CaptureReport) -> None:
    """Tell of one batch of stream records."""
    held = {peer: _name(error) for peer, error in report.held.items()}
    parked = Counter(parcel.reason for parcel in report.parked)
    failure = report.failure.error if report.failure else None
    facts = {
        "records": report.records,
        "origins": {origin.value: count for origin, count in report.origins.items()},
        "shipped": dict(report.shipped),
        "held": held,
        "conflicts": report.conflicts,
        "unjournaled": report.unjournaled,
        "parked": dict(parked),
    }
    _tell("captured", facts, [failure] if failure else list(report.held.values()))
    _measure(
        {
            "LocalWrites": sum(count for origin, count in report.origins.items() if origin.local),
            "Echoes": sum(count for origin, count in report.origins.items() if not origin.local),
            "ChangesShipped": sum(report.shipped.values()),
            "PeersHeld": len(held),
            "Parked": len(report.parked),
            "BatchesStopped": int(failure is not None),
            "JournalMissed": report.unjournaled,
        }
    )


def followed(report: LogReport) -> None:
    """Tell of one period of following a log."""
    facts = {
        "writes": report.writes,
        "echoes": report.echoes,
        "overtaken": report.overtaken,
        "shipped": dict(report.shipped),
        "held": {peer: _name(error) for peer, error in report.held.items()},
        "parked": dict(Counter(parcel.reason for parcel in report.parked)),
        "alerts": [
            {"kind": alert.kind.value, "subject": alert.subject, "detail": alert.detail} for alert in report.alerts
        ],
        "unannounced": report.unannounced,
        "retained": report.retained,
        "busy": report.busy,
        "conflicts": report.conflicts,
        "unjournaled": report.unjournaled,
    }
    _tell("followed", facts, [report.failure] if report.failure else list(report.held.values()))
    kinds = Counter(alert.kind for alert in report.alerts)
    _measure(
        {
            "LocalWrites": report.writes,
            "Echoes": report.echoes,
            "ChangesShipped": sum(report.shipped.values()),
            "PeersHeld": len(report.held),
            "Parked": len(report.parked),
            "PeriodsFollowed": int(not report.busy and report.failure is None),
            "Truncates": kinds[AlertKind.TRUNCATED],
            "SchemaChanges": kinds[AlertKind.SCHEMA_CHANGED],
            "Unstamped": kinds[AlertKind.UNSTAMPED] + kinds[AlertKind.TRIGGERS_OFF],
            "NotShipped": kinds[AlertKind.UNKNOWN_KEY] + kinds[AlertKind.NOT_SHIPPED],
            "SlotLost": kinds[AlertKind.SLOT_LOST],
            "RetainedLog": report.retained,
            "JournalMissed": report.unjournaled,
        }
    )


def applied(report: ApplyReport) -> None:
    """Tell of one batch of inbox messages."""
    lags = sorted(report.lags)
    facts = {
        "messages": report.messages,
        "effects": {effect.value: count for effect, count in report.effects.items()},
        "homes": dict(report.homes),
        "conflicts": {home: count for home, count in report.conflicts.items() if count},
        "unjournaled": report.unjournaled,
        "lag_ms": lags[len(lags) // 2] // 1000 if lags else None,
        "parked": dict(Counter(parcel.reason for parcel in report.parked)),
        "again": dict(Counter(map(_name, report.failed.values()))),
    }
    _tell("applied", facts, list(report.failed.values()))
    _measure(
        {
            "ChangesApplied": sum(report.effects.values()),
            "Conflicts": sum(report.conflicts.values()),
            "JournalMissed": report.unjournaled,
            "Parked": len(report.parked),
            "MessagesAgain": len(report.failed),
            "InboxWait": report.waited // MICROSECONDS,
        },
        lags=lags[:: max(1, -(-len(lags) // LAG_SAMPLES))],
    )


def forwarded(report: ForwardReport) -> None:
    """Tell of one batch of outbox messages."""
    facts = {
        "messages": report.messages,
        "sent": dict(report.sent),
        "parked": dict(Counter(parcel.reason for parcel in report.parked)),
        "again": dict(Counter(map(_name, report.failed.values()))),
    }
    _tell("forwarded", facts, list(report.failed.values()))
    _measure(
        {
            "MessagesForwarded": sum(report.sent.values()),
            "MessagesAgain": len(report.failed),
            "OutboxWait": report.waited // MICROSECONDS,
        }
    )


def unjournaled(error: DistributaryError) -> None:
    """Tell why conflicts are not on record, or not announced; how many stands in the facts of the batch."""
    _tell("unjournaled", {}, [error])


def _tell(what: str, facts: Mapping[str, Any], errors: list[DistributaryError]) -> None:
    if not errors:
        _logger().info(what, extra=dict(facts))
        return
    worst = max(errors, key=lambda error: error.disposition is Disposition.STOP)
    trouble = {"error": _name(worst), "detail": str(worst), "hint": worst.hint}
    _logger().warning(what, extra={**facts, **trouble})


def _measure(values: Mapping[str, int], lags: list[int] | None = None) -> None:
    metrics = Metrics()
    for name, value in values.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    for lag in lags or ():
        metrics.add_metric(name="Lag", unit=MetricUnit.Milliseconds, value=lag / 1000)
    metrics.flush_metrics()


def _name(error: DistributaryError) -> str:
    return type(error).__name__
