"""Cuts a region off from its peers, and lets it back: no inbox takes what crosses its border."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.clients import client
from local.world import World


@contextmanager
def cut_off(world: World, dataset: str, region: str) -> Iterator[None]:
    """While this lasts, nothing gets into the region's inbox, and nothing of the region gets into another."""
    before = {each: _policy(world, dataset, each) for each in world.regions}
    try:
        for each, policy in before.items():
            statements = [*policy["Statement"], _refusal(world, dataset, each, region)]
            _set_policy(world, dataset, each, {**policy, "Statement": statements})
        yield
    finally:
        for each, policy in before.items():
            _set_policy(world, dataset, each, policy)


def inbox_url(world: World, dataset: str, region: str) -> str:
    """The address of a region's inbox."""
    return queue_url(world, f"distributary-{dataset}-inbox", region)


def queue_url(world: World, name: str, region: str) -> str:
    """The address of a queue."""
    url: str = client(world, "sqs", region).get_queue_url(QueueName=name)["QueueUrl"]
    return url


def _refusal(world: World, dataset: str, at: str, region: str) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": "CutOff",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": f"arn:aws:sqs:{at}:{world.account}:distributary-{dataset}-inbox",
    }
    if at != region:
        statement["Condition"] = {"StringLike": {"aws:PrincipalArn": f"*role/distributary-{dataset}-{region}-*"}}
    return statement


def _policy(world: World, dataset: str, region: str) -> dict[str, Any]:
    url = inbox_url(world, dataset, region)
    answer = client(world, "sqs", region).get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    policy: dict[str, Any] = json.loads(answer["Attributes"]["Policy"])
    return policy


def _set_policy(world: World, dataset: str, region: str, policy: dict[str, Any]) -> None:
    url = inbox_url(world, dataset, region)
    client(world, "sqs", region).set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
