"""Each function may do what it needs, and is denied what it has no business with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distributary import settings
from local.clients import client
from local.convergence import LOST, messages
from local.cutoff import inbox_url, queue_url
from local.world import World
from tests.end_to_end.conftest import REPLICATION
from tests.end_to_end.probe import Probe, probe_as, role_of
from tests.end_to_end.rows import HOME, LONELY, PEER

DENIED = {"AccessDenied", "AccessDeniedException"}
FUNCTIONS = ("capture", "apply", "forward")
ROW = {"pk": {"S": "probe"}}
QUEUES = ("inbox", "inbox-dead", "outbox", "outbox-dead", "parked", "capture-dead")
ALL = "*"


@pytest.fixture(scope="module")
def probes(world: World) -> dict[str, Probe]:
    """A stand-in for each function of one region, each with that function's own role."""
    return {name: probe_as(world, HOME, role_of(world, HOME, f"distributary-orders-{name}")) for name in FUNCTIONS}


def queue(world: World, name: str, region: str = HOME) -> str:
    return queue_url(world, f"distributary-orders-{name}", region)


def nothing_to_do() -> str:
    """A message that a replica takes without any effect."""
    dataset = settings.load(REPLICATION).dataset("orders")
    assert dataset is not None
    return json.dumps(
        {"format": 1, "dataset": "orders", "policies": dataset.policies, "home": HOME, "changes": []},
    )


def role(world: World, name: str, *actions: str) -> str:
    """Make a role that a function may take, and that may do these actions everywhere; its ARN."""
    iam = client(world, "iam", HOME)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    arn: str = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    if actions:
        may = {"Effect": "Allow", "Action": list(actions), "Resource": ALL}
        iam.put_role_policy(
            RoleName=name,
            PolicyName="may",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
        )
    return arn


def test_the_emulator_enforces_roles(world: World) -> None:
    # given: a function whose role may do nothing, and one whose role may do one thing
    powerless = probe_as(world, HOME, role(world, "powerless"))
    reader = probe_as(world, HOME, role(world, "reader", "dynamodb:GetItem"))
    # then: the one is denied all, the other all but that; what the tests below say of denials is worth something
    assert powerless.call("dynamodb", "get_item", TableName="orders", Key=ROW) in DENIED
    assert reader.call("dynamodb", "get_item", TableName="orders", Key=ROW) == "allowed"
    assert reader.call("dynamodb", "put_item", TableName="orders", Item=ROW) in DENIED


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nobody_may_do_what_no_function_needs(world: World, probes: dict[str, Probe], function: str) -> None:
    probe = probes[function]
    of_carts = client(world, "dynamodb", PEER).describe_table(TableName="carts")["Table"]["LatestStreamArn"]
    answers = {
        "scan": probe.call("dynamodb", "scan", TableName="orders"),
        "query": probe.call(
            "dynamodb",
            "query",
            TableName="orders",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": ROW["pk"]},
        ),
        "another table": probe.call("dynamodb", "get_item", region=PEER, TableName="carts", Key=ROW),
        "the table of another region": probe.call("dynamodb", "get_item", region=PEER, TableName="orders", Key=ROW),
        "another stream": probe.call("dynamodbstreams", "describe_stream", region=PEER, StreamArn=of_carts),
        "delete a table": probe.call("dynamodb", "delete_table", TableName="orders"),
        "change a table": probe.call(
            "dynamodb", "update_table", TableName="orders", StreamSpecification={"StreamEnabled": False}
        ),
        "delete a queue": probe.call("sqs", "delete_queue", QueueUrl=queue(world, "inbox-dead")),
        "purge a queue": probe.call("sqs", "purge_queue", QueueUrl=queue(world, "inbox-dead")),
        "open a queue": probe.call(
            "sqs", "set_queue_attributes", QueueUrl=queue(world, "inbox"), Attributes={"Policy": ""}
        ),
        "buckets": probe.call("s3", "list_buckets"),
        "roles": probe.call("iam", "list_roles"),
        "become another": probe.call(
            "sts", "assume_role", RoleArn=role_of(world, PEER, "distributary-carts-apply"), RoleSessionName="probe"
        ),
        "functions": probe.call("lambda", "list_functions"),
        "secrets": probe.call("secretsmanager", "list_secrets"),
    }
    assert {what: answer for what, answer in answers.items() if answer not in DENIED} == {}


def test_only_who_merges_rows_may_touch_the_table(world: World, probes: dict[str, Probe]) -> None:
    stack = client(world, "cloudformation", HOME).describe_stacks(StackName="distributary-orders")["Stacks"][0]
    (tombstones,) = [each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "TombstonesTable"]
    for name, table, key in (("rows", "orders", ROW), ("tombstones", tombstones, {"row": {"S": "probe"}})):
        one: dict[str, Any] = {"TableName": table, "Key": key}
        reading: dict[str, Any] = {"RequestItems": {table: {"Keys": [key]}}}
        for operation, arguments in (("batch_get_item", reading), ("delete_item", one)):
            answers = {each: probe.call("dynamodb", operation, **arguments) for each, probe in probes.items()}
            assert answers["capture"] == answers["apply"] == "allowed", (name, operation, answers)
            assert answers["forward"] in DENIED, (name, operation, answers)
        # all read many at once: the right to read one is nobody's
        assert {probe.call("dynamodb", "get_item", **one) for probe in probes.values()} <= DENIED


def test_only_capture_may_read_streams(world: World, probes: dict[str, Probe]) -> None:
    # given: a role that may read every stream; the emulator does not see which stream is asked for, and so
    # refuses a role that may read a certain one, as capture's does, just like one that may read none
    stream = client(world, "dynamodb", HOME).describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    reader = probe_as(world, HOME, role(world, "stream-reader", "dynamodb:DescribeStream"))
    assert reader.call("dynamodbstreams", "describe_stream", StreamArn=stream) == "allowed"
    # then: neither apply nor forward is such a reader, and only capture may look for streams
    for function in ("apply", "forward"):
        assert probes[function].call("dynamodbstreams", "describe_stream", StreamArn=stream) in DENIED
        assert probes[function].call("dynamodbstreams", "list_streams") in DENIED
    assert probes["capture"].call("dynamodbstreams", "list_streams") == "allowed"


@pytest.mark.parametrize(("function", "may_receive"), [("capture", None), ("apply", "inbox"), ("forward", "outbox")])
def test_each_consumes_its_own_queue_only(
    world: World, probes: dict[str, Probe], function: str, may_receive: str | None
) -> None:
    answers = {
        name: probes[function].call("sqs", "receive_message", QueueUrl=queue(world, name), VisibilityTimeout=0)
        for name in QUEUES
    }
    allowed = answers.pop(may_receive) if may_receive else "allowed"
    assert allowed == "allowed"
    assert set(answers.values()) <= DENIED


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("region", [PEER, LONELY])
def test_only_capture_and_forward_may_send_to_a_peer(
    world: World, probes: dict[str, Probe], function: str, region: str
) -> None:
    inbox = inbox_url(world, "orders", region)
    answer = probes[function].call("sqs", "send_message", region=region, QueueUrl=inbox, MessageBody=nothing_to_do())
    assert (answer in DENIED) if function == "apply" else (answer == "allowed")


@pytest.mark.parametrize(
    ("function", "may_send"),
    [
        ("capture", {"inbox", "outbox", "parked", "capture-dead"}),
        ("apply", {"parked"}),
        ("forward", {"inbox", "parked"}),
    ],
)
def test_each_sends_only_where_its_work_goes_on(
    world: World, probes: dict[str, Probe], function: str, may_send: set[str]
) -> None:
    sent: dict[str, Any] = {
        "MessageBody": nothing_to_do(),
        "MessageAttributes": {"destination": {"DataType": "String", "StringValue": HOME}},
    }
    answers = {
        name: probes[function].call("sqs", "send_message", QueueUrl=queue(world, name), **sent) for name in QUEUES
    }
    assert {name for name, answer in answers.items() if answer == "allowed"} == may_send
    assert {answer for name, answer in answers.items() if name not in may_send} <= DENIED
    for name in may_send & {"parked", "capture-dead"}:
        client(world, "sqs", HOME).purge_queue(QueueUrl=queue(world, name))
    assert messages(world, "orders", LOST) == 0


def test_an_inbox_refuses_who_is_no_peer_whatever_his_own_rights_are(world: World) -> None:
    # given: a function that may send everywhere, as far as its own role says; its name begins as those of peers do
    stranger = probe_as(world, HOME, role(world, "distributary-orders-stranger", "sqs:*"))
    url = client(world, "sqs", PEER).create_queue(QueueName="anybodys")["QueueUrl"]
    sent: dict[str, Any] = {"region": PEER, "MessageBody": nothing_to_do()}
    assert stranger.call("sqs", "send_message", QueueUrl=url, **sent) == "allowed"
    # then: the inbox refuses it, and a peer of another dataset, and the account's owner
    assert stranger.call("sqs", "send_message", QueueUrl=inbox_url(world, "orders", PEER), **sent) in DENIED
    for function in ("capture", "forward"):
        other = probe_as(world, LONELY, role_of(world, LONELY, f"distributary-carts-{function}"))
        assert other.call("sqs", "send_message", QueueUrl=inbox_url(world, "orders", PEER), **sent) in DENIED
    owner = client(world, "sqs", PEER)
    with pytest.raises(owner.exceptions.ClientError) as refused:
        owner.send_message(QueueUrl=inbox_url(world, "orders", PEER), MessageBody=nothing_to_do())
    assert refused.value.response["Error"]["Code"] in DENIED
