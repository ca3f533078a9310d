"""Settles the writes of a table that gets policies with memory while it is in use: from one instant on, in all regions.

What was written before is decided as without policies, also by functions that know them already, however late or often
its records come. So it does not matter in which order regions are deployed, as long as all are by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from distributary.domain.change import StreamRecord
from distributary.domain.image import STATE_ATTRIBUTE
from distributary.domain.place import Place
from distributary.domain.policy_settlement import settle_states
from distributary.domain.row import Row, Tombstone
from distributary.domain.row_state import StateLattice
from distributary.domain.settlement import Settled, settle
from distributary.domain.stamp import Writer
from distributary.domain.steps import Decision, LookBack, Write

T = TypeVar("T")


def settle_from(
    records: Sequence[StreamRecord], place: Place, lattice: StateLattice, since: int, *, ignore_expired: bool
) -> Decision[list[Settled]]:
    """Settle records of one row, in their order. since: microseconds. Raises NotSettled as both ways to settle do."""
    settled: list[Settled] = []
    for record in records:
        if not _before(record, since) or (yield from _follows(record, place)):
            break
        settled.append((yield from _keeping_states(settle(record, place, ignore_expired=ignore_expired), since)))
    rest = records[len(settled) :]
    if rest:
        settled += yield from settle_states(rest, place, lattice, since=since, ignore_expired=ignore_expired)
    return settled


def _before(record: StreamRecord, since: int) -> bool:
    """Whether a write was made before that, and not on top of a state, as far as the record itself tells."""
    images = [row.image for row in (record.old, record.new) if row is not None]
    return record.created_at < since and not any(STATE_ATTRIBUTE in image for image in images)


def _follows(record: StreamRecord, place: Place) -> Decision[bool]:
    """Whether an earlier write of the row was made since, by a clock that has stepped back meanwhile."""
    stored: Tombstone | None = yield LookBack()
    ledger = stored.trusting(place.settling(record).latest).ledger if stored else None
    return ledger is not None and ledger.sequence <= record.sequence


def _keeping_states(decision: Decision[T], since: int) -> Decision[T]:
    """The decision, with every row that keeps its version as it was in what is of since.

    That is its state. And a row that a stamping writer has left since has none until its own record gives it one: with
    a stamp of ours it would be taken for one from before.
    """
    answer: Any = None
    while True:
        try:
            step = decision.send(answer)
        except StopIteration as done:
            told: T = done.value
            return told
        if isinstance(step, Write) and (there := _kept(step)) is not None:
            answer = True if _drawn_since(there, since) else (yield _with_state(step, there))
        else:
            answer = yield step


def _kept(write: Write) -> Row | None:
    """The row that a write leaves at its version, none where it does not."""
    if write.image is None or write.expected is None or Row(write.image).version != write.expected.version:
        return None
    return write.expected


def _drawn_since(row: Row, since: int) -> bool:
    """Whether a stamping writer has left the row, by a version of since."""
    stamp = row.stamp
    return stamp is not None and stamp.writer is Writer.APPLICATION and stamp.version.timestamp >= since


def _with_state(write: Write, there: Row) -> Write:
    state = {name: value for name, value in there.image.items() if name == STATE_ATTRIBUTE}
    return replace(write, image={**(write.image or {}), **state}) if state else write
