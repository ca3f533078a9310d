"""The function that follows a log, over twins: what the log holds is shipped, and told in one line a period."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools.logging import Logger

from distributary import telemetry, wiring_aurora
from distributary.domain.alert import Alert, AlertKind
from distributary.domain.errors import SlotLost
from distributary.services.capture_log import RESERVE
from local.world import PROJECT
from tests.functions.expectations import FOLLOWED
from tests.functions.test_handlers import event_of
from tests.unit.capture_world import World


class Context:
    """Lambda's context, with a clock that goes on at each look."""

    def __init__(self) -> None:
        self._left: Iterator[int] = iter([RESERVE + 20_000, RESERVE + 15_000, RESERVE + 10_000, RESERVE + 5_000])

    def get_remaining_time_in_millis(self) -> int:
        return next(self._left, 0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(telemetry, "_logger", lambda: Logger(service=uuid4().hex, level="INFO", stream=sys.stdout))
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "distributary")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Distributary")
    made = World()
    monkeypatch.setattr(wiring_aurora, "capture_log", made.service)
    return made


def invoke(event: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The lines that a call tells, and its last metrics."""
    source = (PROJECT / "functions" / "capture_aurora" / "app.py").read_text(encoding="utf-8")
    module: dict[str, Any] = {"__name__": "app"}
    exec(compile(source, "app.py", "exec"), module)  # noqa: S102 - as Lambda does
    module["handler"](event, Context())
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    metrics = [each for each in documents if "_aws" in each]
    values: dict[str, float] = {str(name): sum(value) for name, value in metrics[0].items() if isinstance(value, list)}
    return [each for each in documents if each.get("message") == "followed"], values


@pytest.mark.parametrize("name", sorted(FOLLOWED))
def test_a_payload_leads_to_what_is_expected(world: World, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit(world.write(1), world.write(2), echoes=1)
    lines, metrics = invoke(event_of(name), capsys)
    assert {key: lines[0][key] for key in FOLLOWED[name]} == FOLLOWED[name]
    assert (metrics["LocalWrites"], metrics["Echoes"], metrics["ChangesShipped"]) == (2, 1, 4)
    assert metrics["PeriodsFollowed"] == 1


def test_a_lost_slot_is_a_warning_and_a_metric(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.log.slot.there = False
    lines, metrics = invoke(event_of("capture_aurora/scheduled"), capsys)
    assert (lines[0]["level"], lines[0]["error"], lines[0]["hint"]) == ("WARNING", "SlotLost", SlotLost.hint)
    assert (metrics["SlotLost"], metrics["PeriodsFollowed"]) == (1, 0)


def test_what_was_truncated_is_told_by_table(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit(alerts=(Alert(AlertKind.TRUNCATED, '"public"."t"', "in a transaction"),))
    lines, metrics = invoke(event_of("capture_aurora/scheduled"), capsys)
    assert lines[0]["alerts"] == [{"kind": "truncated", "subject": '"public"."t"', "detail": "in a transaction"}]
    assert metrics["Truncates"] == 1


def test_the_log_that_the_database_keeps_is_measured(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit(world.write(1))
    world.commit(world.write(2))
    _, metrics = invoke(event_of("capture_aurora/scheduled"), capsys)
    assert metrics["RetainedLog"] == 2


def test_contents_of_rows_are_in_no_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit(world.write(4711, "4929-1234"), world.write(4712, missing=("big",)))
    lines, _ = invoke(event_of("capture_aurora/scheduled"), capsys)
    assert "4711" not in json.dumps(lines)
    assert "4929-1234" not in json.dumps(lines)


def test_a_handler_has_no_more_than_forty_lines() -> None:
    lines = (PROJECT / "functions" / "capture_aurora" / "app.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
