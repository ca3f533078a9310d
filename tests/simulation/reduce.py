"""Makes a failing history short: fewer writes, fewer steps, simpler choices, and the same promise broken.

The choices of a history are a list of numbers of which 0 is the simplest. Steps are left out, then choices set to 0 or
made smaller, as Hypothesis reduces what it generates (MacIver and Donaldson, "Test-Case Reduction via Test-Case
Generation", 2020). Whatever list remains is a history, since one that ends goes on with zeros.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.histories import Kind, Played, play

Record = tuple[int, ...]
Candidate = tuple[Kind, Record]


def reduced(failing: Played, *, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> Played:
    """The simplest history found within so many seconds that breaks the same promise as this one."""
    if failing.broken is None:
        raise ValueError("a history that breaks nothing cannot be reduced")
    deadline, best, before = clock() + seconds, failing, None
    while best is not before and clock() < deadline:
        before = best
        for way in (_fewer_writes, _fewer_steps, _more_zeros, _smaller_numbers):
            best = _improved(best, way, lambda: clock() < deadline)
    return best


def _improved(best: Played, way: Callable[[Played, int], Iterator[Candidate]], more_time: Callable[[], bool]) -> Played:
    """Try one way to simplify, in portions that halve, from the end to the beginning."""
    promise = best.broken[0] if best.broken else None
    size = max(1, len(best.steps) // 2)
    while size:
        for kind, record in way(best, size):
            if not more_time():
                return best
            played = play(kind, record=record)
            if played.broken is not None and played.broken[0] == promise and _weight(played) < _weight(best):
                best = played
        size //= 2
    return best


def _weight(played: Played) -> tuple[int, int, int]:
    return played.kind.writes, len(played.steps), sum(map(bool, played.record)) + sum(played.record) // 10**6


def _fewer_writes(best: Played, size: int) -> Iterator[Candidate]:
    if size < best.kind.writes:
        yield replace(best.kind, writes=best.kind.writes - size), best.record


def _fewer_steps(best: Played, size: int) -> Iterator[Candidate]:
    starts = (*best.steps, len(best.record))
    for at in range(len(best.steps) - size, -1, -max(1, size // 2)):
        yield best.kind, best.record[: starts[at]] + best.record[starts[at + size] :]


def _more_zeros(best: Played, size: int) -> Iterator[Candidate]:
    for at in range(len(best.record) - size, -1, -size):
        if any(best.record[at : at + size]):
            yield best.kind, best.record[:at] + (0,) * size + best.record[at + size :]


def _smaller_numbers(best: Played, size: int) -> Iterator[Candidate]:
    if size > 1:
        return
    for at, number in enumerate(best.record):
        for less in {number // 2, number - 1} if number > 1 else ():
            yield best.kind, (*best.record[:at], less, *best.record[at + 1 :])
