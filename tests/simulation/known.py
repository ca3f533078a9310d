"""Sets of writes: what is surely known of, and what perhaps is. A write is a bit of a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A set of writes. head: the write whose state this is, 0 for none."""

    sure: int = 0
    perhaps: int = 0
    head: int = 0

    def joined(self, other: Known) -> Known:
        """What both know; the head stays."""
        return Known(self.sure | other.sure, self.perhaps | other.perhaps, self.head)

    def doubted(self) -> Known:
        """Nothing of it is sure."""
        return Known(0, self.perhaps | self.sure, self.head)


NOTHING = Known()


def bits(writes: int) -> Iterator[int]:
    """Each of a set of writes."""
    while writes:
        yield writes & -writes
        writes &= writes - 1
