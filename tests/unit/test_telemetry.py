"""Facts become one log line and metrics; keys and contents of rows never do, whatever goes wrong."""

from __future__ import annotations

import json
import sys
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools.logging import Logger

from distributary import telemetry
from distributary.domain.delivery import Arrival
from distributary.domain.errors import AccessDenied, DistributaryError, MalformedRecord, Throttled, Unavailable
from distributary.domain.facts import ApplyReport, CaptureReport, ForwardReport, LogReport
from tests.unit.sites import HOME, NOW, PEER, SECOND, Site, change_of, item, message, plenty
from tests.unit.test_apply import receive

KEY, CONTENT = "customer-4711", "4929-1234"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What template.yaml sets, and a logger made when it is used, so that it writes where the test reads."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Distributary")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "distributary")
    monkeypatch.setattr(telemetry, "_logger", lambda: Logger(service=uuid4().hex, level="DEBUG", stream=sys.stdout))


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Log lines and metrics, in this order; both must be free of what is secret."""
    written = "".join(capsys.readouterr())
    assert KEY not in written
    assert CONTENT not in written
    documents = [json.loads(line) for line in written.splitlines()]
    return [each for each in documents if "_aws" not in each], [each for each in documents if "_aws" in each]


def capture(site: Site, *more: Arrival) -> None:
    telemetry.captured(site.capture().run([*site.arrivals(), *more], plenty))


def apply(site: Site, *bodies: str) -> None:
    telemetry.applied(site.apply().run(receive(site, *bodies), plenty))


def test_a_captured_batch_is_one_log_line_and_one_line_of_metrics(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.put(KEY, card=CONTENT)
    capture(site)
    ((line,), (metrics,)) = lines(capsys)
    assert (line["message"], line["level"], line["records"]) == ("captured", "INFO", 1)
    assert line["origins"] == {"unstamped": 1}
    assert (metrics["LocalWrites"], metrics["ChangesShipped"], metrics["Parked"]) == ([1.0], [2.0], [0.0])


@pytest.mark.parametrize("access", ["write", "look", f"send {PEER}", "park", "hold"])
@pytest.mark.parametrize("error", [Unavailable("no answer"), AccessDenied("not allowed")], ids=repr)
def test_no_failure_of_capture_tells_of_rows(
    site: Site, capsys: pytest.CaptureFixture[str], access: str, error: DistributaryError
) -> None:
    site.put(KEY, card=CONTENT)
    site.put(KEY, card=CONTENT + "0")
    site.fail(f"send {PEER}", Throttled("slow"))
    site.fail(access, error)
    capture(site, Arrival("9", MalformedRecord("MODIFY without NewImage"), {"dynamodb": {"Keys": item(KEY)}}))
    (line,), _ = lines(capsys)
    assert line["message"] == "captured"


def test_a_failure_is_a_warning_with_its_reason_and_advice(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.put(KEY, card=CONTENT)
    site.fail("write", AccessDenied("dynamodb:UpdateItem"))
    capture(site)
    (line,), (metrics,) = lines(capsys)
    assert (line["level"], line["error"], line["detail"]) == ("WARNING", "AccessDenied", "dynamodb:UpdateItem")
    assert line["hint"] == AccessDenied.hint
    assert metrics["BatchesStopped"] == [1.0]


def test_what_needs_an_operator_is_told_before_what_does_not(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.put(n=1)
    site.fail(f"send {PEER}", Unavailable("down"))
    site.fail("send ap-southeast-2", AccessDenied("no"))
    capture(site)
    (line,), _ = lines(capsys)
    assert (line["error"], line["held"]) == ("AccessDenied", {PEER: "Unavailable", "ap-southeast-2": "AccessDenied"})


def test_an_applied_batch_tells_of_effects_homes_and_lag(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.now += 2 * SECOND
    apply(site, message(change_of(KEY, card=CONTENT)))
    (line,), (metrics,) = lines(capsys)
    assert (line["effects"], line["homes"], line["lag_ms"]) == ({"inserted": 1}, {PEER: 1}, 2000)
    assert (metrics["ChangesApplied"], metrics["Lag"]) == ([1.0], [2000.0])


@pytest.mark.parametrize(
    "body",
    [
        f"{KEY} {CONTENT}",
        message(change_of(KEY, card=CONTENT)).replace('"format": 1', '"format": 2'),
        message(change_of(KEY, card=CONTENT)).replace('"orders"', f'"{KEY}"'),
        message(change_of(KEY, card=CONTENT)).replace('"S"', f'"{CONTENT}"'),
        message(change_of(KEY, card=CONTENT, at=NOW + 3600 * SECOND)),
    ],
)
def test_no_message_that_is_parked_tells_of_rows(site: Site, capsys: pytest.CaptureFixture[str], body: str) -> None:
    apply(site, body)
    (line,), _ = lines(capsys)
    assert sum(line["parked"].values()) == 1


def test_no_message_that_waits_tells_of_rows(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.put(KEY, card=CONTENT)
    apply(site, message(change_of(KEY, card=CONTENT)))
    (line,), _ = lines(capsys)
    assert (line["again"], line["error"]) == ({"NotSettled": 1}, "NotSettled")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 98, 99, 100, 101, 198, 199, 10_000])
def test_many_lags_are_sampled_into_one_line(capsys: pytest.CaptureFixture[str], count: int) -> None:
    telemetry.applied(ApplyReport(lags=list(range(0, count * 1000, 1000))))
    _, (metrics,) = lines(capsys)
    assert 0 < len(metrics["Lag"]) <= telemetry.LAG_SAMPLES
    assert min(metrics["Lag"]) == 0
    assert max(metrics["Lag"]) >= 0.97 * (count - 1)


def test_a_batch_without_lags_measures_none(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.applied(ApplyReport())
    (line,), (metrics,) = lines(capsys)
    assert (line.get("lag_ms"), "Lag" in metrics) == (None, False)


def test_how_long_messages_have_been_tried_is_measured_in_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.applied(ApplyReport(waited=301 * SECOND))
    telemetry.forwarded(ForwardReport(waited=86_400 * SECOND))
    _, (applied, forwarded) = lines(capsys)
    assert (applied["InboxWait"], forwarded["OutboxWait"]) == ([301.0], [86_400.0])


def test_a_forwarded_batch_tells_of_regions(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.outbox.hold(PEER, [message(change_of(KEY, card=CONTENT))])
    site.outbox.hold("eu-north-1", [CONTENT])
    received = [site.held.receive(name) for name in site.held.visible()]
    telemetry.forwarded(site.forward().run(received, plenty))
    (line,), (metrics,) = lines(capsys)
    assert (line["sent"], line["parked"]) == ({PEER: 1}, {"MalformedMessage": 1})
    assert metrics["MessagesForwarded"] == [1.0]


def test_conflicts_that_are_not_on_record_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.captured(CaptureReport(unjournaled=2))
    telemetry.applied(ApplyReport(unjournaled=3))
    telemetry.followed(LogReport(unjournaled=4))
    told, metrics = lines(capsys)
    assert [line["unjournaled"] for line in told] == [2, 3, 4]
    assert [each["JournalMissed"] for each in metrics] == [[2.0], [3.0], [4.0]]


def test_why_they_are_not_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.unjournaled(AccessDenied("dynamodb:BatchWriteItem"))
    (line,), _ = lines(capsys)
    assert (line["message"], line["level"], line["error"]) == ("unjournaled", "WARNING", "AccessDenied")
