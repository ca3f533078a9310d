"""A circuit breaker for inboxes: while a region cannot be reached, others do not wait for its timeouts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from distributary.domain.errors import Misconfigured, RetryLater, Unavailable
from distributary.ports import Inboxes


class BreakingInboxes:
    """`ports.Inboxes` that wait for a region for a moment only, and refuse it for a while after it failed.

    It lives as long as the function's process and is shared by its threads. A message that takes longer than `patience`
    counts as failed, though it goes on by itself; after `seconds` of refusal one send is tried again, beside the
    caller, who is refused still. So a region that hangs holds up one batch, once, for `patience` seconds, and however
    long it hangs the others' changes do not wait for it again. What arrives late after all arrives twice, which does
    no harm.

    executor: runs the sends; it needs room for two a region. clock: monotonic, in seconds.
    """

    def __init__(
        self,
        inboxes: Inboxes,
        executor: Executor,
        *,
        patience: float = 1.0,
        seconds: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inboxes = inboxes
        self._executor = executor
        self._patience = patience
        self._seconds = seconds
        self._clock = clock
        self._closed_until: dict[str, tuple[float, str]] = {}

    def send(self, region: str, messages: Sequence[str]) -> None:
        """See `ports.Inboxes`; raises Unavailable for a region that does not answer soon, or failed before."""
        closed = self._closed_until.get(region)
        if closed is not None:
            until, reason = closed
            if self._clock() >= until:
                self._close(region, reason)
                self._executor.submit(self._try, region, messages)
            raise Unavailable(f"{region} is not waited for, it failed a moment ago: {reason}")
        for message in messages:  # one by one: many large ones may take long on the way to a healthy, distant region
            attempt = self._executor.submit(self._try, region, [message])
            try:
                attempt.result(timeout=self._patience)
            except TimeoutError:
                reason = f"no answer within {self._patience} s"
                self._close(region, reason)
                raise Unavailable(f"{region}: {reason}") from None

    def _try(self, region: str, messages: Sequence[str]) -> None:
        try:
            self._inboxes.send(region, messages)
        except RetryLater as error:
            self._close(region, str(error))
            raise
        except Misconfigured:
            # An operator has to hear of it: the next send tells it to its caller.
            self._closed_until.pop(region, None)
            raise
        self._closed_until.pop(region, None)

    def _close(self, region: str, reason: str) -> None:
        self._closed_until[region] = (self._clock() + self._seconds, reason)
