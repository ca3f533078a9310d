"""What the log of a database that stamps its rows tells: changes as far as it holds them, and what cannot be one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from distributary.domain.alert import Alert
from distributary.domain.change import Change


@dataclass(frozen=True, slots=True)
class Logged:
    """One local write. inserted: its key is new. missing: columns that the log leaves out, since they did not change.

    stamp: the text that the row carries if nobody has written it since.
    """

    change: Change
    stamp: str
    inserted: bool = False
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """What the database looks like. retained: bytes of log that it keeps for us."""

    alerts: tuple[Alert, ...] = ()
    retained: int = 0


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of the log. end: the position to go on from once all up to here is handed over; none within a transaction.

    echoes: writes of replication itself. unstamped: rows as JSON that no trigger has stamped.
    """

    writes: tuple[Logged, ...] = ()
    echoes: int = 0
    alerts: tuple[Alert, ...] = ()
    unstamped: tuple[str, ...] = ()
    end: int | None = None


def last_states(writes: Iterable[Logged]) -> list[Logged]:
    """The last write of each row: it was made on top of the others, so they need not travel."""
    last: dict[tuple[str, str], Logged] = {}
    for each in writes:
        row = (each.change.table, each.change.row)
        known = last.pop(row, None)
        last[row] = replace(each, inserted=True) if known is not None and known.inserted else each
    return list(last.values())
