"""The journal of conflicts: each is written into a table, then announced; neither holds replication up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from distributary.adapters.events import EventBridgeConflicts
from distributary.adapters.journal_table import JournalTable, Missed
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset
from distributary.domain.errors import Defect, DistributaryError, Unavailable
from distributary.domain.journal import Entry, Redaction, entry_of

REST = 10.0
"""Seconds for which a service that gave no answer is not asked again: each try would hold replication up."""

PATIENCE = 5.0
"""Seconds after which a call sends no more: a service that is slow is not waited for either."""

PORTION = 50
"""Conflicts between two looks at the clock."""


class RecordingJournal:
    """`ports.Journal` over the journal's table and the event bus. Events may come twice, as conflicts do.

    redaction: which attributes to hash; asked when there is a conflict, and again until it knows. tell: is told why
    conflicts were missed. now: seconds, of a clock that never goes back.
    """

    def __init__(
        self,
        dataset: Dataset,
        table: JournalTable,
        events: EventBridgeConflicts,
        redaction: Callable[[], Redaction],
        tell: Callable[[DistributaryError], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._days = dataset.journal_days
        self._redaction, self._tell = redaction, tell
        self._ways = (_Way(table.write, tell, now), _Way(events.publish, tell, now))

    def record(self, conflicts: Sequence[Conflict]) -> int:
        """See `ports.Journal`. A conflict that was not written or not announced is missed."""
        try:
            # Of one id the last stays: a request may not name it twice.
            distinct = {conflict.id: conflict for conflict in conflicts}
            redaction = self._redaction()
            entries = [entry_of(each, redaction, self._days) for each in distinct.values()]
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the rows have to be merged
            self._tell(_ours(error))
            return len(conflicts)
        return len({name for way in self._ways for name in way(entries)})


class _Way:
    """One of the two places where a conflict goes, left alone for a while after it gave no answer."""

    def __init__(
        self,
        send: Callable[[Sequence[Entry]], Missed],
        tell: Callable[[DistributaryError], None],
        now: Callable[[], float],
    ) -> None:
        self._send, self._tell, self._now = send, tell, now
        self._rests_until = float("-inf")

    def __call__(self, entries: Sequence[Entry]) -> Missed:
        missed: Missed = {}
        deadline = self._now() + PATIENCE
        for start in range(0, len(entries), PORTION):
            some = entries[start : start + PORTION]
            if self._rests_until <= self._now() <= deadline:
                missed |= self._sent(some)
            else:
                missed |= {each.id: Unavailable("gave no answer a moment ago") for each in some}
        return missed

    def _sent(self, entries: Sequence[Entry]) -> Missed:
        try:
            missed = self._send(entries)
        except Exception as error:  # noqa: BLE001 - likewise
            missed = {each.id: _ours(error) for each in entries}
        if any(isinstance(error, Unavailable) for error in missed.values()):
            self._rests_until = self._now() + REST
        if missed:
            self._tell(next(iter(missed.values())))
        return missed


def _ours(error: Exception) -> DistributaryError:
    """The error as one of ours; what the message of another says may be of a row, and is not told."""
    return error if isinstance(error, DistributaryError) else Defect(f"{type(error).__name__} in the journal")
