"""Each handler, run in process with each of its payloads over the in-memory twins, tells the facts and answers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools.logging import Logger

from distributary import settings, telemetry, wiring
from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.memory.replica import MemoryReplica, MemoryTable
from distributary.domain.errors import InvalidSettings, OutOfTime, Unavailable
from distributary.domain.version import MICROSECONDS
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.forward import Forward
from local.world import PROJECT
from tests.functions.expectations import COMES_AGAIN, EXPECTED, FOLLOWED
from tests.functions.payloads import AT, DATASET, EVENTS, REGION, payloads, text_of

FUNCTIONS = ("apply", "capture_dynamodb", "forward")


def now() -> int:
    return (AT + 2) * MICROSECONDS


@dataclass
class Site:
    """One region of twins, put where the wiring would build the real ones. down: peers that do not answer."""

    down: set[str] = field(default_factory=set)
    replica: MemoryReplica = field(default_factory=lambda: MemoryReplica(MemoryTable(now)))
    inbox: MemoryQueue = field(default_factory=lambda: MemoryQueue(now))
    outbox: MemoryQueue = field(default_factory=lambda: MemoryQueue(now))
    parking: MemoryParking = field(default_factory=MemoryParking)

    def network(self, access: str) -> None:
        if access.removeprefix("send ") in self.down:
            raise Unavailable(access)

    def capture(self) -> Capture:
        inboxes = MemoryInboxes({region: MemoryQueue(now) for region in DATASET.regions}, self.network)
        held = MemoryOutbox(self.outbox, self.network)
        return Capture(DATASET, "orders", REGION, self.replica, inboxes, held, self.parking, now, lambda: "u")

    def apply(self) -> Apply:
        wait: Callable[[float], None] = lambda seconds: None  # noqa: ARG005, E731
        return Apply(
            DATASET, "orders", REGION, lambda _: self.replica, self.parking, self.inbox, now, lambda: "u", wait
        )

    def forward(self) -> Forward:
        inboxes = MemoryInboxes({region: MemoryQueue(now) for region in DATASET.regions}, self.network)
        return Forward(DATASET, inboxes, self.parking, self.outbox, now)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    # The logger writes to the standard output of its making, which is another one in each test.
    monkeypatch.setattr(telemetry, "_logger", lambda: Logger(service=uuid4().hex, level="INFO", stream=sys.stdout))
    built = Site()
    for name in ("capture", "apply", "forward"):
        monkeypatch.setattr(wiring, name, getattr(built, name))
    monkeypatch.setattr(wiring, "settings", lambda: SimpleNamespace(raise_stream_failures=False))
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "distributary")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Distributary")
    return built


def invoke(function: str, event: dict[str, Any], remaining: int = 60_000) -> Any:
    """Import the handler as Lambda does, and call it."""
    spec = importlib.util.spec_from_file_location(f"app_{function}", PROJECT / "functions" / function / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: remaining))


def event_of(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def facts_in(printed: str) -> dict[str, Any]:
    """The log line in which the function told its facts."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    (facts,) = [line for line in lines if line.get("message") in ("captured", "applied", "forwarded")]
    return dict(facts)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_payload_leads_to_what_is_expected(site: Site, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    event = event_of(name)
    answer = invoke(name.split("/", maxsplit=1)[0], event)
    facts = facts_in("".join(capsys.readouterr()))
    again = [record["messageId"] for record in event["Records"]] if name in COMES_AGAIN else []
    assert answer == {"batchItemFailures": [{"itemIdentifier": each} for each in again]}
    assert {key: facts[key] for key in EXPECTED[name]} == EXPECTED[name]
    assert len(site.parking.parcels) == sum(facts["parked"].values())


def test_the_files_are_what_the_code_would_write() -> None:
    built = {name: text_of(event) for name, event in payloads().items()}
    found = {str(f.relative_to(EVENTS).with_suffix("")): f.read_text("utf-8") for f in EVENTS.rglob("*.json")}
    assert found == built
    assert found.keys() == EXPECTED.keys() | FOLLOWED.keys() | {"automation/conflict"}


def test_capture_answers_with_the_checkpoint_where_it_has_no_time(site: Site) -> None:
    event = event_of("capture_dynamodb/insert")
    position = event["Records"][0]["dynamodb"]["SequenceNumber"]
    assert invoke("capture_dynamodb", event, remaining=0) == {"batchItemFailures": [{"itemIdentifier": position}]}
    assert not site.replica.table.rows


@pytest.mark.usefixtures("site")
def test_capture_raises_instead_where_the_event_source_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "settings", lambda: SimpleNamespace(raise_stream_failures=True))
    with pytest.raises(OutOfTime):
        invoke("capture_dynamodb", event_of("capture_dynamodb/insert"), remaining=0)


def test_a_peer_that_is_down_gets_its_changes_through_the_outbox(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.down = {"eu-west-1"}
    assert invoke("capture_dynamodb", event_of("capture_dynamodb/insert")) == {"batchItemFailures": []}
    assert facts_in("".join(capsys.readouterr()))["held"] == {"eu-west-1": "Unavailable"}
    assert [held.attributes for held in site.outbox.messages.values()] == [{"destination": "eu-west-1"}]


def test_forward_answers_with_the_message_that_has_to_come_again(site: Site) -> None:
    site.down = {"eu-west-1"}
    event = event_of("forward/held")
    identifier = event["Records"][0]["messageId"]
    assert invoke("forward", event) == {"batchItemFailures": [{"itemIdentifier": identifier}]}


@pytest.mark.parametrize("function", ["apply", "forward"])
def test_a_queue_function_without_time_takes_nothing(site: Site, function: str) -> None:
    event = event_of(f"{function}/{'put' if function == 'apply' else 'held'}")
    assert len(invoke(function, event, remaining=0)["batchItemFailures"]) == 1
    assert not site.replica.table.rows


def test_a_mistake_in_the_environment_is_refused_at_cold_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "settings", settings.function_settings)
    monkeypatch.delenv("DATASET", raising=False)
    wiring.capture.cache_clear()
    with pytest.raises(InvalidSettings, match="DATASET"):
        invoke("capture_dynamodb", event_of("capture_dynamodb/empty"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_nothing_that_it_does_not_use(function: str) -> None:
    script = "import app, sys; print(*sorted(sys.modules))"
    folder = PROJECT / "functions" / function
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"boto3", "pynamodb", "psycopg", "pytest", "typer", "rich", "tenacity", "requests"})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_has_no_more_than_forty_lines(function: str) -> None:
    lines = (PROJECT / "functions" / function / "app.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
