"""Runs many decisions side by side and batches their steps, so that each round costs one call a kind of step.

The decisions hold the protocol and do no I/O; this module does the I/O and knows nothing of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from distributary.domain.conflict import Conflict
from distributary.domain.errors import Defect, DistributaryError
from distributary.domain.image import Image, key_text
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Step, Write
from distributary.ports import Replica

T = TypeVar("T")


class _Running(Generic[T]):
    """One decision under way, with the step it waits for or, at its end, its result."""

    def __init__(self, key: Image, decision: Decision[T]) -> None:
        self.key, self.row = key, key_text(key)
        self._decision = decision
        self.step: Step | None = None
        self.result: T | DistributaryError | None = None
        self._advance(lambda: next(decision))

    def answer(self, value: Any) -> None:
        """Resume with the answer to the step, or with the error that it met."""
        if isinstance(value, DistributaryError):
            self._advance(lambda: self._decision.throw(value))
        else:
            self._advance(lambda: self._decision.send(value))

    def _advance(self, resume: Callable[[], Step]) -> None:
        self.step = None
        try:
            self.step = resume()
        except StopIteration as end:
            self.result = end.value
        except DistributaryError as error:
            self.result = error
        except Exception as error:  # noqa: BLE001 - one bad record must not block the stream behind it: it is parked
            self.result = Defect(f"{type(error).__name__}: {error}")


def run(
    replica: Replica,
    decisions: Sequence[tuple[Image, Decision[T]]],
    record: Callable[[Sequence[Conflict]], None] = lambda _: None,
) -> list[T | DistributaryError]:
    """Drive decisions to their ends; each key must appear once. An error ends the decision that met it, no other.

    record: keeps conflicts in the journal; does not fail.
    """
    running = [_Running(key, decision) for key, decision in decisions]
    while waiting := [each for each in running if each.step is not None]:
        _record(record, [each for each in waiting if isinstance(each.step, Record)])
        for whole in (False, True):
            looking = [each for each in waiting if isinstance(each.step, Look) and each.step.whole == whole]
            _read(partial(replica.look, whole=True) if whole else replica.look, looking)
        _read(replica.look_back, [each for each in waiting if isinstance(each.step, LookBack)])
        _write(replica.write, [each for each in waiting if isinstance(each.step, Write)])
        _write(replica.remember, [each for each in waiting if isinstance(each.step, Remember)])
    return [each.result for each in running]  # type: ignore[misc]


def _record(record: Callable[[Sequence[Conflict]], None], asking: list[_Running[T]]) -> None:
    conflicts = [each.step.conflict for each in asking if isinstance(each.step, Record)]
    if conflicts:
        record(conflicts)
    for each in asking:
        each.answer(None)


def _read(call: Callable[[Sequence[Image]], Any], asking: list[_Running[T]]) -> None:
    if not asking:
        return
    try:
        answers = call([each.key for each in asking])
    except DistributaryError as error:
        _fail(asking, error)
    else:
        for each in asking:
            each.answer(answers[each.row])


def _write(call: Callable[[Sequence[tuple[Image, Any]]], Sequence[Any]], asking: list[_Running[T]]) -> None:
    if not asking:
        return
    try:
        outcomes = call([(each.key, each.step) for each in asking])
    except DistributaryError as error:
        _fail(asking, error)
    else:
        for each, outcome in zip(asking, outcomes, strict=True):
            each.answer(outcome)


def _fail(asking: list[_Running[T]], error: DistributaryError) -> None:
    for each in asking:
        each.answer(error)
