"""The messages of one call of apply: what becomes of each, what is parked, and what comes again later.

A message is done when each of its changes has been merged or parked. One that has to wait comes again, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.delivery import Received
from distributary.domain.errors import DistributaryError, Misconfigured, RetryLater, Unacceptable
from distributary.domain.facts import ApplyReport
from distributary.domain.merge import Effect, Merged
from distributary.domain.message import pack
from distributary.domain.parcel import parcel
from distributary.domain.patience import CONCURRENT_AFTER, LONGEST_MOVE, pause_before
from distributary.ports import Parking, Waiting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task:
    """A change of the message at index `message`."""

    message: int
    change: Change


@dataclass(frozen=True)
class Batch:
    """The messages of one call. troubles: for the index of a message, why it has to come again."""

    messages: Sequence[Received]
    dataset: Dataset
    parking: Parking
    clock: Callable[[], int]
    report: ApplyReport
    troubles: dict[int, DistributaryError] = field(default_factory=dict)

    def read(self, reader: Callable[[str, Dataset], list[T]]) -> Iterator[tuple[int, T]]:
        """What is in each message, with its index. What cannot be read is parked, or comes again by itself."""
        for at, message in enumerate(self.messages):
            try:
                content = reader(message.body, self.dataset)
            except Unacceptable as error:
                self._park(at, error, message.body)
            except RetryLater as error:
                self.troubles[at] = error
            else:
                yield from ((at, each) for each in content)

    def waited(self, task: Task, now: int) -> int:
        """For how long a change has been tried, in microseconds."""
        return now - self.messages[task.message].first_received_at

    def expects(self, task: Task, now: int, least: int) -> bool:
        """Whether changes made before this one may still come: for a while, and longer where this one was late itself.

        What comes out of a backlog has others of its time beside it there. least: microseconds.
        """
        first = self.messages[task.message].first_received_at
        late = first - task.change.captured_at - CONCURRENT_AFTER
        return now - first <= least + max(0, min(late, LONGEST_MOVE))

    def conclude(self, task: Task, result: Merged | DistributaryError) -> None:
        """Keep account of what has become of a change."""
        if isinstance(result, Unacceptable):
            self.park(task, result)
        elif isinstance(result, DistributaryError):
            self.blame([task], result)
        else:
            change, report = task.change, self.report
            report.effects[result.effect] += 1
            report.homes[change.home] += 1
            report.conflicts[change.home] += result.conflict
            if result.effect in (Effect.INSERTED, Effect.REPLACED, Effect.DELETED):
                report.lags.append(max(0, self.clock() - change.version.timestamp))

    def park(self, task: Task, error: Unacceptable) -> None:
        """Put a change aside, as a message of its own."""
        (payload,) = pack(self.dataset, task.change.home, [task.change])
        self._park(task.message, error, payload)

    def _park(self, message: int, error: Unacceptable, payload: str) -> None:
        parked = parcel(self.dataset.name, error, payload, redrivable=True, parked_at=self.clock())
        try:
            self.parking.park([parked])
        except (RetryLater, Misconfigured) as trouble:
            self.troubles.setdefault(message, trouble)
        else:
            self.report.parked.append(parked)

    def blame(self, tasks: Sequence[Task], error: DistributaryError) -> None:
        """Let the messages of these changes come again."""
        for task in tasks:
            self.troubles.setdefault(task.message, error)

    def postpone(self, waiting: Waiting) -> None:
        """Say when each message that has to come again is to come."""
        for at, error in self.troubles.items():
            message = self.messages[at]
            self.report.failed[message.id] = error
            self.report.waited = max(self.report.waited, self.clock() - message.first_received_at)
            try:
                waiting.postpone(message.receipt, pause_before(error, message.receive_count))
            except (RetryLater, Misconfigured):
                self.report.not_postponed += 1  # it comes again after the queue's own visibility timeout
