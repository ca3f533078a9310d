"""Explanations of survivors, read from explained.toml: which mutants change nothing that matters, and why."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.mutants.mutant import Fate, Mutant

EXPLAINED = Path(__file__).with_name("explained.toml")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a mutant may survive. One names its mutant to the letter, a class by a pattern of the changed line."""

    where: str
    was: str
    now: str
    why: str
    pattern: bool = False

    def fits(self, mutant: Mutant) -> bool:
        """Whether it is this mutant, or one of this class, that is explained."""
        if self.pattern:
            found = re.search(self.was, mutant.was) and re.search(self.now, mutant.now)
            return bool(found) and fnmatchcase(mutant.where, self.where)
        return (self.where, self.was, self.now) == (mutant.where, mutant.was, mutant.now)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, if anything. unexplained: survivors. idle: explanations that no survivor needs."""

    explained: list[Mutant]
    unexplained: list[Mutant]
    idle: list[Explanation]


def read(path: Path = EXPLAINED) -> list[Explanation]:
    """All explanations of a file."""
    tables = tomllib.loads(path.read_text())
    single = [Explanation(**table) for table in tables.get("survivor", [])]
    return single + [Explanation(**{"was": "", "now": "", **table}, pattern=True) for table in tables.get("class", [])]


def compare(mutants: Iterable[Mutant], explanations: list[Explanation]) -> Verdict:
    """Hold the survivors against the explanations, both ways."""
    survivors = [mutant for mutant in mutants if mutant.fate is Fate.SURVIVED]
    unexplained = [mutant for mutant in survivors if not any(each.fits(mutant) for each in explanations)]
    idle = [each for each in explanations if not any(map(each.fits, survivors))]
    return Verdict([mutant for mutant in survivors if mutant not in unexplained], unexplained, idle)
