"""Every metric of ours that an alarm or the dashboard watches is told by a function, under the same dimension."""

from __future__ import annotations

import json
import sys
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools.logging import Logger

from distributary import telemetry
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.errors import NotInstalled, SlotLost, Unavailable
from distributary.domain.facts import ApplyReport, CaptureReport, ForwardReport, LogReport
from distributary.domain.merge import Effect
from tests.template.stack import Stack, read

NAMESPACE, SERVICE = "Distributary", "distributary-shop"
ALARM_OF = {
    AlertKind.TRUNCATED: "Truncates",
    AlertKind.SCHEMA_CHANGED: "SchemaChanges",
    AlertKind.UNSTAMPED: "Unstamped",
    AlertKind.TRIGGERS_OFF: "Unstamped",
    AlertKind.UNKNOWN_KEY: "NotShipped",
    AlertKind.NOT_SHIPPED: "NotShipped",
    AlertKind.SLOT_LOST: "SlotLost",
}
REPORTS = {
    telemetry.captured: CaptureReport(),
    telemetry.followed: LogReport(),
    telemetry.applied: ApplyReport(),
    telemetry.forwarded: ForwardReport(),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What template.yaml sets, and a logger made when it is used, so that it writes where the test reads."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", SERVICE)
    monkeypatch.setattr(telemetry, "_logger", lambda: Logger(service=uuid4().hex, level="DEBUG", stream=sys.stdout))


@pytest.fixture(scope="module")
def stack() -> Stack:
    return read()


def told(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The log line and the metrics that were written since."""
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ((line,), (metrics,)) = (
        [each for each in documents if ("_aws" in each) == measured] for measured in (False, True)
    )  # fmt: skip
    return line, metrics


def followed(report: LogReport, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The metrics of one period."""
    telemetry.followed(report)
    return told(capsys)[1]


def names(metrics: dict[str, Any]) -> set[str]:
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    return {metric["Name"] for metric in directive["Metrics"]}


def everything_measured(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The names of all metrics of functions that had nothing to do."""
    found: set[str] = set()
    for tell, report in REPORTS.items():
        tell(report)  # type: ignore[operator]
        found |= names(told(capsys)[1])
    return found


def watched(stack: Stack) -> dict[str, dict[str, Any]]:
    """The alarms on metrics of ours, by the metric's name."""
    alarms = [alarm["Properties"] for alarm in stack.resources("AWS::CloudWatch::Alarm").values()]
    return {alarm["MetricName"]: alarm for alarm in alarms if alarm["Namespace"] == NAMESPACE}


def test_every_metric_that_an_alarm_watches_is_told_even_of_nothing(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(watched(stack)) >= 6
    assert watched(stack).keys() <= everything_measured(capsys)


def test_every_metric_that_the_dashboard_shows_is_told(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    body = json.loads(stack.properties("Dashboard")["DashboardBody"]["Fn::Sub"])
    lines = [line for widget in body["widgets"] for line in widget["properties"]["metrics"] if line[0] == NAMESPACE]
    assert lines
    assert {line[1] for line in lines} <= everything_measured(capsys)
    assert {tuple(line[2:4]) for line in lines} == {("service", "distributary-${Dataset}")}


def test_alarms_and_functions_name_one_dimension(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    shared = stack.body["Globals"]["Function"]["Environment"]["Variables"]
    service = shared["POWERTOOLS_SERVICE_NAME"]
    assert shared["POWERTOOLS_METRICS_NAMESPACE"] == NAMESPACE
    assert [alarm["Dimensions"] for alarm in watched(stack).values()] == [
        [{"Name": "service", "Value": service}]
    ] * len(watched(stack))
    metrics = followed(LogReport(), capsys)
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == (NAMESPACE, [["service"]])
    assert metrics["service"] == SERVICE


def test_every_kind_of_alert_has_its_metric() -> None:
    assert ALARM_OF.keys() == set(AlertKind)


@pytest.mark.parametrize("kind", AlertKind)
def test_an_alert_raises_its_metric_and_no_other(kind: AlertKind, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = followed(LogReport(), capsys)
    metrics = followed(LogReport(alerts=[Alert(kind, "shop", "why")]), capsys)
    raised = {name for name in names(metrics) if metrics[name] != quiet[name]}
    assert raised == {ALARM_OF[kind]}
    assert metrics[ALARM_OF[kind]] == [1.0]


@pytest.mark.parametrize("kind", sorted({ALARM_OF[kind] for kind in AlertKind} - {"NotShipped"}))
def test_every_alert_that_leaves_nothing_in_the_parked_queue_has_an_alarm(kind: str, stack: Stack) -> None:
    alarm = watched(stack)[kind]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["ComparisonOperator"]) == ("Sum", 0, "GreaterThanThreshold")


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (LogReport(), 1),
        (LogReport(writes=5, held={"eu-west-1": Unavailable("down")}), 1),
        (LogReport(busy=True), 0),
        (LogReport(failure=Unavailable("no answer")), 0),
        (LogReport(failure=SlotLost("gone")), 0),
    ],
    ids=["quiet", "a peer down", "another call follows", "no answer", "no slot"],
)
def test_a_period_counts_as_followed_when_this_call_followed_it(
    report: LogReport, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert followed(report, capsys)["PeriodsFollowed"] == [expected]


def test_the_log_that_is_kept_is_told_in_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert followed(LogReport(retained=10**12), capsys)["RetainedLog"] == [1e12]


def test_a_followed_period_tells_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    alert = Alert(AlertKind.TRUNCATED, '"public"."t"', "why")
    report = LogReport(writes=3, echoes=2, overtaken=1, alerts=[alert], unannounced=1, retained=5)
    report.shipped["eu-west-1"] = 2
    telemetry.followed(report)
    line, metrics = told(capsys)
    assert (line["message"], line["level"], line["overtaken"], line["unannounced"]) == ("followed", "INFO", 1, 1)
    assert line["alerts"] == [{"kind": "truncated", "subject": '"public"."t"', "detail": "why"}]
    assert (metrics["LocalWrites"], metrics["Echoes"], metrics["ChangesShipped"]) == ([3.0], [2.0], [2.0])


def test_what_ended_a_period_is_a_warning_with_its_advice(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.followed(LogReport(failure=NotInstalled("no schema"), held={"eu-west-1": Unavailable("down")}))
    line, _ = told(capsys)
    assert (line["level"], line["error"], line["hint"]) == ("WARNING", "NotInstalled", NotInstalled.hint)


def test_apply_tells_how_many_changes_it_merged_whatever_came_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    report = ApplyReport(messages=1)
    report.effects.update({Effect.INSERTED: 2, Effect.KEPT: 1})
    report.conflicts.update({"eu-west-1": 1})
    telemetry.applied(report)
    line, metrics = told(capsys)
    assert (line["effects"], line["conflicts"]) == ({"inserted": 2, "kept": 1}, {"eu-west-1": 1})
    assert (metrics["ChangesApplied"], metrics["Conflicts"]) == ([3.0], [1.0])
