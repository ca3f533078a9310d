"""Finds the rows at fault of a statement that failed for one of its rows, by halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from distributary.domain.errors import (
    Contended,
    DistributaryError,
    ParentMissing,
    RetryLater,
    SchemaDiffers,
    Unacceptable,
)

OF_A_ROW = (Unacceptable, Contended, ParentMissing, SchemaDiffers)
"""Errors that one row of a statement may be the cause of."""

TRIES = 1_000
"""Statements that may fail before the rest is left for later: a second of work, which a call can spare."""

TRIES_IN_WAITING = 8
"""Of these, statements that waited for a lock in vain: each has taken as long as one may wait."""


def rows_at_fault(
    attempt: Callable[[Sequence[int]], None], numbers: Sequence[int], least: int = 1
) -> dict[int, DistributaryError]:
    """Attempt all, then halves of what failed, down to groups of `least`; the error for each number that is left.

    attempt: raises what failed and has had no effect then. Errors that are of no row are raised.
    """
    faults: dict[int, DistributaryError] = {}
    tries, waits = TRIES, TRIES_IN_WAITING
    open_groups = [numbers]
    while open_groups:
        group = open_groups.pop()
        try:
            attempt(group)
        except OF_A_ROW as error:
            tries, waits = tries - 1, waits - isinstance(error, Contended)
            if len(group) <= least or isinstance(error, SchemaDiffers):
                faults.update(dict.fromkeys(group, error))
            elif not tries or not waits:
                # Which of these rows it was is not known, so none may be refused for it.
                late = error if isinstance(error, RetryLater) else RetryLater(f"not tried alone: {error}")
                faults.update(dict.fromkeys(group, late))
                tries, waits = max(tries, 1), max(waits, 1)
            else:
                middle = len(group) // 2
                open_groups += [group[middle:], group[:middle]]
    return faults
