"""Each function may do what it needs, and is denied what it has no business with."""

from __future__ import annotations

from typing import Any

import pytest

from local.clients import client
from local.cutoff import inbox_url, queue_url
from local.world import World
from tests.end_to_end.probe import Probe, probe_as
from tests.end_to_end.test_2_convergence import HOME, PEER

DENIED = {"AccessDenied", "AccessDeniedException"}
ROW = {"pk": {"S": "probe"}}


@pytest.fixture(scope="module")
def probes(world: World) -> dict[str, Probe]:
    """A stand-in for each function of one region."""
    return {name: probe_as(world, HOME, f"distributary-orders-{name}") for name in ("capture", "apply", "forward")}


def queue(world: World, name: str, region: str = HOME) -> str:
    return queue_url(world, f"distributary-orders-{name}", region)


@pytest.mark.parametrize("function", ["capture", "apply", "forward"])
@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("dynamodb", "scan", {"TableName": "orders"}),
        ("dynamodb", "delete_table", {"TableName": "orders"}),
        ("dynamodb", "get_item", {"TableName": "carts", "Key": ROW}),
        ("s3", "list_buckets", {}),
        ("iam", "list_roles", {}),
        ("lambda", "list_functions", {}),
    ],
)
def test_nobody_may_do_what_no_function_needs(
    probes: dict[str, Probe], function: str, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    assert probes[function].call(service, operation, **arguments) in DENIED


def test_only_who_merges_rows_may_touch_the_table(probes: dict[str, Probe]) -> None:
    answers = {name: probe.call("dynamodb", "get_item", TableName="orders", Key=ROW) for name, probe in probes.items()}
    assert answers["capture"] == answers["apply"] == "allowed"
    assert answers["forward"] in DENIED


@pytest.mark.parametrize(("function", "may_receive"), [("capture", None), ("apply", "inbox"), ("forward", "outbox")])
def test_each_consumes_its_own_queue_only(
    world: World, probes: dict[str, Probe], function: str, may_receive: str | None
) -> None:
    for name in ("inbox", "outbox", "parked", "inbox-dead"):
        answer = probes[function].call("sqs", "receive_message", QueueUrl=queue(world, name))
        assert (answer == "allowed") == (name == may_receive), (name, answer)


@pytest.mark.parametrize(("function", "may_send"), [("capture", True), ("apply", False), ("forward", True)])
def test_only_capture_and_forward_may_send_to_a_peer(
    world: World, probes: dict[str, Probe], function: str, may_send: bool
) -> None:
    answer = probes[function].call(
        "sqs", "send_message", region=PEER, QueueUrl=inbox_url(world, "orders", PEER), MessageBody="a probe"
    )
    assert (answer == "allowed") == may_send


def test_an_inbox_refuses_who_is_no_peer(world: World) -> None:
    sqs = client(world, "sqs", PEER)
    with pytest.raises(sqs.exceptions.ClientError) as refused:
        sqs.send_message(QueueUrl=inbox_url(world, "orders", PEER), MessageBody="not from a peer")
    assert refused.value.response["Error"]["Code"] in DENIED
