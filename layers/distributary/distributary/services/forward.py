"""Forward: messages in the outbox go to the peer that could not be reached when they were captured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distributary.domain.dataset import Dataset
from distributary.domain.delivery import Received
from distributary.domain.errors import DistributaryError, MalformedMessage, Misconfigured, OutOfTime, RetryLater
from distributary.domain.facts import ForwardReport
from distributary.domain.parcel import parcel
from distributary.domain.patience import pause_before
from distributary.ports import Inboxes, Parking, Waiting

RESERVE = 10_000
"""Milliseconds that must be left to send one more message."""

DESTINATION = "destination"
"""The message attribute that names the region a held message is for."""


@dataclass(frozen=True)
class Forward:
    """The forward service of one replica. clock: microseconds.

    Messages for one region are tried in turn; after the first that fails, the region's others wait too, untried, so
    that a region which hangs costs each batch one timeout and delays nobody else.
    """

    dataset: Dataset
    inboxes: Inboxes
    parking: Parking
    waiting: Waiting
    clock: Callable[[], int]

    def run(self, messages: Sequence[Received], remaining: Callable[[], int]) -> ForwardReport:
        """Work off a batch. remaining: milliseconds until the function's deadline."""
        report = ForwardReport(messages=len(messages))
        closed: dict[str, DistributaryError] = {}
        for message in messages:
            region = message.attributes.get(DESTINATION, "")
            try:
                if remaining() < RESERVE:
                    raise OutOfTime(f"{remaining()} ms left")
                if region in closed:
                    raise closed[region]
                self._send(region, message, report)
            except (RetryLater, Misconfigured) as error:
                closed[region] = error
                self._wait(message, error, report)
        return report

    def _send(self, region: str, message: Received, report: ForwardReport) -> None:
        if region not in self.dataset.regions:
            error = MalformedMessage(f"the destination {region!r} is no replica of {self.dataset.name!r}")
            parked = parcel(self.dataset.name, error, message.body, redrivable=False, parked_at=self.clock())
            self.parking.park([parked])
            report.parked.append(parked)
            return
        self.inboxes.send(region, [message.body])
        report.sent[region] += 1

    def _wait(self, message: Received, error: DistributaryError, report: ForwardReport) -> None:
        report.failed[message.id] = error
        report.waited = max(report.waited, self.clock() - message.first_received_at)
        try:
            self.waiting.postpone(message.receipt, pause_before(error, message.receive_count))
        except (RetryLater, Misconfigured):
            report.not_postponed += 1  # it comes again after the queue's own visibility timeout
