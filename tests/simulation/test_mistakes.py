"""A simulator that cannot fail proves nothing: each deliberate mistake is noticed within its number of seeds."""

import pytest

from tests.simulation.histories import play
from tests.simulation.mistakes import MISTAKES, Mistake


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_simulator_notices(mistake: Mistake) -> None:
    # given: the production code with one mistake in it
    with mistake.made():
        # when: histories are played until one breaks a promise
        noticed = next((s for s in range(mistake.seeds) if play(s, mistake.writes, mistake.kinds) is not None), None)

    # then: one did
    assert noticed is not None
