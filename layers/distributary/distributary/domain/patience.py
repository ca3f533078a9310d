"""How long a message waits before it comes again, so that a long outage ends in no dead letter.

Standard queues count receives, up to 1,000 before a message is a dead letter. With pauses that grow to half an hour, a
target may be down for ten days and a message has still come fewer than 500 times.
"""

from __future__ import annotations

from distributary.domain.errors import DistributaryError, NotSettled, OutOfTime
from distributary.domain.version import MICROSECONDS

LONGEST_MOVE = 15 * 60 * MICROSECONDS
"""How long a change waits for another that is known to be under way."""

CONCURRENT_AFTER = 60 * MICROSECONDS
"""For how long a change is tried before rows in its way, or such as hang on its row, are taken for concurrent: until
then they may be about to move, by changes that were made before it and come after it. Microseconds."""

LONGEST_PAUSE = 1800
LONGEST_UNSETTLED_PAUSE = 30

SOON_SETTLED = 120
"""Receives, about an hour of them, for which a local write is thought to be captured any moment. After that capture
stands still, for hours perhaps, and receives at this pace would run out within eight of them."""


def pause_before(error: DistributaryError, receive_count: int) -> int:
    """Seconds until a message that met the error is to come again: doubling, up to a limit that fits the error."""
    if isinstance(error, OutOfTime):
        return 0
    soon = isinstance(error, NotSettled) and receive_count <= SOON_SETTLED
    longest = LONGEST_UNSETTLED_PAUSE if soon else LONGEST_PAUSE
    doublings = min(max(receive_count, 1) - 1, 20)
    return int(min(longest, 2**doublings))
