"""Every choice of a history in one place: drawn from a seed and recorded, or played again from a record."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Small numbers, one a choice; 0 always is the simplest (no fault, the action that is next in order).

    A record that ends early goes on with zeros, so that every list of numbers is a history that can be played.
    """

    def __init__(self, seed: int | None = None, record: Sequence[int] = ()) -> None:
        self._random = random.Random(seed).random if seed is not None else None
        self._record = record
        self.drawn: list[int] = []
        self.marks: list[int] = []

    def mark(self) -> None:
        """Say that a new step of the history begins here: what follows belongs together."""
        self.marks.append(len(self.drawn))

    def below(self, limit: int) -> int:
        """A number from 0 to just below the limit."""
        if self._random is not None:
            number = int(self._random() * limit)
        else:
            at = len(self.drawn)
            number = min(self._record[at], limit - 1) if at < len(self._record) else 0
        self.drawn.append(number)
        return number

    def chance(self, probability: float) -> bool:
        """Whether something that rarely happens does."""
        if self._random is not None:
            number = int(self._random() < probability)
        else:
            at = len(self.drawn)
            number = min(self._record[at], 1) if at < len(self._record) else 0
        self.drawn.append(number)
        return number == 1

    def pick(self, options: Sequence[T]) -> T:
        """One of some options, the simplest first."""
        return options[self.below(len(options))]

    def some(self, options: Sequence[T], size: int) -> list[T]:
        """So many of the options, or all where there are fewer, in any order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(min(size, len(left)))]
