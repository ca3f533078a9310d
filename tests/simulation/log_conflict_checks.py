"""What must hold of conflicts on record in stamping databases: none false, none missed, told before it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.simulation.known import Known
from tests.simulation.log_conflicts import LogConflicts
from tests.simulation.log_meetings import Met, Told
from tests.simulation.witness import Fault

SHOWN = ("written", "removed")
"""How states meet of which the row shows at once what became of them."""


def told_wrongly(seen: LogConflicts) -> Iterator[Fault]:
    """Conflicts that are none, and those that nobody told of, or too late, or under the name of another."""
    for (region, row), told in seen.told.items():
        yield from (("no conflict", region, row, each.conflict) for each in told if _ordered(seen, each))
    for met in seen.met:
        lost = _lost(seen, met)
        if lost:
            yield from _untold(seen, met, lost)


def _untold(seen: LogConflicts, met: Met, lost: int) -> Iterator[Fault]:
    """What is wrong with what is on record of a conflict. Of one name only what was told last is there at the end."""
    told = seen.told.get((met.region, met.row), [])
    if not _tells(seen, met, lost, told):
        yield (f"a conflict was not told: {met.how}", met)
    elif met.how in SHOWN and not _tells(seen, met, lost, told[: met.by_then]):
        yield (f"a conflict was told too late: {met.how}", met)
    elif not _tells(seen, met, lost, list({each.conflict.id: each for each in told}.values())):
        yield (f"a conflict's name was given to another: {met.how}", met)


def _ordered(seen: LogConflicts, told: Told) -> bool:
    """Whether one of two states surely has the other in it."""
    arriving, present = told.arriving, told.present
    if not arriving.head or not present.head:
        return True
    if seen.plain:
        return bool(arriving.head & present.sure or present.head & arriving.sure)
    for one, other in ((arriving, present), (present, arriving)):
        if one.head & seen.causality.deletions:
            return not other.sure & ~one.sure
    return not (arriving.sure & ~present.sure and present.sure & ~arriving.sure)


def _lost(seen: LogConflicts, met: Met) -> int:
    """Writes of the one that the other surely does not know of, where neither has the other in it; 0: no conflict."""
    arriving, present, deletions = met.arriving, met.present, seen.causality.deletions
    known = [_perhaps(seen, each, met) for each in (arriving, present)]
    if seen.plain:
        unseen = not arriving.head & known[1] and not present.head & known[0]
        return present.head if unseen else 0
    for one, other, perhaps in ((arriving, present, known[0]), (present, arriving, known[1])):
        if one.head & deletions:
            return other.sure & ~perhaps & ~deletions
    return present.sure & ~known[0] if arriving.sure & ~known[1] else 0


def _perhaps(seen: LogConflicts, known: Known, met: Met) -> int:
    return known.perhaps if met.at_home else seen.causality.closed(known.perhaps)


def _tells(seen: LogConflicts, met: Met, lost: int, told: Sequence[Told]) -> bool:
    """Whether a meeting is on record, by itself or as what a deletion has taken or lost before."""
    arriving, present, deletions = met.arriving.head, met.present.head, seen.causality.deletions
    pairs = [(each.arriving, each.present) for each in told]
    if met.how == "beside":
        return any(present in (one.head, other.head) for one, other in pairs)
    if not seen.plain and (arriving | present) & deletions:
        for one, other in pairs:
            lost &= ~(other.sure if one.head & deletions else one.sure if other.head & deletions else 0)
        return not lost
    if met.how in SHOWN:
        both = [(arriving, present), (present, arriving)]
        return any(one.head == a and p & other.sure for one, other in pairs for a, p in both)
    return any(one.head == arriving or (one.head, other.head) == (present, arriving) for one, other in pairs)
