"""A simulator that cannot fail proves nothing: each deliberate mistake is noticed within its number of seeds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.simulation.choices import Choices
from tests.simulation.conflict_mistakes import CONFLICT_MISTAKES
from tests.simulation.deploying_mistakes import DEPLOYING_MISTAKES
from tests.simulation.histories import Kind, play
from tests.simulation.log_conflict_mistakes import LOG_CONFLICT_MISTAKES
from tests.simulation.log_mistakes import LOG_MISTAKES, LOGS
from tests.simulation.log_policy_mistakes import LOG_POLICY_MISTAKES
from tests.simulation.mistakes import MISTAKES, Mistake
from tests.simulation.policy_mistakes import POLICY_MISTAKES
from tests.simulation.reduce import reduced

ALL = [*MISTAKES, *LOG_MISTAKES, *POLICY_MISTAKES, *DEPLOYING_MISTAKES, *LOG_POLICY_MISTAKES]


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.name)
def test_the_simulator_notices(mistake: Mistake) -> None:
    # given: the production code with one mistake in it
    with mistake.made():
        # when: histories are played until one breaks a promise
        noticed = next((s for s in range(mistake.seeds) if play(mistake.kind, s).broken is not None), None)

    # then: one did
    assert noticed is not None


@pytest.mark.parametrize("mistake", CONFLICT_MISTAKES, ids=lambda mistake: mistake.name)
def test_the_comparison_with_causality_notices(mistake: Mistake) -> None:
    # given: a mistake that no row shows; when: histories are played
    with mistake.made():
        played = [play(mistake.kind, seed) for seed in range(mistake.seeds)]

    # then: a quarter of them have a conflict that was told wrongly; of the rules as they are, not one of these has
    assert sum(bool(each.misjudged) for each in played) > mistake.seeds // 4
    assert not any(play(mistake.kind, seed).misjudged for seed in range(mistake.seeds))


@pytest.mark.parametrize("mistake", LOG_CONFLICT_MISTAKES, ids=lambda mistake: mistake.name)
def test_the_comparison_of_stamping_databases_with_causality_notices(mistake: Mistake) -> None:
    # given: a mistake that no row shows; when: histories are played
    with mistake.made():
        played = [play(mistake.kind, seed) for seed in range(mistake.seeds)]

    # then: some have a conflict that was told wrongly, and that is all that is noticed
    assert any(each.misjudged for each in played)
    assert not any(each.broken for each in played)


@pytest.mark.parametrize("kind", [MISTAKES[0].kind, LOGS], ids=str)
def test_a_seed_and_its_record_play_the_same_history(kind: Kind) -> None:
    for seed in range(5):
        drawn: list[str] = []
        recorded: list[str] = []
        played = play(kind, seed, tell=drawn.append)
        again = play(kind, record=played.record, tell=recorded.append)
        assert (again.record, recorded) == (played.record, drawn)


def test_a_list_that_ends_early_goes_on_with_the_simplest_choices() -> None:
    choices = Choices(record=[7, 1])
    assert [choices.below(5), choices.chance(0.5), choices.below(9), choices.chance(0.5)] == [4, True, 0, False]


@dataclass
class Ticking:
    """A clock that shows one second more each time, so that the reduction ends after so many looks."""

    now: float = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_failing_history_is_made_shorter_and_fails_in_the_same_way() -> None:
    # given: a history that fails because of a mistake
    (mistake,) = (each for each in MISTAKES if each.name == "nothing kept for an unreachable peer")
    with mistake.made():
        failing = next(played for s in range(mistake.seeds) if (played := play(mistake.kind, s)).broken is not None)
        # when: somebody asks for a shorter one
        short = reduced(failing, seconds=400, clock=Ticking())
        # then: there is one, and it breaks the same promise
        assert failing.broken is not None
        assert short.broken is not None
        assert short.broken[0] == failing.broken[0]
        assert (short.kind.writes, len(short.steps)) < (failing.kind.writes, len(failing.steps))
        assert play(short.kind, record=short.record).broken == short.broken
