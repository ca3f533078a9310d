"""Plays functions and transactions of one site step by step, in an order that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from distributary.domain.change import Change
from distributary.domain.errors import NotSettled
from distributary.domain.image import Image, key_text
from distributary.domain.stamp import Writer
from distributary.domain.stamped_merge import merge_stamped, settle_inserted
from distributary.domain.steps import Decision, Look, LookBack, Record, Remember, Step, Write
from tests.unit.stamped_sites import StampedSite

Actor: TypeAlias = Generator[None, None, None]
Choose: TypeAlias = Callable[[int], int]
"""Which of so many may go on."""


def stepping(site: StampedSite, name: Image, decide: Callable[[], Decision[Any]]) -> Actor:
    """A decision that may be left alone before each of its steps.

    But for two that make no difference to anybody else: a conflict goes on record elsewhere, and a look at the whole
    row decides anew, whatever was seen before.
    """
    decision = decide()
    try:
        step = next(decision)
        while True:
            if not isinstance(step, Record) and not (isinstance(step, Look) and step.whole):
                yield
            step = decision.send(_answer(site, name, step))
    except StopIteration:
        return
    except NotSettled:
        return  # it comes again, in the end


def _answer(site: StampedSite, name: Image, step: Step) -> Any:
    match step:
        case Look(whole):
            return site.replica.look([name], whole=whole)[key_text(name)]
        case LookBack():
            return site.replica.look_back([name])[key_text(name)]
        case Remember():
            return site.replica.remember([(name, step)])[0]
        case Write():
            return site.replica.write([(name, step)])[0]
    return None


def applying(site: StampedSite, change: Change, *, crashes_after: int | None = None) -> Actor:
    """A delivery of a change; one that crashes does so after that many steps, and is delivered again at once."""
    if crashes_after is not None:
        first = stepping(site, change.key, lambda: merge_stamped(change, site.place()))
        for _ in range(crashes_after):
            if next(first, StopIteration) is StopIteration:
                break
            yield
    yield from stepping(site, change.key, lambda: merge_stamped(change, site.place()))


def writing(site: StampedSite, *actions: Callable[[Any], None]) -> Actor:
    """A transaction of an application: each action, then the commit, with others in between.

    Who waits for it makes it commit at once; what it had left to do is then a second transaction.
    """
    transaction = site.table.begin()
    for action in actions:
        yield
        if transaction.over:
            transaction = site.table.begin()
        action(transaction)
    yield
    transaction.commit()


@dataclass
class Capture:
    """The function that follows the log. It looks at what applications have inserted."""

    site: StampedSite
    at: int = 0

    def follow(self, looks: int = 1) -> Actor:
        """Work the log off as far as it reaches, so many times."""
        for _ in range(looks):
            while self.at < len(self.site.table.log):
                each = self.site.table.log[self.at]
                if each.inserted and each.stamp.writer is Writer.APPLICATION:
                    yield from stepping(self.site, each.key, partial(self._settling, each.key))
                self.at += 1
            yield

    def _settling(self, key: Image) -> Decision[bool]:
        return settle_inserted(key, self.site.place())


def play(actors: Sequence[Actor], choose: Choose) -> None:
    """Let one actor after the other go on by a step, until none has anything left."""
    waiting = list(actors)
    while waiting:
        at = choose(len(waiting))
        if next(waiting[at], StopIteration) is StopIteration:
            waiting.pop(at)


@dataclass
class _Choices:
    """Choices that follow a plan as far as it goes, and take the first of all from there on."""

    plan: list[int]
    made: list[tuple[int, int]] = field(default_factory=list)

    def choose(self, count: int) -> int:
        choice = self.plan[len(self.made)] if len(self.made) < len(self.plan) else 0
        self.made.append((choice, count))
        return choice

    def next_plan(self) -> list[int] | None:
        """The plan after this one, in the order of a depth-first search."""
        while self.made and self.made[-1][0] == self.made[-1][1] - 1:
            self.made.pop()
        if not self.made:
            return None
        return [choice for choice, _ in self.made[:-1]] + [self.made[-1][0] + 1]


def every_order(stage: Callable[[], Sequence[Actor]]) -> Iterator[None]:
    """Play the actors of a new stage in every order there is, one after the other."""
    plan: list[int] | None = []
    while plan is not None:
        choices = _Choices(plan)
        play(stage(), choices.choose)
        yield
        plan = choices.next_plan()
