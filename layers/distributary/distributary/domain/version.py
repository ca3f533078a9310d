"""Versions, the total order of a row's states, and contexts, the version vectors of what a writer had seen.

A version is a hybrid logical clock reading for one row (Kulkarni et al., "Logical Physical Clocks", 2014):
its timestamp is the time of the write, or one microsecond more than the version that it replaces. A context
is a version vector (Parker et al., 1983) that keeps, for each region, the newest version of the row seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MICROSECONDS = 1_000_000
STAMPING_SEQUENCE = 1 << 134  # above every stream sequence number, which has at most 40 digits (< 2**133)
TIMESTAMP_DIGITS = 16
SEQUENCE_DIGITS = 34  # hexadecimal, 136 bits


class Instant(NamedTuple):
    """A version without its region: what a context keeps for each region.

    timestamp: microseconds since 1970. sequence: the stream's sequence number, or a stamping writer's own.
    """

    timestamp: int
    sequence: int

    @property
    def by_stamping_writer(self) -> bool:
        """Whether an application drew this version itself, so that it names no stream record."""
        return self.sequence >= STAMPING_SEQUENCE


class Version(NamedTuple):
    """A row state's place in the total order; compares by timestamp, then sequence, then region."""

    timestamp: int
    sequence: int
    region: str

    @property
    def instant(self) -> Instant:
        """This version as its region's entry in a context."""
        return Instant(self.timestamp, self.sequence)


@dataclass(frozen=True, slots=True)
class Context:
    """A version vector: for each region the newest version of the row that was seen."""

    entries: Mapping[str, Instant] = field(default_factory=dict)

    def of(self, region: str) -> Instant | None:
        """The newest version seen of that region, if any."""
        return self.entries.get(region)

    def covers(self, version: Version) -> bool:
        """Whether a writer with this context had seen the version."""
        seen = self.entries.get(version.region)
        return seen is not None and seen >= version.instant

    def merge(self, *others: Context) -> Context:
        """The least context that covers this one and the others (commutative, associative, idempotent)."""
        merged = dict(self.entries)
        for other in others:
            for region, instant in other.entries.items():
                seen = merged.get(region)
                if seen is None or seen < instant:
                    merged[region] = instant
        return Context(merged)

    def until(self, latest: int) -> Context:
        """What can be believed of this context: the entries up to a timestamp, in microseconds."""
        if all(instant.timestamp <= latest for instant in self.entries.values()):
            return self
        return Context({region: at for region, at in self.entries.items() if at.timestamp <= latest})

    def before(self, version: Version) -> Context:
        """What of this context is older than a version."""
        return Context({region: at for region, at in self.entries.items() if Version(*at, region) < version})

    def including(self, version: Version) -> Context:
        """This context after the version was seen too."""
        return self.merge(Context({version.region: version.instant}))


NOTHING_SEEN = Context()


def mint(created_at: int, sequence: int, region: str, *, above: Iterable[Version]) -> Version:
    """Draw the version of a write, above everything it was made on top of.

    created_at: microseconds, from the record. sequence: the record's, growing for one row in one region, so a
    version of the same region and a lower sequence may share the timestamp; any other must be passed by one.
    """
    timestamp = created_at
    for seen in above:
        same_line = seen.region == region and seen.sequence < sequence
        timestamp = max(timestamp, seen.timestamp if same_line else seen.timestamp + 1)
    return Version(timestamp, sequence, region)
