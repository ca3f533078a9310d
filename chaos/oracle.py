"""Judges how a run has ended: no acknowledged write may be missing without a later one that explains it.

A write is *overwritten* if a later acknowledged write was made on top of it: by the same region after it (writes of one
region to one row are made one after the other here), or by anybody who was told that this write was what he replaced.
Versions play no part in this: the judgement rests on what the applications saw.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Content = Mapping[str, str]
"""Attributes of a row without its key and its stamp, each as text; `WRITE` names the write that made it."""

WRITE = "write"


@dataclass(frozen=True)
class Write:
    """An acknowledged write. content: None for a deletion. over: the write it replaced, where there was one."""

    row: str
    region: str
    name: str
    content: Content | None
    over: str | None


class Wrong(Enum):
    """How a row can have ended that it must not."""

    VANISHED = "absent, although no deletion is among its last writes"
    RESURRECTED = "there, although it was deleted on top of that and not written since"
    OVERTAKEN = "as an earlier write left it"
    INVENTED = "as no acknowledged write left it"
    ALTERED = "of the last write, but not as that left it"


@dataclass(frozen=True)
class Finding:
    """A row that has ended wrong, with what it is and what it might have been."""

    row: str
    wrong: Wrong
    found: Content | None
    possible: tuple[Write, ...]


def judge(writes: Iterable[Write], ended: Mapping[str, Content]) -> list[Finding]:
    """What is wrong with how the rows ended. writes: in the order in which each region was told of its own."""
    by_row: defaultdict[str, list[Write]] = defaultdict(list)
    for write in writes:
        by_row[write.row].append(write)
    rows = sorted(by_row.keys() | ended.keys())
    return [finding for row in rows if (finding := _judge_row(row, by_row[row], ended.get(row)))]


def last_writes(writes: Sequence[Write]) -> tuple[Write, ...]:
    """Those writes of one row that no other was made on top of: any of them may be its end."""
    last_of = {write.region: write for write in writes}
    replaced = {write.over for write in writes}
    return tuple(write for write in last_of.values() if write.name not in replaced)


def _judge_row(row: str, writes: Sequence[Write], found: Content | None) -> Finding | None:
    possible = last_writes(writes)
    wrong = _wrong(writes, possible, found)
    return None if wrong is None else Finding(row, wrong, found, possible)


def _wrong(writes: Sequence[Write], possible: Sequence[Write], found: Content | None) -> Wrong | None:
    if found is None:
        return None if any(write.content is None for write in possible) else Wrong.VANISHED
    for write in possible:
        if write.name == found.get(WRITE):
            return None if write.content == found else Wrong.ALTERED
    if found.get(WRITE) not in {write.name for write in writes if write.content is not None}:
        return Wrong.INVENTED
    return Wrong.OVERTAKEN if any(write.content is not None for write in possible) else Wrong.RESURRECTED
