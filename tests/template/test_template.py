"""Every rule holds for the template, and fails for one that has been changed for the worse."""

import tomllib
from collections.abc import Callable, Iterator

import pytest

from distributary.domain.patience import LONGEST_PAUSE
from tests.template import rules
from tests.template.deployed import deployed
from tests.template.stack import PROJECT, Stack, read

Rule = Callable[[Stack], Iterator[str]]
Path = tuple[str | int, ...]

POLICY = ("Properties", "Policies", 0, "PolicyDocument", "Statement", 0)
STREAM = ("CaptureFunction", "Properties", "Events", "Stream", "Properties")
ADMISSION = ("InboxPolicy", "Properties", "PolicyDocument", "Statement")

DAMAGE: list[tuple[Rule, object, Path]] = [
    (rules.queues_keep_and_encrypt, False, ("Parked", "Properties", "SqsManagedSseEnabled")),
    (rules.queues_keep_and_encrypt, 345600, ("InboxDead", "Properties", "MessageRetentionPeriod")),
    (rules.consumed_queues_have_dead_letters, {}, ("Outbox", "Properties", "RedrivePolicy")),
    (rules.visibility_outlasts_attempts, 389, ("Inbox", "Properties", "VisibilityTimeout")),
    (rules.failures_are_reported, [], (*STREAM, "FunctionResponseTypes")),
    (rules.streams_lose_nothing, "LATEST", (*STREAM, "StartingPosition")),
    (rules.streams_lose_nothing, 3, (*STREAM, "MaximumRetryAttempts")),
    (rules.roles_are_narrow, ["sqs:*"], ("ApplyRole", *POLICY, "Action")),
    (rules.roles_are_narrow, "*", ("ForwardRole", *POLICY, "Resource")),
    (
        rules.each_function_has_its_role,
        {"Fn::GetAtt": ["CaptureRole", "Arn"]},
        ("ApplyFunction", "Properties", "Role"),
    ),
    (rules.role_names_are_known_to_peers, "other", ("CaptureRole", "Properties", "RoleName")),
    (rules.only_peers_send, "Allow", (*ADMISSION, 2, "Effect")),
    (rules.tables_are_safe, {"SSEEnabled": False}, ("Tombstones", "Properties", "SSESpecification")),
    (rules.tables_are_safe, "Delete", ("Table", "DeletionPolicy")),
    (rules.alarms_watch, "Invocations", ("StreamBehindAlarm", "Properties", "MetricName")),
    (rules.alarms_watch, [], ("ParkedAlarm", "Properties", "AlarmActions")),
    (rules.alarms_watch, "PeersHeld", ("OutboxWaitAlarm", "Properties", "MetricName")),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in DAMAGE))


@pytest.fixture(scope="module")
def stack() -> Stack:
    return read()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_rule_holds(rule: Rule, stack: Stack) -> None:
    assert list(rule(stack)) == []


@pytest.mark.parametrize(("rule", "value", "path"), DAMAGE, ids=lambda part: getattr(part, "__name__", ""))
def test_rule_notices_damage(rule: Rule, value: object, path: Path, stack: Stack) -> None:
    assert list(rule(stack.changed(value, *path))) != []


def test_size_is_constant_however_many_peers(stack: Stack) -> None:
    """No resource is made for each peer: no loop, no macro but SAM's, and no region in the template."""
    assert stack.body["Transform"] == "AWS::Serverless-2016-10-31"
    text = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    regions = tomllib.loads((PROJECT / "replication.toml").read_text(encoding="utf-8"))["datasets"]["orders"][
        "replicas"
    ]
    assert "ForEach" not in text
    assert [region for region in regions if region in text] == []


def test_every_region_has_an_environment() -> None:
    environments = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    datasets = tomllib.loads((PROJECT / "replication.toml").read_text(encoding="utf-8"))["datasets"]
    regions = {region for dataset in datasets.values() for region in dataset["replicas"]}
    assert {environments[region]["deploy"]["parameters"]["region"] for region in regions} == regions
    assert "Emulated=true" in environments["local"]["deploy"]["parameters"]["parameter_overrides"]


def test_only_the_local_environment_is_emulated(stack: Stack) -> None:
    assert stack.body["Parameters"]["Emulated"]["Default"] == "false"
    environments = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    emulated = [
        name
        for name, environment in environments.items()
        if isinstance(environment, dict) and "Emulated=true" in str(environment.get("deploy"))
    ]
    assert emulated == ["local"]


def test_runtime_and_architecture_are_parameters(stack: Stack) -> None:
    shared = stack.body["Globals"]["Function"]
    assert (shared["Runtime"], shared["Architectures"]) == ({"Ref": "Runtime"}, [{"Ref": "Architecture"}])
    assert stack.body["Parameters"]["Runtime"]["Default"] == "python3.11"
    assert stack.body["Parameters"]["Architecture"]["Default"] == "arm64"


def test_alarms_of_age_compare_what_the_metric_is_counted_in(stack: Stack) -> None:
    """Of a stream it is milliseconds, of a queue seconds; MaximumLag is in seconds."""
    alarms = deployed(stack, MaximumLag="300").resources("AWS::CloudWatch::Alarm")
    assert alarms["StreamBehindAlarm"]["Properties"]["Threshold"] == "300000"
    assert {alarms[f"{queue}BehindAlarm"]["Properties"]["Threshold"] for queue in ("Inbox", "Outbox")} == {"300"}


@pytest.mark.parametrize("queue", rules.DEAD_LETTERS)
def test_between_two_tries_the_alarm_of_what_waits_does_not_end(stack: Stack, queue: str) -> None:
    alarm = deployed(stack, MaximumLag="300").properties(f"{queue}WaitAlarm")
    assert alarm["Period"] > LONGEST_PAUSE + stack.body["Globals"]["Function"]["Timeout"]
    assert (alarm["Statistic"], alarm["EvaluationPeriods"], alarm["Threshold"]) == ("Maximum", 1, "300")


@pytest.mark.parametrize("role", ["CaptureRole", "ApplyRole"])
def test_functions_may_do_to_rows_what_the_adapter_does_and_no_more(stack: Stack, role: str) -> None:
    """Reads are batches, and no statement selects."""
    (merge,) = [each for each in stack.statements(role) if each["Sid"] == "MergeRows"]
    written = {f"dynamodb:{each}" for each in ("PutItem", "UpdateItem", "DeleteItem")}
    spoken = {f"dynamodb:PartiQL{each}" for each in ("Insert", "Update", "Delete")}
    assert set(merge["Action"]) == {"dynamodb:BatchGetItem", *written, *spoken}
