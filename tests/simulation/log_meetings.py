"""Two states that meet in a replica of a stamping database, what a decision has read of them, and what is on record."""

from __future__ import annotations

from dataclasses import dataclass

from distributary.domain.conflict import Conflict
from distributary.domain.row import Row, Tombstone
from tests.simulation.known import NOTHING, Known


@dataclass(frozen=True)
class Met:
    """Two states that met in a replica. how: what became of them. by_then: how much was on record.

    at_home: both were written there, so that what a context cannot tell of one region's writes is known all the same.
    """

    region: str
    row: str
    arriving: Known
    present: Known
    how: str
    by_then: int = 0
    at_home: bool = False


@dataclass(frozen=True)
class Told:
    """A conflict on record, and what its two states knew."""

    conflict: Conflict
    arriving: Known
    present: Known


@dataclass
class Sight:
    """What a decision has read last, and what that knew then.

    wrote: it has put its own state there; replaced: over another.
    """

    about: Known = NOTHING
    row: Known = NOTHING
    there: Row | None = None
    tombstone: Tombstone | None = None
    buried: Known = NOTHING
    wrote: bool = False
    replaced: bool = False
