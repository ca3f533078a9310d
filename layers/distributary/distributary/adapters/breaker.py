"""A circuit breaker for inboxes: while a region cannot be reached, others do not wait for its timeouts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from distributary.domain.errors import RetryLater, Unavailable
from distributary.ports import Inboxes


class BreakingInboxes:
    """`ports.Inboxes` that refuse a region for a while after it failed.

    It lives as long as the function's process and is shared by its threads. seconds: how long a region is refused; the
    first calls after that try it again. clock: monotonic, in seconds.
    """

    def __init__(self, inboxes: Inboxes, *, seconds: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._inboxes = inboxes
        self._seconds = seconds
        self._clock = clock
        self._closed_until: dict[str, tuple[float, str]] = {}

    def send(self, region: str, messages: Sequence[str]) -> None:
        """See `ports.Inboxes`; raises Unavailable at once for a region that failed a moment ago."""
        until, reason = self._closed_until.get(region, (float("-inf"), ""))
        if self._clock() < until:
            raise Unavailable(f"{region} is not tried, it failed a moment ago: {reason}")
        try:
            self._inboxes.send(region, messages)
        except RetryLater as error:
            self._closed_until[region] = (self._clock() + self._seconds, str(error))
            raise
        self._closed_until.pop(region, None)
