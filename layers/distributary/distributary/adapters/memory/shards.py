"""The shards of a table's change stream, with their splits and their retention, as a consumer sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from distributary.domain.change import StreamRecord
from distributary.domain.version import MICROSECONDS

RETENTION = 24 * 3600 * MICROSECONDS
"""How long DynamoDB Streams keeps a record, in microseconds."""


@dataclass(eq=False)
class MemoryShard:
    """Records of some rows, in order; the first `expired` are gone.

    position: of its consumer, the number of records that lie behind it; reached: the furthest that it ever was. parent:
    is read to its end before.
    """

    parent: MemoryShard | None = None
    records: list[StreamRecord] = field(default_factory=list)
    position: int = 0
    reached: int = 0
    expired: int = 0
    closed: bool = False

    def move(self, position: int) -> None:
        """Set the consumer's checkpoint, forward or back, but not before what is left."""
        self.position = max(self.expired, position)
        self.reached = max(self.reached, self.position)

    @property
    def readable(self) -> bool:
        """Whether there is something to take, and every older record of these rows has been taken."""
        return self.position < len(self.records) and (self.parent is None or self.parent.done)

    @property
    def done(self) -> bool:
        """Whether it and its parents are closed and have been read to their ends."""
        return self.closed and self.position == len(self.records) and (self.parent is None or self.parent.done)


@dataclass
class MemoryShards:
    """Deals the records of a stream, which grows, to shards by row; one consumer has one position in each.

    clock: microseconds. As in DynamoDB Streams all records of a row go to one shard, a shard that splits is closed and
    has children, and a record is gone a day after its creation, whether it was taken or not.
    """

    stream: Sequence[StreamRecord]
    clock: Callable[[], int]
    shards: list[MemoryShard] = field(default_factory=lambda: [MemoryShard()])
    expired_unread: int = 0
    _dealt: int = 0
    _homes: dict[str, MemoryShard] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Whether every record has been taken."""
        if self._dealt < len(self.stream):
            return False
        return all(shard.position == len(shard.records) for shard in self.shards)

    def readable(self) -> list[MemoryShard]:
        """The shards that a consumer could take records from now."""
        if self._dealt < len(self.stream):
            for record in self.stream[self._dealt :]:
                self._homes.setdefault(record.row, self.shards[0]).records.append(record)
            self._dealt = len(self.stream)
        self._expire()
        return [shard for shard in self.shards if shard.readable]

    def split(self, row: str) -> None:
        """Close the shard of a row; its rows go on in two children, this row in one of its own."""
        parent = self._homes.setdefault(row, self.shards[0])
        parent.closed = True
        own, rest = MemoryShard(parent), MemoryShard(parent)
        self._homes = {each: rest if shard is parent else shard for each, shard in self._homes.items()} | {row: own}
        self.shards = [rest, own, *self.shards] if self.shards[0] is parent else [*self.shards, own, rest]

    def rewind(self) -> None:
        """Start at the oldest record that is left, as a new consumer at TRIM_HORIZON does."""
        for shard in self.shards:
            shard.move(0)

    def oldest_unread(self) -> int | None:
        """The creation time of the oldest record that was not taken, in microseconds."""
        self.readable()
        unread = [record.created_at for shard in self.shards for record in shard.records[shard.position :]]
        return min(unread, default=None)

    def _expire(self) -> None:
        limit = self.clock() - RETENTION
        if not self.stream or self.stream[0].created_at >= limit:
            return
        for shard in self.shards:
            while shard.expired < len(shard.records) and shard.records[shard.expired].created_at < limit:
                shard.expired += 1
            self.expired_unread += max(0, shard.expired - shard.reached)
            shard.move(shard.position)
