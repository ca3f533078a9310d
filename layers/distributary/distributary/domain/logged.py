"""What the log of a database that stamps its rows tells: changes as far as it holds them, and what cannot be one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from distributary.domain.alert import Alert, AlertKind
from distributary.domain.block import Block
from distributary.domain.change import Change
from distributary.domain.image import key_text


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
class LoggedBlock:
    """The last states of rows of one table, as they travel. inserted: places of those whose keys are new."""

    block: Block
    inserted: tuple[int, ...] = ()

    def writes(self) -> Iterator[Logged]:
        """A write for each of them."""
        new = set(self.inserted)
        stamps = self.block.stamps
        return (Logged(change, stamps[at], at in new) for at, change in enumerate(self.block.changes()))


@dataclass(frozen=True, slots=True)
class Holding:
    """What the database looks like. retained: bytes of log that it keeps for us."""

    alerts: tuple[Alert, ...] = ()
    retained: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A write that cannot be a change, and why. payload: what the log says of it, as JSON."""

    why: AlertKind
    table: str
    payload: str


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of the log.

    echoes: writes of replication itself. end: where the last transaction ends that is whole once all up to here is
    handed over; none: no transaction ends in this part. within: the place that is reached in the transaction behind
    that, in the log's own words; empty where the part ends with a transaction. overtaken: writes that are not among
    `writes` or in `blocks`, since later ones of the same rows are. Between those two there is no order: a row may be in
    both, and the newer version is the later write. arrived: keys and stamps of rows that replication has inserted, some
    of the echoes; who inserted them may have ended before he looked at their tombstones.
    """

    writes: tuple[Logged, ...] = ()
    echoes: int = 0
    alerts: tuple[Alert, ...] = ()
    refused: tuple[Refused, ...] = ()
    end: int | None = None
    within: str = ""
    overtaken: int = 0
    blocks: tuple[LoggedBlock, ...] = ()
    arrived: tuple[Block, ...] = ()


def last_states(writes: Iterable[Logged]) -> list[Logged]:
    """The last write of each row: it was made on top of the others, so they need not travel."""
    last: dict[tuple[str, str], Logged] = {}
    for each in writes:
        row = (each.change.table, key_text(each.change.key))
        known = last.pop(row, None)
        last[row] = replace(each, inserted=True) if known is not None and known.inserted else each
    return list(last.values())
