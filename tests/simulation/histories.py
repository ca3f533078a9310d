"""Plays one history to its end, with the operator's part in it, and says which promise was broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.simulation.checks import Reader, vanished, verdict
from tests.simulation.choices import Choices
from tests.simulation.recovery import recover
from tests.simulation.setting import Writing, draw
from tests.simulation.witness import Fault, Witness
from tests.simulation.streams import StreamWorld


@dataclass(frozen=True)
class Kind:
    """A kind of histories. year_ahead: one region's clock is, until an operator repairs it."""

    writing: Writing
    writes: int
    year_ahead: bool = False

    def __str__(self) -> str:
        return f"{self.writing.value}-{self.writes}{'-year-ahead' if self.year_ahead else ''}"


KINDS = (
    Kind(Writing.UNMODIFIED, 4),
    Kind(Writing.UNMODIFIED, 8),
    Kind(Writing.UNMODIFIED, 20),
    Kind(Writing.STAMPING, 6),
    Kind(Writing.MIXED, 4),
    Kind(Writing.MIXED, 10),
    Kind(Writing.MIXED, 25),
    Kind(Writing.MIXED, 6, year_ahead=True),
)


@dataclass(frozen=True)
class Played:
    """What became of a history. record: its choices, which play it again; steps: where in it each step begins.

    vanished: see `checks.vanished`.
    """

    kind: Kind
    seed: int | None
    record: tuple[int, ...]
    steps: tuple[int, ...]
    broken: Fault | None
    vanished: Counter[Reader]


def play(
    kind: Kind,
    seed: int | None = None,
    record: Sequence[int] = (),
    tell: Callable[[str], None] | None = None,
) -> Played:
    """Play the history of a seed, or a recorded one, to its end, then check it."""
    choices = Choices(seed, record)
    setting = draw(choices, kind.writing, kind.writes, year_ahead=kind.year_ahead)
    if tell is not None:
        tell(str(setting))
    world = StreamWorld(choices, setting, tell)
    witness = Witness(world)
    with witness.watching():
        rested = world.run() and (not kind.year_ahead or recover(world))
    broken: Fault | None = verdict(witness) if rested else ("never at rest",)
    seen = vanished(witness)
    if broken is None and seen[Reader.STAMPING] and kind.writing is Writing.STAMPING:
        broken = ("a stamping writer's write vanished",)
    return Played(kind, seed, tuple(choices.drawn), tuple(choices.marks), broken, seen)
