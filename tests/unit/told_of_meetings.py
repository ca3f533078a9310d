"""What every conflict on record tells, as tests for those who let two states meet in some way."""

from __future__ import annotations

from dataclasses import dataclass

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict
from distributary.domain.policies import Policy
from tests.unit.sites import HOME, key


@dataclass(frozen=True)
class Met:
    """The one conflict that was put on record at HOME, the two states that have met, and the time there."""

    conflict: Conflict
    arriving: Change
    present: Change
    now: int


class OnRecord:
    """Tests of a fixture `met`; a module takes them by a class of its own."""

    def test_whose_row_it_is(self, met: Met) -> None:
        assert met.conflict.key == key()

    def test_which_states_have_met(self, met: Met) -> None:
        told = met.conflict
        assert (told.arriving.version, told.present.version) == (met.arriving.version, met.present.version)

    def test_what_each_had_seen(self, met: Met) -> None:
        told = met.conflict
        assert (told.arriving.context, told.present.context) == (met.arriving.context, met.present.context)

    def test_what_each_showed(self, met: Met) -> None:
        told = met.conflict
        assert (told.arriving.image, told.present.image) == (met.arriving.image, met.present.image)

    def test_where_and_when_it_was_resolved(self, met: Met) -> None:
        told = met.conflict
        assert (told.dataset, told.table, told.region, told.at) == ("orders", "orders", HOME, met.now)

    def test_by_which_policy_it_was_resolved(self, met: Met) -> None:
        assert met.conflict.policy == Policy.LAST_WRITER_WINS.value
