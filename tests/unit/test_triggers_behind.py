"""Nothing is decided by policies that the triggers of a table do not keep yet."""

from __future__ import annotations

import pytest

from distributary.domain.errors import TriggersBehind
from distributary.domain.policies import Policies, Policy, check_triggers

TABLE = '"public"."orders"'


def test_functions_wait_for_triggers_of_their_policies() -> None:
    policies = Policies(Policy.FIRST_WRITER_WINS, generation=3)
    with pytest.raises(TriggersBehind, match="triggers of generation 2, this function 3"):
        check_triggers(policies, TABLE, 2)


@pytest.mark.parametrize("generation", [3, 4])
def test_triggers_may_be_made_anew_before_the_functions_are(generation: int) -> None:
    check_triggers(Policies(Policy.FIRST_WRITER_WINS, generation=3), TABLE, generation)


def test_where_the_last_write_stands_triggers_keep_nothing() -> None:
    check_triggers(Policies(generation=3), TABLE, 1)
