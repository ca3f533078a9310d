"""What cannot be taken is parked within one attempt, with payload and reason, and blocks nothing behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from distributary import settings
from distributary.adapters.parcels import parcel_from
from distributary.domain.change import TRUSTED_AGE, Change
from distributary.domain.message import pack
from distributary.domain.parcel import Parcel
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, Version
from local.clients import client
from local.convergence import LOST, WORKING, messages
from local.cutoff import queue_url
from local.world import PROJECT, World
from tests.end_to_end.conftest import REPLICATION
from tests.end_to_end.functions import now, told
from tests.end_to_end.rows import HOME, PEER, read, until, wait_until

HOUR = 3600 * MICROSECONDS


def change(row: str, ahead: int = 0) -> Change:
    """A write of the home region's, so many microseconds ahead of now."""
    version = Version(1000 * now() + ahead, 1, HOME)
    key = {"pk": {"S": row}}
    image = {**key, "note": {"S": "written"}}
    return Change("orders", "orders", key, image, version, NOTHING_SEEN.including(version), HOME, "1", 1000 * now())


def packed(*changes: Change) -> str:
    dataset = settings.load(REPLICATION).dataset("orders")
    assert dataset is not None
    (body,) = pack(dataset, HOME, changes)
    return body


def deliver(world: World, *bodies: str) -> None:
    """Put messages into the peer's inbox, in order, by the way that a redrive takes."""
    entries: list[dict[str, Any]] = [
        {
            "Id": str(number),
            "MessageBody": body,
            "MessageAttributes": {"destination": {"DataType": "String", "StringValue": PEER}},
        }
        for number, body in enumerate(bodies)
    ]
    url = queue_url(world, "distributary-orders-outbox", PEER)
    client(world, "sqs", PEER).send_message_batch(QueueUrl=url, Entries=entries)


def parked(world: World) -> Parcel:
    """Wait for a parcel, and leave it where it is."""

    def peek() -> list[dict[str, Any]]:
        url = queue_url(world, "distributary-orders-parked", PEER)
        answer = client(world, "sqs", PEER).receive_message(QueueUrl=url, VisibilityTimeout=0)
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    (message,) = until("something is parked", peek)
    return parcel_from(message["Body"])


def operate(world: World, verb: str, *options: str) -> str:
    """Run `distributary parked` as an operator, who has credentials but no file of the project's."""
    credentials = {"AWS_ACCESS_KEY_ID": world.access_key_id, "AWS_SECRET_ACCESS_KEY": world.secret_access_key}
    command = [sys.executable, "-m", "cli", "parked", verb, "--dataset", "orders", "--region", PEER, *options]
    environment = {**os.environ, **credentials, "AWS_ENDPOINT_URL": world.endpoint, "COLUMNS": "200"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def attempts(world: World, since: int) -> tuple[Counter[str], Counter[str]]:
    """What apply has parked, and what it has sent back to come again, by reason."""
    batches = told(world, PEER, "apply", since)
    reasons: Counter[str] = sum((Counter(each["parked"]) for each in batches), Counter())
    again: Counter[str] = sum((Counter(each["again"]) for each in batches), Counter())
    return reasons, again


@pytest.fixture(autouse=True)
def clean(world: World) -> Iterator[None]:
    """Nothing is parked before a test, and nothing after it."""
    assert messages(world, "orders", LOST) == 0
    yield
    for region in world.tables:
        url = queue_url(world, "distributary-orders-parked", region)
        client(world, "sqs", region).purge_queue(QueueUrl=url)


UNKNOWN_FORMAT = json.dumps({"format": 99, "changes": "of another kind"})
UNKNOWN_DATASET = json.dumps({"format": 1, "dataset": "elsewhere", "policies": "", "home": HOME, "changes": []})


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ("not ours", "MalformedMessage"),
        (UNKNOWN_FORMAT, "UnknownFormat"),
        (UNKNOWN_DATASET, "UnknownDataset"),
    ],
)
def test_a_message_that_is_not_ours_is_parked_whole_and_the_next_is_applied(
    world: World, poison: str, reason: str
) -> None:
    # when: a good change arrives right behind it
    began = now()
    deliver(world, poison, packed(change(f"behind-{reason}")))

    # then: both are done with, the one by parking it at the first attempt, the other by applying it
    wait_until(world, PEER, f"behind-{reason}", "written")
    parcel = parked(world)
    assert (parcel.dataset, parcel.reason, parcel.payload) == ("orders", reason, poison)
    assert parcel.hint
    until("the inbox is empty", lambda: messages(world, "orders", WORKING) == 0)
    until("apply has told it", lambda: attempts(world, began) == (Counter({reason: 1}), Counter()))


@pytest.mark.parametrize("kind", ["ClockDrift", "StaleChange"])
def test_one_change_that_cannot_be_trusted_is_parked_and_the_others_of_its_message_are_applied(
    world: World, kind: str
) -> None:
    # given: a message with a change between two others that is from the future, or older than tombstones are kept
    bad = change(f"{kind}-bad", ahead=HOUR)
    if kind == "StaleChange":
        bad = replace(change(f"{kind}-bad"), captured_at=1000 * now() - TRUSTED_AGE - HOUR)
    began = now()
    deliver(world, packed(change(f"{kind}-before"), bad, change(f"{kind}-after")))

    # then: only that change is parked, as a message that can be redriven
    for place in ("before", "after"):
        wait_until(world, PEER, f"{kind}-{place}", "written")
    parcel = parked(world)
    assert (parcel.reason, parcel.redrivable, parcel.payload) == (kind, True, packed(bad))
    assert read(world, PEER, f"{kind}-bad") is None
    until("apply has told it", lambda: attempts(world, began) == (Counter({kind: 1}), Counter()))


def test_what_is_parked_can_be_sent_again_once_its_time_has_come(world: World) -> None:
    # given: a parked change, some seconds further ahead of its time than is allowed
    early = change("early", ahead=70 * MICROSECONDS)
    deliver(world, packed(early))
    assert parked(world).reason == "ClockDrift"
    assert read(world, PEER, "early") is None

    # when: the operator waits, and sends it again
    until("its time", lambda: early.version.timestamp < 1000 * now() + 60 * MICROSECONDS)
    assert operate(world, "redrive", "--reason", "ClockDrift") == "1 ClockDrift: sent again\n"

    # then: it is applied, and no longer parked
    wait_until(world, PEER, "early", "written")
    assert messages(world, "orders", LOST) == 0


def test_what_is_parked_can_be_shown_and_discarded(world: World) -> None:
    deliver(world, "not ours")
    assert parked(world).payload == "not ours"
    assert operate(world, "discard", "--reason", "MalformedMessage") == "1 MalformedMessage: discarded\n"
    assert messages(world, "orders", LOST) == 0
    assert "Nothing is parked" in operate(world, "list")
