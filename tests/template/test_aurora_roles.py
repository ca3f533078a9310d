"""On every kind of stack each function may do what it needs and nothing else: which rights, and on what."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.template.deployed import deployed
from tests.template.stack import Stack, read

CLUSTER = "arn:aws:rds:eu-west-1:123456789012:cluster:shop"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf"
DIRECT = {
    "Dataset": "shop",
    "Engine": "aurora",
    "DatabaseHost": "writer.example",
    "DatabaseUser": "replicator",
    "DatabaseResourceId": "cluster-ABC",
}
KINDS: Mapping[str, Mapping[str, str]] = {
    "direct": DIRECT,
    "in a network": {**DIRECT, "SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"},
    "data api": {**DIRECT, "DatabaseClusterArn": CLUSTER, "DatabaseSecretArn": SECRET},
    "data api, in a network": {
        **DIRECT,
        "SubnetIds": "subnet-1",
        "DatabaseClusterArn": CLUSTER,
        "DatabaseSecretArn": SECRET,
    },
    "emulated": {"Dataset": "shop", "Engine": "aurora", "DatabaseDsn": "host=x", "Emulated": "true"},
    "redacting": {**DIRECT, "Redact": "true"},
    "dynamodb": {"Dataset": "orders"},
    "dynamodb, redacting": {"Dataset": "orders", "Redact": "true"},
}
ON_AURORA = [kind for kind in KINDS if not kind.startswith("dynamodb")]
ON_DYNAMODB = [kind for kind in KINDS if kind.startswith("dynamodb")]
ROLES = {"CaptureAuroraRole", "CaptureRole", "ApplyRole", "ForwardRole"}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
CONSUME = {"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
NETWORK = {
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
DATA_API = {
    "rds-data:BeginTransaction",
    "rds-data:CommitTransaction",
    "rds-data:ExecuteStatement",
    "rds-data:RollbackTransaction",
    "secretsmanager:GetSecretValue",
}
READ_SECRET = "secretsmanager:GetSecretValue"
JOURNAL = {"dynamodb:BatchWriteItem", "events:PutEvents"}
BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/default"
LOG_IN = "rds-db:connect"
USER = "arn:aws:rds-db:eu-west-1:123456789012:dbuser:cluster-ABC/replicator"
SEND = {"sqs:SendMessage"}

Granted = dict[str, set[str]]


def granted(stack: Stack, role: str) -> Granted:
    """What a role may do: resources by action."""
    found: Granted = {}
    for statement in stack.statements(role):
        assert statement["Effect"] == "Allow"
        for action in _listed(statement["Action"]):
            found.setdefault(action, set()).update(_listed(statement["Resource"]))
    return found


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def rights(kind: str) -> dict[str, Granted]:
    """What each role of such a stack may do."""
    stack = deployed(read(), **KINDS[kind])
    return {role: granted(stack, role) for role in stack.resources("AWS::IAM::Role")}


@pytest.fixture(params=ON_AURORA)
def aurora(request: pytest.FixtureRequest) -> dict[str, Granted]:
    """The roles of a stack of Aurora, one kind after the other."""
    return rights(request.param)


@pytest.mark.parametrize(
    ("kind", "capture", "apply"),
    [
        ("direct", {LOG_IN}, {LOG_IN}),
        ("in a network", {LOG_IN, *NETWORK}, {LOG_IN, *NETWORK}),
        ("data api", {LOG_IN}, DATA_API),
        ("data api, in a network", {LOG_IN, *NETWORK}, DATA_API),
        ("emulated", {"sqs:SendMessageBatch"}, {"sqs:SendMessageBatch"}),
        ("redacting", {LOG_IN, READ_SECRET}, {LOG_IN, READ_SECRET}),
    ],
)
def test_each_function_has_these_rights_and_no_more(kind: str, capture: set[str], apply: set[str]) -> None:
    found = rights(kind)
    batch = {"sqs:SendMessageBatch"} & capture
    assert found.keys() == ROLES - {"CaptureRole"}
    assert found["CaptureAuroraRole"].keys() == SEND | LOGS | JOURNAL | capture
    assert found["ApplyRole"].keys() == CONSUME | SEND | LOGS | JOURNAL | apply
    assert found["ForwardRole"].keys() == CONSUME | SEND | LOGS | batch


def test_of_dynamodb_the_functions_of_aurora_may_touch_the_journal_only(aurora: dict[str, Granted]) -> None:
    found = {role: {a: on for a, on in may.items() if a.startswith("dynamodb:")} for role, may in aurora.items()}
    journal = {"dynamodb:BatchWriteItem": {"Journal.Arn"}}
    assert {role: may for role, may in found.items() if may} == {"CaptureAuroraRole": journal, "ApplyRole": journal}


@pytest.mark.parametrize("kind", ON_DYNAMODB)
def test_functions_of_dynamodb_may_touch_no_other_database(kind: str) -> None:
    found = rights(kind)
    assert found.keys() == ROLES - {"CaptureAuroraRole"}
    services = {action.partition(":")[0] for role in found.values() for action in role}
    assert services - {"secretsmanager"} == {"dynamodb", "sqs", "logs", "events"}


@pytest.mark.parametrize("kind", ON_DYNAMODB)
def test_capture_and_apply_of_dynamodb_write_the_journal_and_read_it_never(kind: str) -> None:
    found = rights(kind)
    on_journal = {
        role: {action for action, resources in may.items() if "Journal.Arn" in resources} for role, may in found.items()
    }
    assert on_journal == {
        "CaptureRole": {"dynamodb:BatchWriteItem"},
        "ApplyRole": {"dynamodb:BatchWriteItem"},
        "ForwardRole": set(),
    }
    for role in ("CaptureRole", "ApplyRole"):
        assert found[role]["dynamodb:BatchWriteItem"] == {"Journal.Arn"}
        assert found[role]["events:PutEvents"] == {BUS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_secret_of_the_hashes_is_there_and_read_where_attributes_are_redacted_only(kind: str) -> None:
    found = {role: may.get(READ_SECRET, set()) for role, may in rights(kind).items()}
    readers = {role for role, secrets in found.items() if "JournalSecret.Id" in secrets}
    redacts = KINDS[kind].get("Redact") == "true"
    assert readers == ({"ApplyRole", "CaptureRole", "CaptureAuroraRole"} & found.keys() if redacts else set())
    assert ("JournalSecret" in deployed(read(), **KINDS[kind]).body["Resources"]) == redacts
    for name in ("CaptureFunction", "CaptureAuroraFunction", "ApplyFunction"):
        function = deployed(read(), **KINDS[kind]).body["Resources"].get(name)
        if function is not None:
            told = function["Properties"]["Environment"]["Variables"]["JOURNAL_SECRET"]
            assert told == ("JournalSecret.Id" if redacts else "")


@pytest.mark.parametrize("kind", ["direct", "in a network", "data api"])
def test_who_logs_in_does_so_as_one_user_of_one_cluster(kind: str) -> None:
    for role in rights(kind).values():
        assert role.get(LOG_IN, {USER}) == {USER}


@pytest.mark.parametrize("kind", ["data api", "data api, in a network"])
def test_statements_are_run_on_one_cluster_with_one_secret_by_apply_only(kind: str) -> None:
    found = rights(kind)
    apply = found.pop("ApplyRole")
    assert {action: apply[action] for action in DATA_API} == {
        **{action: {CLUSTER} for action in DATA_API},
        "secretsmanager:GetSecretValue": {SECRET},
    }
    assert [role for role, may in found.items() if may.keys() & DATA_API] == []


@pytest.mark.parametrize("kind", ["direct", "in a network", "emulated", "dynamodb"])
def test_without_the_data_api_nobody_runs_statements_or_reads_secrets(kind: str) -> None:
    assert [role for role, may in rights(kind).items() if may.keys() & DATA_API] == []


def test_forward_has_no_business_with_the_database_or_the_network(aurora: dict[str, Granted]) -> None:
    assert aurora["ForwardRole"].keys().isdisjoint({LOG_IN, *DATA_API, *NETWORK})


def test_each_consumes_its_own_queue_only(aurora: dict[str, Granted]) -> None:
    for action in CONSUME:
        assert aurora["ApplyRole"][action] == {"Inbox.Arn"}
        assert aurora["ForwardRole"][action] == {"Outbox.Arn"}
        assert action not in aurora["CaptureAuroraRole"]


def test_each_sends_only_where_its_work_goes_on(aurora: dict[str, Granted]) -> None:
    inboxes = "arn:aws:sqs:*:*:distributary-shop-inbox"
    assert aurora["CaptureAuroraRole"]["sqs:SendMessage"] == {inboxes, "Outbox.Arn", "Parked.Arn"}
    assert aurora["ApplyRole"]["sqs:SendMessage"] == {"Parked.Arn"}
    assert aurora["ForwardRole"]["sqs:SendMessage"] == {inboxes, "Parked.Arn"}


def test_capture_and_apply_announce_on_the_default_bus(aurora: dict[str, Granted]) -> None:
    assert {role: may["events:PutEvents"] for role, may in aurora.items() if "events:PutEvents" in may} == {
        "CaptureAuroraRole": {BUS},
        "ApplyRole": {BUS},
    }


def test_each_writes_its_own_log(aurora: dict[str, Granted]) -> None:
    logs = {"CaptureAuroraRole": "CaptureLog.Arn", "ApplyRole": "ApplyLog.Arn", "ForwardRole": "ForwardLog.Arn"}
    assert {role: may["logs:PutLogEvents"] for role, may in aurora.items()} == {
        role: {log} for role, log in logs.items()
    }


def test_only_what_has_no_resource_is_granted_on_everything(aurora: dict[str, Granted]) -> None:
    everywhere = {action for may in aurora.values() for action, resources in may.items() if "*" in resources}
    assert everywhere <= NETWORK


@pytest.mark.parametrize("kind", KINDS)
def test_only_lambda_may_take_the_roles(kind: str) -> None:
    for role in deployed(read(), **KINDS[kind]).resources("AWS::IAM::Role").values():
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert (trust["Principal"], trust["Action"]) == ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole")
        assert "ManagedPolicyArns" not in role["Properties"]
