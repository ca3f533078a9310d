"""A target may be down for ten days, and no message becomes a dead letter for it."""

from __future__ import annotations

import pytest

from distributary.domain.errors import (
    AccessDenied,
    DistributaryError,
    MissingResource,
    NotSettled,
    OutOfTime,
    PoliciesAhead,
    RetryLater,
    Throttled,
    Unavailable,
)
from distributary.domain.patience import pause_before

DAY = 86_400
RECEIVES_BEFORE_A_DEAD_LETTER = 1000
LONGEST_VISIBILITY = 43_200
TRANSIENT: list[DistributaryError] = [
    RetryLater("x"), Throttled("x"), Unavailable("x"), AccessDenied("x"), MissingResource("x"), PoliciesAhead("x")
]  # fmt: skip


def receives_during(error: DistributaryError, seconds: int) -> int:
    """How often a message comes while it always meets the same error."""
    receives = clock = 0
    while clock < seconds:
        receives += 1
        clock += max(1, pause_before(error, receives))
    return receives


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_ten_days_of_outage_cost_less_than_half_of_the_receives(error: DistributaryError) -> None:
    assert receives_during(error, 10 * DAY) < RECEIVES_BEFORE_A_DEAD_LETTER / 2


def test_an_hour_of_waiting_for_a_local_write_costs_a_fraction_of_the_receives() -> None:
    assert receives_during(NotSettled("x"), 3600) < RECEIVES_BEFORE_A_DEAD_LETTER / 5


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_pauses_grow_and_never_shrink(error: DistributaryError) -> None:
    pauses = [pause_before(error, count) for count in range(1, 1001)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 1
    assert pauses[:4] == [1, 2, 4, 8]


@pytest.mark.parametrize("error", [*TRANSIENT, NotSettled("x"), OutOfTime("x")], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("count", [-1, 0, 1, 2, 30, 1000, 10**9])
def test_every_pause_is_one_that_the_queue_takes(error: DistributaryError, count: int) -> None:
    assert 0 <= pause_before(error, count) <= LONGEST_VISIBILITY


def test_an_unsettled_row_is_looked_at_again_within_half_a_minute_for_an_hour() -> None:
    pauses = [pause_before(NotSettled("x"), count) for count in range(1, 121)]
    assert max(pauses) == 30
    assert sum(pauses) >= 3300


def test_ten_days_without_capture_cost_no_dead_letter() -> None:
    """Under policies a row that an application has written is never taken as it is, however long capture rests."""
    assert receives_during(NotSettled("x"), 10 * DAY) < RECEIVES_BEFORE_A_DEAD_LETTER


def test_a_message_for_which_there_was_no_time_comes_again_at_once() -> None:
    assert pause_before(OutOfTime("x"), 1000) == 0
