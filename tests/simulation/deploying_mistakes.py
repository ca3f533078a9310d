"""Deliberate mistakes about the time before a table had its policies, each of which the simulator has to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from distributary.domain import policy_begin
from distributary.domain.crdt import ALWAYS
from distributary.domain.policy_merge import merge_states
from distributary.domain.policy_settlement import settle_states
from distributary.domain.row_state import RowState, StateLattice
from distributary.services import deciding
from tests.simulation.histories import Kind
from tests.simulation.mistakes import Mistake
from tests.simulation.setting import Writing

TABLES = Kind(Writing.DEPLOYING, 10)


def _of_no_deletion(original: Callable[..., RowState]) -> Callable[..., RowState]:
    def began(*arguments: Any, **options: Any) -> RowState:
        return replace(original(*arguments, **options), incarnation=ALWAYS, from_plain=False)

    return began


def _whenever(original: Callable[..., Any]) -> Callable[..., Any]:
    """As if the table had never had other policies."""
    return lambda *arguments, **options: original(*arguments, **{**options, "since": 0})


DEPLOYING_MISTAKES = (
    Mistake(
        "rows from before are below all deletions", StateLattice, "began", _of_no_deletion(StateLattice.began), TABLES
    ),
    Mistake("policies hold as soon as they are deployed", policy_begin, "_before", lambda *_: False, TABLES),
    Mistake("a write of before takes a row's state away", policy_begin, "_with_state", lambda write: write, TABLES),
    Mistake(
        "what is written since is of the incarnation of its row",
        policy_begin,
        "settle_states",
        _whenever(settle_states),
        TABLES,
    ),
    Mistake(
        "a row that a stamping writer left before is waited for",
        deciding,
        "merge_states",
        _whenever(merge_states),
        TABLES,
    ),
)
