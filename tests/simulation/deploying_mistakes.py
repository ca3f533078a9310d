"""Deliberate mistakes about tables that get policies, or others, each of which the simulator has to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from distributary.domain import own_writes, policy_begin, policy_merge, settled_rows, state_documents
from distributary.domain.crdt import ALWAYS
from distributary.domain.origin import Origin
from distributary.domain.policy_merge import merge_states
from distributary.domain.policy_settlement import settle_states
from distributary.domain.row_state import RowState, StateLattice
from distributary.services import deciding
from tests.simulation.histories import Kind
from tests.simulation.mistakes import Mistake
from tests.simulation.setting import Writing

TABLES = Kind(Writing.DEPLOYING, 10)
CHANGING = Kind(Writing.CHANGING, 10)


def _of_no_deletion(original: Callable[..., RowState]) -> Callable[..., RowState]:
    def began(*arguments: Any, **options: Any) -> RowState:
        return replace(original(*arguments, **options), incarnation=ALWAYS, from_plain=False)

    return began


def _whenever(original: Callable[..., Any]) -> Callable[..., Any]:
    """As if the table had never had other policies."""
    return lambda *arguments, **options: original(*arguments, **{**options, "since": 0})


def _of_these_policies(original: Callable[..., RowState | None]) -> Callable[..., RowState | None]:
    """As if the row that is there had been written under the policies that hold now."""

    def present(here: Any, *arguments: Any) -> RowState | None:
        state = original(here, *arguments)
        return replace(state, generation=here.lattice.policies.generation) if state is not None else None

    return present


def _whatever_its_generation(original: Callable[..., RowState]) -> Callable[..., RowState]:
    def read(*arguments: Any) -> RowState:
        *known, lattice = arguments
        return original(*known, replace(lattice, policies=replace(lattice.policies, generation=9)))

    return read


def _again_and_again(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every record of a row that is in dispute is written again, not only that in which the dispute began."""

    def told(here: Any) -> Any:
        record = here.record
        return original(replace(here, record=replace(record, old=None)) if here.origin is Origin.ECHO else here)

    return told


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
    Mistake(
        "what other regions may decide otherwise is left at that",
        own_writes,
        "_told",
        lambda here: here,
        CHANGING,
    ),
    Mistake(
        "a row of earlier policies counts as one of these",
        policy_merge,
        "_present",
        _of_these_policies(policy_merge._present),
        CHANGING,
    ),
    Mistake(
        "functions that are not deployed yet decide about rows of later policies",
        settled_rows,
        "state_from",
        _whatever_its_generation(state_documents.state_from),
        CHANGING,
    ),
    Mistake(
        "a dispute is settled again and again",
        own_writes,
        "_told",
        _again_and_again(own_writes._told),
        CHANGING,
    ),
)
