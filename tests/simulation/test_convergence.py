"""Convergence, causality and no resurrection, over random histories of production code."""

import os

import pytest

from tests.simulation.histories import play_all

SEEDS = int(os.environ.get("SEEDS", "2400"))
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("kinds", "writes"), [("u", 8), ("us", 12), ("s", 10), ("us", 25)])
def test_replicas_end_equal_and_no_promise_is_broken(kinds: str, writes: int, part: int) -> None:
    # given: a quarter of the seeds of this kind of writers; long histories cost more and get fewer
    each = SEEDS // PARTS // (6 if writes > 12 else 2)
    seeds = range(part * each, (part + 1) * each)

    # when: every history is played with faults, then healed and drained
    broken = play_all(seeds, writes, kinds)

    # then: nothing was broken; a seed that appears here becomes a test of its own
    assert broken == []


@pytest.mark.parametrize(
    ("seed", "writes", "kinds", "lesson"),
    [
        (2239, 12, "us", "a stamping writer's clock stepped back behind a deletion; its row has to be read"),
        (16, 8, "u", "the stamp that a deletion removed may be noted in stream order only"),
        (18, 8, "u", "a stamp copied from another region onto a row without one is no echo"),
        (4, 8, "u", "our stamp on a row to which an attribute was added unseen is an echo"),
        (226, 8, "u", "an insert copied from another region with its stamp is no echo"),
        (20026, 25, "us", "the same unreadable stamp in two regions must not link one's writes to the other's"),
    ],
)
def test_a_history_that_once_broke_a_promise_stays_mended(seed: int, writes: int, kinds: str, lesson: str) -> None:
    assert play_all([seed], writes, kinds) == [], lesson
