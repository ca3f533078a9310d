"""What must hold of the conflicts on record: no false alarm, none missed, told before the row shows it, told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.conflict_witness import ConflictWitness
from tests.simulation.meetings import Meeting
from tests.simulation.witness import Fault


def misjudged(witness: ConflictWitness) -> Iterator[Fault]:
    """Conflicts that are none, those that nobody told of, and those that were told twice unlike."""
    for alarm in witness.alarms:
        if _ordered(witness, alarm):
            yield ("no conflict", alarm)
    for meeting in witness.meetings:
        told = meeting.told if meeting.changing else witness.record.tells(meeting)
        if not told and _concurrent(witness, meeting):
            yield (f"a conflict was not told: {meeting.how}", meeting)
    for name, conflicts in witness.names.items():
        first = conflicts[0].arriving
        if conflicts[0].late and not witness.plain:
            continue  # a row that a deletion takes, into which more was merged before that was done
        if any((each.arriving.version, each.arriving.image) != (first.version, first.image) for each in conflicts):
            yield ("one name, several conflicts", name, conflicts)


def _ordered(witness: ConflictWitness, meeting: Meeting) -> bool:
    """Whether one of two states surely has the other in it.

    Who had seen a write that was told anew had seen it as it was told first. Under its later version it is above the
    deletion that took it, and whatever else was written on top of that deletion has not seen it so. Whether it had seen
    the other state is known all the same, so such a conflict must not be missing (`_concurrent`).
    """
    arriving, present = meeting.arriving, meeting.present
    heads = arriving.head | present.head
    if not arriving.head or not present.head or heads & (witness.untold | witness.told_anew):
        return False
    if arriving.head & present.sure:
        return True
    if witness.plain:
        return bool(present.head & arriving.sure)
    return not witness.causality.closed(present).perhaps & ~arriving.sure


def _concurrent(witness: ConflictWitness, meeting: Meeting) -> bool:
    """Whether two states surely know nothing of each other."""
    arriving, present = meeting.arriving, meeting.present
    if not arriving.head or not present.head or (arriving.head | present.head) & witness.untold:
        return False
    if arriving.head & witness.causality.closed(replace(present, perhaps=present.perhaps | present.head)).perhaps:
        return False
    seen = witness.causality.closed(arriving).perhaps
    if witness.plain:
        return not present.head & seen
    return bool(present.sure & ~seen)
