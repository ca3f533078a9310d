"""Who has written a row and looks at its tombstone again learns what that was, whatever becomes of the row."""

from __future__ import annotations

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Side
from distributary.domain.removal import look_again
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.steps import Look, LookBack
from tests.unit.sites import HOME, NOW, SECOND, Site, change_of, deletion_of, item, key, knowing, stamp_image

WRITTEN = change_of(at=NOW, n=1)
SEEN_BY_THE_WRITE = deletion_of(at=NOW - SECOND)
NEWER = knowing(deletion_of(at=NOW + SECOND), WRITTEN.version)


def noted(deletion: Change) -> Tombstone:
    return Tombstone(deletion.version, deletion.context, NOW)


def row_of(change: Change) -> Row:
    return Row(stamp_image(item(n=1), change.version, change.context))


def learnt(tombstone: Tombstone | None, row: Row | None) -> Tombstone | None:
    """What a look at a tombstone gives; nothing is written, whatever it asks for."""
    written = knowing(WRITTEN, SEEN_BY_THE_WRITE.version)
    decision = look_again(Side(written.version, written.context, item(n=1)), key(), Site(HOME).place())
    answer: object = None
    try:
        while True:
            step = decision.send(answer)
            assert isinstance(step, Look | LookBack), step
            answer = tombstone if isinstance(step, LookBack) else State(row, tombstone)
    except StopIteration as end:
        told: Tombstone | None = end.value
        return told


@pytest.mark.parametrize(
    ("tombstone", "row"),
    [
        (Tombstone(None, deletion_of().context, NOW), row_of(WRITTEN)),
        (noted(SEEN_BY_THE_WRITE), row_of(WRITTEN)),
        (noted(NEWER), None),
        (noted(NEWER), Row(item(n=2))),
        (noted(NEWER), row_of(change_of(at=NOW + 2 * SECOND))),
    ],
    ids=[
        "versions only", "a deletion that the write has seen", "the row is gone", "an application's write over it",
        "another write over it",
    ],
)  # fmt: skip
def test_the_tombstone_is_told(tombstone: Tombstone, row: Row | None) -> None:
    assert learnt(tombstone, row) == tombstone


def test_that_there_is_no_tombstone_is_told() -> None:
    assert learnt(None, row_of(WRITTEN)) is None
