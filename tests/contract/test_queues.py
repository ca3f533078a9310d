"""What every set of queues does: the contracts of `ports.Inboxes`, `Outbox`, `Parking` and `Waiting`."""

from __future__ import annotations

import random
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest

from distributary.adapters.parcels import parcel_from
from distributary.adapters.queues import LONGEST_WAIT, SqsInboxes, SqsOutbox, SqsWaiting
from distributary.domain.errors import InvalidSettings, MissingResource, RetryLater, Unavailable
from distributary.domain.message import LIMIT
from distributary.domain.parcel import Parcel
from tests.contract.engines import free_port
from tests.contract.posts import REGIONS, MemoryPost, Post, SqsPost, clients, new_post

HERE, THERE = REGIONS


@pytest.fixture(
    params=["memory", pytest.param("ministack", marks=pytest.mark.xdist_group("ministack"))],
)
def post(request: pytest.FixtureRequest) -> Post:
    """Queues of every kind."""
    return MemoryPost() if request.param == "memory" else new_post(request.getfixturevalue("ministack_endpoint"))


@pytest.fixture
def sqs(ministack_endpoint: str) -> SqsPost:
    """Queues of SQS."""
    return new_post(ministack_endpoint)


on_sqs = pytest.mark.xdist_group("ministack")


def a_parcel(payload: str) -> Parcel:
    return Parcel("orders", "ItemTooLarge", "too large: 水", "Make it smaller.", payload, True, 1_700_000_000_000_000)


def test_a_message_arrives_unchanged_in_the_inbox_of_its_region_alone(post: Post) -> None:
    body = '{"text": "it\'s \\"quoted\\" \\u6c34 <&>"}'
    post.inboxes.send(THERE, [body])
    assert post.received(f"inbox {THERE}") == [(body, {})]
    assert post.received(f"inbox {HERE}") == []


def test_nothing_to_send_is_no_error(post: Post) -> None:
    post.inboxes.send(THERE, [])
    post.outbox.hold(THERE, [])
    post.parking.park([])
    assert post.received(f"inbox {THERE}") == post.received("outbox") == post.received("parked") == []


def test_many_messages_arrive(post: Post) -> None:
    bodies = [f"message {number}" for number in range(23)]
    post.inboxes.send(THERE, bodies)
    assert sorted(body for body, _ in post.received(f"inbox {THERE}")) == sorted(bodies)


def test_messages_as_large_as_they_are_packed_arrive(post: Post) -> None:
    bodies = [letter * LIMIT for letter in "abc"] + ["small"]
    post.inboxes.send(THERE, bodies)
    assert sorted(body for body, _ in post.received(f"inbox {THERE}")) == sorted(bodies)


def test_a_held_message_says_where_it_goes(post: Post) -> None:
    bodies = [letter * LIMIT for letter in "ab"]
    post.outbox.hold(THERE, bodies)
    post.outbox.hold(HERE, ["for here"])
    expected = [(body, {"destination": THERE}) for body in bodies] + [("for here", {"destination": HERE})]
    assert sorted(post.received("outbox"), key=str) == sorted(expected, key=str)


def test_two_regions_are_sent_to_at_the_same_time(post: Post) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda region: post.inboxes.send(region, [f"to {region}"] * 15), REGIONS))
    assert post.received(f"inbox {HERE}") == [(f"to {HERE}", {})] * 15
    assert post.received(f"inbox {THERE}") == [(f"to {THERE}", {})] * 15


@on_sqs
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("{}", id="small"),
        pytest.param('"' * 600_000, id="grows by escaping"),
        pytest.param("水" * 400_000, id="grows as ASCII"),
        pytest.param("a" * 1_200_000, id="over a message's limit"),
        pytest.param(b64encode(random.Random(1).randbytes(2 * 409_600)).decode(), id="incompressible"),
    ],
)
def test_a_parcel_is_found_as_it_was_parked(sqs: SqsPost, payload: str) -> None:
    sqs.parking.park([a_parcel(payload)])
    ((body, _),) = sqs.received("parked")
    assert parcel_from(body) == a_parcel(payload)


@on_sqs
def test_a_region_without_inbox_is_a_mistake_in_the_settings(sqs: SqsPost) -> None:
    with pytest.raises(InvalidSettings, match="mars-north-1"):
        sqs.inboxes.send("mars-north-1", ["x"])


@on_sqs
def test_a_queue_that_is_not_there_stops_the_work(sqs: SqsPost) -> None:
    missing = SqsOutbox(sqs.clients(HERE), sqs.urls["outbox"] + "-missing")
    with pytest.raises(MissingResource):
        missing.hold(THERE, ["x"])


def test_a_region_that_cannot_be_reached_is_unavailable() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    inboxes = SqsInboxes(clients(endpoint), {HERE: f"{endpoint}/000000000000/inbox"})
    with pytest.raises(Unavailable):
        inboxes.send(HERE, ["x"])


@on_sqs
def test_a_postponed_message_comes_again_after_its_time_and_not_before(sqs: SqsPost) -> None:
    waiting = SqsWaiting(sqs.clients(HERE), sqs.urls["outbox"])
    sqs.outbox.hold(THERE, ["x"])
    waiting.postpone(sqs.receipt("outbox"), 2)
    postponed_at = time.monotonic()
    assert sqs.received("outbox") == []
    while not sqs.received("outbox"):
        assert time.monotonic() - postponed_at < 15
    assert time.monotonic() - postponed_at >= 1.5


@on_sqs
@pytest.mark.parametrize("seconds", [0, 1, LONGEST_WAIT, 43_200])
def test_a_message_may_be_postponed_by_up_to_twelve_hours(sqs: SqsPost, seconds: int) -> None:
    sqs.outbox.hold(THERE, ["x"])
    SqsWaiting(sqs.clients(HERE), sqs.urls["outbox"]).postpone(sqs.receipt("outbox"), seconds)


@on_sqs
def test_a_message_that_is_no_longer_ours_cannot_be_postponed(sqs: SqsPost) -> None:
    sqs.outbox.hold(THERE, ["x"])
    receipt = sqs.receipt("outbox")
    sqs.clients(HERE).delete_message(QueueUrl=sqs.urls["outbox"], ReceiptHandle=receipt)
    with pytest.raises(RetryLater):
        SqsWaiting(sqs.clients(HERE), sqs.urls["outbox"]).postpone(receipt, 10)
