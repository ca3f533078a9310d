"""Deliberate mistakes in telling of conflicts of stamping databases: only the comparison with causality tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from distributary.domain import stamped_merge, stamped_states
from distributary.domain.conflict import Conflict, Side, unaware
from distributary.domain.image import fingerprint
from distributary.domain.place import Place
from distributary.domain.row import Row, Tombstone
from distributary.domain.steps import Decision
from distributary.domain.version import Context, Version
from distributary.services.capture_log import CaptureLog
from tests.simulation.conflict_mistakes import never, told_afterwards, told_of_stale_ones
from tests.simulation.histories import Kind
from tests.simulation.log_mistakes import LOGS
from tests.simulation.mistakes import Mistake
from tests.simulation.setting import Writing

MERGING = Kind(Writing.TRIGGERS_MERGING, 10)
LONG = Kind(Writing.TRIGGERS_MERGING, 25)


def _never_told(*_: Any) -> Decision[bool]:
    yield from ()
    return False


def _by_what_it_had_seen(deletion: Side, row: Row, place: Place) -> bool:
    """A deletion that a row had in its context taken for one that it was made on top of."""
    del place
    return row.version is not None and unaware(deletion.version, deletion.context, row.context)


def _by_its_version(one: Context, other: Context) -> bool:
    """A joined row taken for its last write."""
    region, instant = max(one.entries.items(), key=lambda entry: entry[1])
    return unaware(Version(*instant, region), one, other)


def _with_what_the_row_has_seen(stays: Callable[..., Decision[Any]]) -> Callable[..., Decision[Any]]:
    """A deletion said to have seen all that the row on top of it has."""

    def stays_deleted(here: Any, deletion: Version, tombstone: Tombstone | None, row: Row | None) -> Decision[Any]:
        if tombstone is not None and row is not None:
            tombstone = replace(tombstone, context=tombstone.context.merge(row.context))
        return stays(here, deletion, tombstone, row)

    return stays_deleted


def _of_the_arriving_one(self: Conflict) -> str:
    """A name that does not tell which deletion took, or kept out, a state."""
    return fingerprint(repr((self.table, sorted(map(str, self.key.items())), self.arriving.version, self.region)))


LOG_CONFLICT_MISTAKES = (
    Mistake("an insert over a deletion is not told (SQL)", stamped_merge, "_over_the_deletion", _never_told, LOGS, 20),
    Mistake("a deletion that came beside an insert is not told", stamped_merge, "_beside", _never_told, LOGS, 200),
    Mistake("a stale delivery is told as a conflict (SQL)", stamped_merge, "judge", told_of_stale_ones, LOGS, 20),
    Mistake(
        "a conflict is told after the row shows it (SQL)",
        stamped_merge,
        "_replace",
        told_afterwards(stamped_merge._replace),
        LOGS,
        20,
    ),
    Mistake(
        "an insert that could not see a deletion of its own region is removed in silence",
        (stamped_merge, stamped_states),
        "unseen_at_home",
        never,
        LOGS,
        200,
    ),
    Mistake("capture removes in silence", CaptureLog, "_keep", lambda *_: None, LOGS, 100),
    Mistake("conflicts named by the arriving state alone", Conflict, "id", property(_of_the_arriving_one), LOGS, 200),
    Mistake(
        "a deletion judged by what a row had seen", stamped_states, "_takes_unseen", _by_what_it_had_seen, LONG, 50
    ),
    Mistake("a joined row judged by its last write", stamped_states, "concurrent", _by_its_version, MERGING, 100),
    Mistake(
        "a deletion said to have seen what was written on top of it",
        stamped_states,
        "_stays_deleted",
        _with_what_the_row_has_seen(stamped_states._stays_deleted),
        MERGING,
        300,
    ),
)
