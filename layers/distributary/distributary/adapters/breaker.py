"""A circuit breaker for inboxes: nobody's changes wait for a region that cannot be reached, or that is slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from distributary.domain.errors import Misconfigured, RetryLater, Unavailable
from distributary.ports import Inboxes

LEAST_PATIENCE = 0.15
"""Seconds that any region is given, so that a busy processor is no outage."""

SLACK = 0.1
"""Seconds that a region may take beyond what is usual for the quickest, and still be waited for."""

LATE = 2
"""Answers in succession that took longer than that; one may be an accident."""

PACE = 1_000_000
"""Characters a second that any region is thought to take, beside what is usual for messages of any size."""


@dataclass(frozen=True, slots=True)
class Usual:
    """How long a region takes for a message, in seconds: a smoothed mean and deviation, as TCP has them (RFC 6298)."""

    mean: float
    deviation: float

    def after(self, taken: float) -> Usual:
        """With one message more."""
        deviation = self.deviation + (abs(self.mean - taken) - self.deviation) / 4
        return Usual(self.mean + (taken - self.mean) / 8, deviation)

    def patience(self, size: int, most: float) -> float:
        """How long to wait for a message of so many characters, at most `most`."""
        return min(most, max(LEAST_PATIENCE, self.mean + 4 * self.deviation) + size / PACE)


class BreakingInboxes:
    """`ports.Inboxes` that wait for a region for a moment only, and refuse it for a while after it failed.

    It lives as long as the function's process and is shared by its threads. A message that takes longer than is usual
    for its region (`Usual`), or than `patience` where nothing is known of that, counts as failed, though it goes on by
    itself; after `seconds` of refusal one send is tried again, beside the caller, who is refused still. So a region
    that hangs holds up one batch, once, for a moment, and however long it hangs the others' changes do not wait for it
    again. What arrives late after all arrives twice, which does no harm, and the region is waited for again.

    That is, unless it was late before: a region that was waited for twice in succession for longer than is usual for
    the quickest other one that is waited for, and `SLACK`, is refused like one that failed, and for three times as
    long. So who is slow every time delays nobody but himself. Only what somebody has waited for tells how late it is:
    between two calls the platform may let the process stand still.

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
        self._usual: dict[str, Usual] = {}
        self._late: dict[str, int] = {}

    def send(self, region: str, messages: Sequence[str]) -> None:
        """See `ports.Inboxes`; raises Unavailable for a region that does not answer soon, or did not before."""
        closed = self._closed_until.get(region)
        if closed is not None:
            until, reason = closed
            if self._clock() >= until:
                self._close(region, reason)
                self._executor.submit(self._trial, region, messages)
            raise Unavailable(f"{region} is not waited for: {reason}")
        for message in messages:  # one by one: many large ones may take long on the way to a healthy, distant region
            self._send(region, message)

    def _send(self, region: str, message: str) -> None:
        usual = self._usual.get(region)
        patience = usual.patience(len(message), self._patience) if usual is not None else self._patience
        begun = self._clock()
        attempt = self._executor.submit(self._try, region, [message])
        try:
            attempt.result(timeout=patience)
        except TimeoutError:
            reason = f"no answer within {patience:.2f} s"
            self._waited(region, patience, len(message))
            self._close(region, reason)
            if attempt.done() and attempt.exception() is None:  # just now
                self._open(region)
            raise Unavailable(f"{region}: {reason}") from None
        self._waited(region, self._clock() - begun, len(message))

    def _try(self, region: str, messages: Sequence[str]) -> None:
        begun = self._clock()
        try:
            self._inboxes.send(region, messages)
        except RetryLater as error:
            self._close(region, str(error))
            raise
        except Misconfigured:
            # An operator has to hear of it: the next send tells it to its caller.
            self._closed_until.pop(region, None)
            self._usual.pop(region, None)  # of before: nobody is compared with a region that takes nothing
            raise
        self._note(region, min(self._patience, (self._clock() - begun) / len(messages)))
        self._open(region)

    def _trial(self, region: str, messages: Sequence[str]) -> None:
        """Try a region that is refused; once it answers it is waited for again, however late it was before."""
        self._try(region, messages)
        self._closed_until.pop(region, None)

    def _note(self, region: str, taken: float) -> None:
        known = self._usual.get(region)
        self._usual[region] = known.after(taken) if known is not None else Usual(taken, taken / 2)

    def _waited(self, region: str, taken: float, size: int) -> None:
        """Note for how long others' changes have waited for a message of so many characters; refuse who is late again.

        taken: seconds.
        """
        others = (each for each in list(self._usual) if each != region and each not in self._closed_until)
        quickest = min((self._usual[each].mean for each in others), default=self._patience)
        late = taken >= max(LEAST_PATIENCE, quickest + SLACK) + size / PACE
        self._late[region] = self._late.get(region, 0) + 1 if late else 0
        if self._is_slow(region):
            self._close(region, f"it took {taken:.2f} s, and did before")

    def _is_slow(self, region: str) -> bool:
        return self._late.get(region, 0) >= LATE

    def _open(self, region: str) -> None:
        if not self._is_slow(region):
            self._closed_until.pop(region, None)

    def _close(self, region: str, reason: str) -> None:
        seconds = self._seconds * (3 if self._is_slow(region) else 1)
        self._closed_until[region] = (self._clock() + seconds, reason)
