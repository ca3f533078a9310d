"""The twin of a change stream deals records to shards, splits them, and forgets them after a day."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from distributary.adapters.memory.replica import MemoryTable
from distributary.adapters.memory.shards import RETENTION, MemoryShard, MemoryShards
from distributary.domain.image import key_text
from tests.unit.sites import NOW, SECOND, item, key


@dataclass
class Stream:
    """A table with its shards, and a clock that the test moves."""

    now: int = NOW

    def __post_init__(self) -> None:
        self.table = MemoryTable(self.clock)
        self.shards = MemoryShards(self.table.stream, self.clock)

    def clock(self) -> int:
        return self.now

    def put(self, pk: str, n: int) -> None:
        self.now += SECOND
        self.table.write(key(pk), item(pk, n=n))

    def take(self, shard: MemoryShard, count: int = 1) -> list[int]:
        """Read on; the sequence numbers."""
        records = shard.records[shard.position : shard.position + count]
        shard.move(shard.position + len(records))
        return [record.sequence for record in records]


@pytest.fixture
def stream() -> Stream:
    return Stream()


def test_records_come_in_order_until_all_are_taken(stream: Stream) -> None:
    for n in range(3):
        stream.put("a", n)
    (shard,) = stream.shards.readable()
    assert stream.take(shard, 2) + stream.take(shard, 2) == [1, 2, 3]
    assert stream.shards.readable() == []


def test_a_child_is_not_read_before_its_parent_has_been_read_to_its_end(stream: Stream) -> None:
    stream.put("a", 1)
    (parent,) = stream.shards.readable()
    stream.shards.split(key_text(key("a")))
    stream.put("a", 2)
    assert stream.shards.readable() == [parent]
    assert stream.take(parent) == [1]
    (child,) = stream.shards.readable()
    assert stream.take(child) == [2]


def test_after_a_split_rows_go_their_own_ways(stream: Stream) -> None:
    stream.put("a", 1)
    stream.put("b", 1)
    (parent,) = stream.shards.readable()
    stream.take(parent, 2)
    stream.shards.split(key_text(key("a")))
    stream.put("a", 2)
    stream.put("b", 2)
    assert sorted(stream.take(shard) for shard in stream.shards.readable()) == [[3], [4]]


def test_a_record_is_gone_after_a_day_and_counted_if_nobody_took_it(stream: Stream) -> None:
    stream.put("a", 1)
    stream.put("a", 2)
    (shard,) = stream.shards.readable()
    stream.take(shard)
    stream.now += RETENTION + SECOND
    stream.put("a", 3)
    assert stream.shards.readable() == [shard]
    assert stream.shards.expired_unread == 1
    assert stream.take(shard, 5) == [3]


def test_a_new_consumer_starts_at_the_oldest_record_that_is_left(stream: Stream) -> None:
    stream.put("a", 1)
    (shard,) = stream.shards.readable()
    stream.take(shard)
    stream.now += RETENTION + SECOND
    stream.put("a", 2)
    stream.shards.readable()
    stream.shards.rewind()
    assert stream.take(shard, 5) == [2]
    assert stream.shards.expired_unread == 0


def test_the_oldest_record_that_waits_is_known(stream: Stream) -> None:
    assert stream.shards.oldest_unread() is None
    stream.put("a", 1)
    stream.put("a", 2)
    assert stream.shards.oldest_unread() == NOW + SECOND
