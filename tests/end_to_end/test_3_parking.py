"""What cannot be taken is parked within one attempt, with payload and reason, and blocks nothing behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from distributary.adapters.parcels import parcel_from
from distributary.domain.parcel import Parcel
from local.clients import client
from local.cutoff import queue_url
from local.world import PROJECT, World
from tests.end_to_end.test_2_convergence import HOME, PATIENCE, PEER, put, wait_until


def deliver(world: World, region: str, body: str) -> None:
    """Put a message into a region's inbox, by the way that a redrive takes."""
    url = queue_url(world, "distributary-orders-outbox", region)
    destination = {"destination": {"DataType": "String", "StringValue": region}}
    client(world, "sqs", region).send_message(QueueUrl=url, MessageBody=body, MessageAttributes=destination)


def parked(world: World, region: str) -> tuple[str, Parcel]:
    """Wait for one parcel; its receipt, and what it says."""
    url = queue_url(world, "distributary-orders-parked", region)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = client(world, "sqs", region).receive_message(QueueUrl=url, WaitTimeSeconds=1, VisibilityTimeout=1)
        for message in answer.get("Messages", []):
            return message["ReceiptHandle"], parcel_from(message["Body"])
    raise AssertionError("nothing was parked")


def discard(world: World, region: str, reason: str) -> str:
    credentials = {"AWS_ACCESS_KEY_ID": world.access_key_id, "AWS_SECRET_ACCESS_KEY": world.secret_access_key}
    command = [*(sys.executable, "-m", "cli", "parked", "discard"), *("--dataset", "orders", "--region", region)]
    done = subprocess.run(
        [*command, "--reason", reason],
        cwd=PROJECT,
        env={**os.environ, **credentials, "AWS_ENDPOINT_URL": world.endpoint},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_message_that_is_not_ours_is_parked_and_the_next_change_is_applied(world: World) -> None:
    deliver(world, PEER, "not ours")
    put(world, HOME, "behind", "the poison")
    wait_until(world, PEER, "behind", "the poison")
    _, parcel = parked(world, PEER)
    assert (parcel.reason, parcel.payload) == ("MalformedMessage", "not ours")
    time.sleep(1.2)  # the parcel was received above and comes back after its second
    assert "1 MalformedMessage: discarded" in discard(world, PEER, "MalformedMessage")


def test_a_message_of_an_unknown_dataset_is_parked(world: World) -> None:
    body = json.dumps({"format": 1, "dataset": "elsewhere", "policies": "", "home": HOME, "changes": []})
    deliver(world, PEER, body)
    _, parcel = parked(world, PEER)
    assert (parcel.reason, parcel.payload, parcel.redrivable) == ("UnknownDataset", body, True)
    time.sleep(1.2)
    discard(world, PEER, "UnknownDataset")
