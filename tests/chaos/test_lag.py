"""What is said of lags is what the probes took."""

from __future__ import annotations

from chaos.lag import Lag, p99_ratio, together, uncertainty

SLOW = Lag(tuple(each / 1000 for each in range(101)))


def test_of_a_hundred_probes_the_slowest_is_left_out() -> None:
    assert (round(SLOW.p50), round(SLOW.p99)) == (50, 99)


def test_a_probe_that_never_arrived_is_slower_than_all_others() -> None:
    assert Lag((0.1, 0.2, float("inf"))).p99 == float("inf")


def test_one_probe_says_nothing() -> None:
    assert Lag((0.1,)).p99 == float("inf")


def test_measurements_are_taken_together() -> None:
    assert together([Lag((0.1,)), Lag((0.2, 0.3))]) == Lag((0.1, 0.2, 0.3))


def test_a_ratio_lies_within_its_uncertainty_which_more_probes_make_smaller() -> None:
    twice, many = Lag(tuple(2 * each for each in SLOW.found)), together([SLOW] * 20)
    least, most = uncertainty(twice, SLOW)
    closer = uncertainty(together([twice] * 20), many)
    assert least <= p99_ratio(twice, SLOW) <= most
    assert least < closer[0] <= 2.0 <= closer[1] < most
