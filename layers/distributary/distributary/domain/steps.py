"""The steps by which a decision talks to a replica: decisions are generators, and services do the I/O.

A decision yields a step and is resumed with its answer:

    Look      -> State             a strongly consistent read of the row, or of what we keep in it, and its tombstone
    LookBack  -> Tombstone | None  the tombstone alone
    Write     -> bool              a conditional write of the row; False when the condition did not hold
    Remember  -> bool              a conditional write of the tombstone; False likewise
    Record    -> None              a conflict, into the journal, before the row shows what became of it

A lost condition is an answer, not an error: the decision looks again and decides anew.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from distributary.domain.conflict import Conflict
from distributary.domain.image import Image
from distributary.domain.row import Row, Tombstone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """Read the row and its tombstone.

    whole: the row's content as well. A replica may read it in any case, or else only our own attributes.
    """

    whole: bool = False


@dataclass(frozen=True, slots=True)
class LookBack:
    """Read the tombstone."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write the row on condition that it still is as expected.

    expected: none for an insert. image: the whole row to be, stamp included; none for a deletion. The condition covers
    the stamp and the attributes of `expected`; an attribute that an application has added since cannot be seen by it.
    whole: such an attribute goes, as with a put, so that the row is exactly the image; else it stays.
    """

    expected: Row | None
    image: Image | None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Remember:
    """Write the tombstone on condition that it still is as expected (none: absent)."""

    expected: Tombstone | None
    tombstone: Tombstone


@dataclass(frozen=True, slots=True)
class Record:
    """Write a conflict into the journal; replication goes on whether or not that succeeds."""

    conflict: Conflict


Step: TypeAlias = Look | LookBack | Write | Remember | Record
Decision: TypeAlias = Generator[Step, Any, T]
