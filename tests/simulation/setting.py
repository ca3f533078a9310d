"""What a history is played with: its size, its writers and the faults that may occur, drawn anew for each seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from distributary.domain.version import MICROSECONDS
from tests.simulation.choices import Choices

HOUR = 3600 * MICROSECONDS
YEAR = 365 * 24 * HOUR
SKEWS = (0, 0, 0, -500_000, 500_000, -10_000_000, 10_000_000)
STEPS = (-500_000, -2_000_000, -10_000_000, 10_000_000)


class Writing(Enum):
    """Which kinds of applications write the table.

    TRIGGERS: any, of a database that stamps every write itself. COUNTING, MERGING: any, of a table whose policies
    merge; in the first nothing is deleted, so that it is known what numbers and sets have to come to. DEPLOYING: any,
    of a table that gets such policies meanwhile, one region after the other. CHANGING: of a table that has such
    policies, and likewise gets others. TRIGGERS_COUNTING, TRIGGERS_MERGING: as
    COUNTING and MERGING, of a database that stamps every write itself and keeps states too. TRIGGERS_CHANGING: as
    CHANGING, of such a database.
    """

    UNMODIFIED = "unmodified"
    STAMPING = "stamping"
    MIXED = "mixed"
    TRIGGERS = "triggers"
    COUNTING = "counting"
    MERGING = "merging"
    DEPLOYING = "deploying"
    CHANGING = "changing"
    TRIGGERS_COUNTING = "triggers-counting"
    TRIGGERS_MERGING = "triggers-merging"
    TRIGGERS_CHANGING = "triggers-changing"


@dataclass(frozen=True)
class Faults:
    """Chances of what may go wrong, each where it can: at an access, a delivery, an invocation or a write."""

    crash: float = 0.0
    fail_before: float = 0.0
    fail_after: float = 0.0
    duplicate: float = 0.0
    rewind: float = 0.0
    restart: float = 0.0
    abandon: float = 0.0
    deadline: float = 0.0
    partition: float = 0.0
    pause: float = 0.0
    step: float = 0.0
    split: float = 0.0


WORST = Faults(
    crash=0.01,
    fail_before=0.01,
    fail_after=0.01,
    duplicate=0.1,
    rewind=0.03,
    restart=0.01,
    abandon=0.01,
    deadline=0.01,
    partition=0.1,
    pause=0.05,
    step=0.03,
    split=0.05,
)


@dataclass(frozen=True)
class Setting:
    """regions: how many. rows: how many rows they share. skews: of each region's clock, microseconds.

    haste: the chance that an application may write at a step although functions have something to do.
    ahead: a region whose clock is a year ahead until it is repaired at the end; after so many writes of all.
    """

    writing: Writing
    writes: int
    regions: int
    rows: int
    skews: tuple[int, ...]
    haste: float
    faults: Faults
    ahead: int | None = None
    after: int = 0


def draw(choices: Choices, writing: Writing, writes: int, *, year_ahead: bool = False) -> Setting:
    """Draw a setting. Most histories leave some faults out: what is always there hides what needs its absence."""
    regions = 2 + choices.pick((0, 0, 0, 1, 1, 2, 3))
    faults = Faults(**{name: worst * choices.pick((1, 1, 0, 3)) for name, worst in vars(WORST).items()})
    return Setting(
        writing,
        writes,
        regions,
        rows=1 + choices.below(2),
        skews=tuple(choices.pick(SKEWS) for _ in range(regions)),
        haste=choices.pick((1.0, 0.3, 0.1, 0.03)),
        faults=faults,
        ahead=choices.below(regions) if year_ahead else None,
        after=choices.pick((0, 1, 2, 4)) if year_ahead else 0,
    )
