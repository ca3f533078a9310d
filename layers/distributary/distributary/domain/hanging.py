"""Rows that hang on one that is deleted, and for how long the deletion waits for them to go, or to move."""

from __future__ import annotations

from enum import Enum

from distributary.domain.patience import LONGEST_MOVE


class Hanging(Enum):
    """Which rows the database would delete or change beside one that is deleted."""

    NONE = "none"
    OF_ITS_REGION = "of its region"  # one at least was last written where the deletion was made
    OF_OTHERS = "of others"


def keeps(hanging: Hanging, waited: int, *, expecting: bool) -> bool:
    """Whether a deletion is not to be merged yet, since what hangs on its row may be about to go or to move.

    What the deletion's own region wrote last has gone there, or moved, so that is under way. Of what others wrote it
    may be so while changes made before the deletion are still expected; else the deletion has not seen it. waited: for
    how long the deletion has been tried, in microseconds.
    """
    match hanging:
        case Hanging.NONE:
            return False
        case Hanging.OF_ITS_REGION:
            return waited <= LONGEST_MOVE
        case Hanging.OF_OTHERS:
            return expecting
