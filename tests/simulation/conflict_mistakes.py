"""Deliberate mistakes in telling of conflicts, which rows do not show: only the comparison with causality notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from distributary.domain import merge, policy_merge, settled_rows
from distributary.domain.change import Change
from distributary.domain.conflict import Judgement, Verdict
from distributary.domain.local_write import LocalWrite
from distributary.domain.steps import Decision, Record
from distributary.domain.version import NOTHING_SEEN, Context, Version
from tests.simulation.histories import Kind
from tests.simulation.mistakes import SMALL, Mistake
from tests.simulation.setting import Writing


def never(*_: Any) -> bool:
    return False


def _never_told(*_: Any) -> Decision[None]:
    yield from ()


def told_of_stale_ones(version: Version, context: Context, present: Version | None, _p: Context) -> Judgement:
    if present is None or version == present:
        return Judgement(Verdict.NEWER if present is None else Verdict.SAME, conflict=False)
    return Judgement(Verdict.NEWER if version > present else Verdict.OLDER, not context.covers(present))


def told_afterwards(original: Callable[..., Decision[Any]]) -> Callable[..., Decision[Any]]:
    def replacing(*arguments: Any, **options: Any) -> Decision[Any]:
        decision, held, answer = original(*arguments, **options), list[Record](), None
        while True:
            try:
                step = decision.send(answer)
            except StopIteration as end:
                yield from held
                return end.value
            if isinstance(step, Record):
                held.append(step)
                answer = None
            else:
                answer = yield step

    return replacing


def _without_context(original: Callable[[LocalWrite], Change]) -> Callable[[LocalWrite], Change]:
    def change(self: LocalWrite) -> Change:
        made = original(self)
        return replace(made, context=NOTHING_SEEN.including(made.version))

    return change


CONFLICT_MISTAKES = (
    Mistake("a conflict is not told", merge, "_on_record", _never_told, SMALL, 100),
    Mistake("a stale delivery is told as a conflict", merge, "judge", told_of_stale_ones, SMALL, 100),
    Mistake(
        "a conflict is told after the row shows it", merge, "_replace", told_afterwards(merge._replace), SMALL, 100
    ),
    Mistake(
        "a change forgets what it was on top of", LocalWrite, "change", _without_context(LocalWrite.change), SMALL, 100
    ),
    Mistake(
        "a deletion takes in silence what it has not seen",
        (policy_merge, settled_rows),
        "lost",
        never,
        Kind(Writing.MERGING, 25),
        50,
    ),
)
