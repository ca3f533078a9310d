"""What the queues do when sending fails, in whole or in part."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from threading import Event
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_sqs import SQSClient

from distributary.adapters.breaker import BreakingInboxes
from distributary.adapters.parcels import LIMIT, parcel_from, parcel_text
from distributary.adapters.queues import LONGEST_WAIT, SqsInboxes, SqsWaiting, queue_url
from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    MalformedMessage,
    Misconfigured,
    MissingResource,
    RetryLater,
    Throttled,
    Unavailable,
)
from distributary.domain.parcel import Parcel


class RecordingClient:
    """A client that keeps what it is given. codes: of the errors that it answers with, by the number of the message."""

    def __init__(self, codes: dict[int, str] | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self._codes = codes or {}

    def change_message_visibility(self, **arguments: Any) -> None:
        self.sent.append(arguments)

    def send_message(self, **arguments: Any) -> dict[str, Any]:
        self.sent.append(arguments)
        code = self._codes.get(len(self.sent))
        if code is not None:
            raise ClientError({"Error": {"Code": code, "Message": "why"}}, "SendMessage")
        return {"MessageId": "m"}


def inboxes_over(client: RecordingClient) -> SqsInboxes:
    return SqsInboxes(lambda _: cast("SQSClient", client), {"eu-west-1": "https://queue"})


def test_the_address_of_a_queue() -> None:
    assert queue_url("eu-west-1", "123456789012", "in") == "https://sqs.eu-west-1.amazonaws.com/123456789012/in"
    assert queue_url("cn-north-1", "1", "in", "amazonaws.com.cn") == "https://sqs.cn-north-1.amazonaws.com.cn/1/in"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InternalError", Unavailable),
        ("Brandnew", RetryLater),
        ("RequestThrottled", Throttled),
        ("KmsAccessDenied", AccessDenied),
        ("InvalidMessageContents", Misconfigured),
        ("AWS.SimpleQueueService.NonExistentQueue", MissingResource),
        ("ValidationException", RetryLater),
    ],
)
def test_sending_ends_at_the_first_message_that_is_not_stored(code: str, expected: type[DistributaryError]) -> None:
    client = RecordingClient({2: code})
    with pytest.raises(expected, match=code):
        inboxes_over(client).send("eu-west-1", ["a", "b", "c"])
    assert [each["MessageBody"] for each in client.sent] == ["a", "b"]


@pytest.mark.parametrize(
    ("seconds", "asked"), [(0, 0), (300, 300), (LONGEST_WAIT, LONGEST_WAIT), (43_200, LONGEST_WAIT)]
)
def test_a_wait_stays_under_twelve_hours_from_the_receipt(seconds: int, asked: int) -> None:
    client = RecordingClient()
    SqsWaiting(cast("SQSClient", client), "https://queue").postpone("receipt", seconds)
    assert client.sent == [{"QueueUrl": "https://queue", "ReceiptHandle": "receipt", "VisibilityTimeout": asked}]


class FailingInboxes:
    """Inboxes whose regions fail as told."""

    def __init__(self) -> None:
        self.errors: dict[str, DistributaryError] = {}
        self.tried: list[str] = []

    def send(self, region: str, messages: Any) -> None:  # noqa: ARG002
        self.tried.append(region)
        if region in self.errors:
            raise self.errors[region]


class AtOnce(Executor):
    """An executor that has done the work when it is submitted."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except DistributaryError as error:
            future.set_exception(error)
        return future


@pytest.fixture
def time_of() -> dict[str, float]:
    return {"now": 100.0}


@pytest.fixture
def failing() -> FailingInboxes:
    return FailingInboxes()


@pytest.fixture
def breaking(failing: FailingInboxes, time_of: dict[str, float]) -> BreakingInboxes:
    clock: Callable[[], float] = lambda: time_of["now"]  # noqa: E731
    return BreakingInboxes(failing, AtOnce(), seconds=20, clock=clock)


def test_a_region_that_failed_is_not_tried_for_a_while(
    failing: FailingInboxes, breaking: BreakingInboxes, time_of: dict[str, float]
) -> None:
    failing.errors["b"] = Throttled("slow down")
    with pytest.raises(Throttled):
        breaking.send("b", ["x"])
    time_of["now"] += 19.9
    with pytest.raises(Unavailable, match=r"b is not waited for.*slow down"):
        breaking.send("b", ["x"])
    assert failing.tried == ["b"]


def test_other_regions_are_not_touched(failing: FailingInboxes, breaking: BreakingInboxes) -> None:
    failing.errors["b"] = Unavailable("gone")
    with pytest.raises(Unavailable):
        breaking.send("b", ["x"])
    breaking.send("c", ["x"])
    assert failing.tried == ["b", "c"]


def test_a_region_is_tried_again_after_the_while_beside_a_caller_who_is_refused(
    failing: FailingInboxes, breaking: BreakingInboxes, time_of: dict[str, float]
) -> None:
    # given: a region that fails, and fails again at the next trial
    failing.errors["b"] = Unavailable("gone")
    for _ in range(2):
        with pytest.raises(Unavailable):
            breaking.send("b", ["x"])
        time_of["now"] += 20
    # when: it is back, and the next trial succeeds
    failing.errors.clear()
    with pytest.raises(Unavailable, match="gone"):
        breaking.send("b", ["x"])
    # then: it is as before
    breaking.send("b", ["x"])
    assert failing.tried == ["b"] * 4


class HangingInboxes:
    """Inboxes that answer when they are let."""

    def __init__(self) -> None:
        self.answer = Event()
        self.sent: list[list[str]] = []

    def send(self, region: str, messages: Any) -> None:  # noqa: ARG002
        self.answer.wait()
        self.sent.append(messages)


def test_a_region_that_hangs_is_waited_for_once_and_no_longer_than_patience_lasts(time_of: dict[str, float]) -> None:
    hanging = HangingInboxes()
    with ThreadPoolExecutor(max_workers=2) as pool:
        breaking = BreakingInboxes(hanging, pool, patience=0.01, seconds=20, clock=lambda: time_of["now"])
        try:
            # given: a region that does not answer, so that the first caller loses patience
            with pytest.raises(Unavailable, match="no answer within"):
                breaking.send("b", ["first"])
            # then: neither callers right behind it nor the one whose send is tried again wait for the region
            for message in ("not tried", "tried again", "not tried"):
                with pytest.raises(Unavailable, match="not waited for"):
                    breaking.send("b", [message])
                time_of["now"] += 20 if message == "not tried" else 0
        finally:
            hanging.answer.set()
    # when: it answers after all, then: what was tried has been sent
    assert sorted(hanging.sent) == [["first"], ["tried again"]]


class SlowInboxes:
    """Inboxes that take the time that they are told. taking: seconds."""

    def __init__(self, time_of: dict[str, float]) -> None:
        self.taking = 0.0
        self._time_of = time_of

    def send(self, region: str, messages: Any) -> None:  # noqa: ARG002
        self._time_of["now"] += self.taking


class Late(Future[Any]):
    """What is done while its caller waits, if he waits long enough, and else when the executor's rest is."""

    def __init__(self, pool: Watched, work: Callable[[], Any]) -> None:
        super().__init__()
        self._pool, self._work = pool, work

    def result(self, timeout: float | None = None) -> Any:
        self._pool.patience.append(timeout)
        gives_up = timeout is not None and self._pool.inboxes.taking > timeout
        if not gives_up or self._pool.just_now:
            self.finish()
        if gives_up:
            raise TimeoutError
        return super().result()

    def finish(self) -> None:
        if not self.done():
            self.set_result(self._work())


class Watched(Executor):
    """An executor whose callers lose patience as with a real one, in the time of the inboxes.

    patience: what they had. just_now: whether what took too long is done in the moment after they lost it.
    """

    def __init__(self, inboxes: SlowInboxes) -> None:
        self.inboxes = inboxes
        self.patience: list[float | None] = []
        self.just_now = False
        self._given: list[Late] = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self._given.append(Late(self, lambda: work(*arguments, **named)))
        return self._given[-1]

    def rest(self) -> None:
        """Do what is not done yet."""
        for each in self._given:
            each.finish()


@pytest.fixture
def slow(time_of: dict[str, float]) -> SlowInboxes:
    return SlowInboxes(time_of)


@pytest.fixture
def pool(slow: SlowInboxes) -> Watched:
    return Watched(slow)


@pytest.fixture
def timed(slow: SlowInboxes, pool: Watched, time_of: dict[str, float]) -> BreakingInboxes:
    return BreakingInboxes(slow, pool, patience=1.0, seconds=20, clock=lambda: time_of["now"])


def known(slow: SlowInboxes, timed: BreakingInboxes, region: str, usual: float) -> None:
    """Send to a region so often that it is known what is usual for it."""
    for at in range(40):
        slow.taking = usual * (1 + at % 2 / 10)
        timed.send(region, ["x"])


@pytest.mark.parametrize(("usual", "given_up_after"), [(0.01, "0.15"), (0.4, "0.51")])
def test_a_region_is_waited_for_as_long_as_is_usual_for_it(
    slow: SlowInboxes, timed: BreakingInboxes, usual: float, given_up_after: str
) -> None:
    known(slow, timed, "b", usual)
    slow.taking = 0.6
    with pytest.raises(Unavailable, match=rf"b: no answer within {given_up_after} s"):
        timed.send("b", ["x"])


def slow_twice(slow: SlowInboxes, timed: BreakingInboxes) -> None:
    """A near region, and a distant one whose answers take longer; after two of them it is not waited for."""
    known(slow, timed, "near", 0.01)
    slow.taking = 0.3
    timed.send("far", ["x"])
    timed.send("far", ["x"])


def test_a_region_that_is_slower_than_another_every_time_is_not_waited_for(
    slow: SlowInboxes, pool: Watched, timed: BreakingInboxes, time_of: dict[str, float]
) -> None:
    # given
    slow_twice(slow, timed)
    waited = len(pool.patience)
    # when: it answers as slowly whenever it is tried
    for _ in range(3):
        time_of["now"] += 59
        with pytest.raises(Unavailable, match=r"far is not waited for: it took 0\.30 s, and did before"):
            timed.send("far", ["x"])
        time_of["now"] += 1
        with pytest.raises(Unavailable, match="far is not waited for"):
            timed.send("far", ["x"])
        pool.rest()
        timed.send("far", ["x"])
    # then: somebody has waited for it once a minute
    assert len(pool.patience) == waited + 3


def test_a_region_that_has_become_quick_is_waited_for_again(
    slow: SlowInboxes, pool: Watched, timed: BreakingInboxes, time_of: dict[str, float]
) -> None:
    # given: a region that was slower than another
    slow_twice(slow, timed)
    # when: it is quick when it is tried the next time
    time_of["now"] += 60
    slow.taking = 0.1
    with pytest.raises(Unavailable):
        timed.send("far", ["x"])
    pool.rest()
    # then
    for _ in range(3):
        timed.send("far", ["x"])


def test_one_late_answer_is_an_accident(slow: SlowInboxes, pool: Watched, timed: BreakingInboxes) -> None:
    # given: two regions that are as quick
    known(slow, timed, "near", 0.01)
    known(slow, timed, "other", 0.01)
    # when: one is given up once, and answers after all
    slow.taking = 0.3
    with pytest.raises(Unavailable, match=r"other: no answer within 0\.15 s"):
        timed.send("other", ["x"])
    pool.rest()
    # then: it is waited for again
    slow.taking = 0.01
    timed.send("other", ["x"])


def test_a_region_that_is_refused_is_nobody_to_compare_with(
    slow: SlowInboxes, pool: Watched, timed: BreakingInboxes
) -> None:
    # given: a quick region that is refused, and another that takes long since then
    known(slow, timed, "refused", 0.01)
    slow.taking = 0.2
    with pytest.raises(Unavailable, match="no answer"):
        timed.send("refused", ["x"])
    # then: the other is waited for as long as it takes
    for _ in range(4):
        timed.send("b", ["x"])
    assert len(pool.patience) == 40 + 1 + 4


def test_nor_is_one_that_a_deployment_at_fault_keeps_us_from(time_of: dict[str, float]) -> None:
    # given: a quick region that denies us access, and another that takes long since then
    class Slow(FailingInboxes):
        def send(self, region: str, messages: Any) -> None:
            time_of["now"] += 0.2 if self.errors else 0.01
            super().send(region, messages)

    inboxes = Slow()
    timed = BreakingInboxes(inboxes, AtOnce(), patience=1.0, clock=lambda: time_of["now"])
    timed.send("denied", ["x"])
    inboxes.errors["denied"] = AccessDenied("no")
    with pytest.raises(AccessDenied):
        timed.send("denied", ["x"])
    # then: the other is waited for as long as it takes
    for _ in range(4):
        timed.send("b", ["x"])
    assert inboxes.tried.count("b") == 4


def test_a_region_that_nobody_can_be_compared_with_is_never_slow(slow: SlowInboxes, timed: BreakingInboxes) -> None:
    slow.taking = 0.9
    for _ in range(3):
        timed.send("b", ["x"])


def test_an_answer_in_the_moment_in_which_patience_ends_closes_nothing(
    slow: SlowInboxes, pool: Watched, timed: BreakingInboxes
) -> None:
    known(slow, timed, "b", 0.01)
    slow.taking, pool.just_now = 0.16, True
    with pytest.raises(Unavailable, match="no answer"):
        timed.send("b", ["x"])
    slow.taking = 0.01
    timed.send("b", ["x"])


def test_a_region_of_which_nothing_is_known_and_a_large_message_have_more_time(
    pool: Watched, timed: BreakingInboxes
) -> None:
    for size in (1, 500_000, 5_000_000):
        timed.send("b", ["x" * size])
    assert pool.patience == [1.0, 0.65, 1.0]


def test_each_message_has_its_own_time(failing: FailingInboxes, breaking: BreakingInboxes) -> None:
    # given: more messages than a region may take the time for that one has
    breaking.send("b", ["x", "y", "z"])
    # then: each was waited for by itself
    assert failing.tried == ["b"] * 3


def test_a_deployment_at_fault_that_a_trial_meets_is_told_to_the_next_caller(
    failing: FailingInboxes, breaking: BreakingInboxes, time_of: dict[str, float]
) -> None:
    failing.errors["b"] = Unavailable("gone")
    with pytest.raises(Unavailable):
        breaking.send("b", ["x"])
    time_of["now"] += 20
    failing.errors["b"] = AccessDenied("no")
    with pytest.raises(Unavailable):
        breaking.send("b", ["x"])
    with pytest.raises(AccessDenied):
        breaking.send("b", ["x"])


def test_a_deployment_at_fault_is_told_every_time(failing: FailingInboxes, breaking: BreakingInboxes) -> None:
    failing.errors["b"] = AccessDenied("no")
    for _ in range(2):
        with pytest.raises(AccessDenied):
            breaking.send("b", ["x"])
    assert failing.tried == ["b", "b"]


@pytest.mark.parametrize("payload", ["", '{"a": "水"}', "\\" * (LIMIT // 2), "x" * 3_000_000])
def test_a_parcel_is_read_as_it_was_written(payload: str) -> None:
    parcel = Parcel("orders", "reason", "detail", "hint", payload, False, 17)
    text = parcel_text(parcel)
    assert text.isascii()
    assert len(text) <= LIMIT
    assert parcel_from(text) == parcel


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deflated": true}', "no json"])
def test_what_is_no_parcel_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parcel_from(text)
