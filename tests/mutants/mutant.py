"""A mutant: one small change of the domain, named by the lines that it changes, and what the tests made of it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant. where: module and function, or the module alone for statements outside of functions.

    was, now: the changed lines before and after, without indentation. They name the mutant as long as its lines stay,
    wherever in the function these stand; two mutants of equal lines in one function are one.
    """

    where: str
    was: str
    now: str
    fate: Fate

    def __str__(self) -> str:
        return f"{self.where}\n    - {self.was}\n    + {self.now}"


def changed(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, without indentation."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    was, now = ([line[2:].strip() for line in lines if line.startswith(sign)] for sign in ("- ", "+ "))
    return " ".join(was), " ".join(now)
