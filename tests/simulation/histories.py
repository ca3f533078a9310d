"""Plays one history to its end, with the operator's part in it, and says which promise was broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tests.simulation.checks import Reader, vanished, verdict
from tests.simulation.choices import Choices
from tests.simulation.conflict_checks import misjudged
from tests.simulation.deploying import ChangingWorld, DeployingWorld
from tests.simulation.log_changing import LogChangingWitness, LogChangingWorld
from tests.simulation.log_conflict_checks import told_wrongly
from tests.simulation.log_conflicts import LogConflicts
from tests.simulation.log_merging import LogMergingWorld
from tests.simulation.log_merging_witness import LogMergingWitness
from tests.simulation.log_witness import LogWitness
from tests.simulation.logs import LogWorld
from tests.simulation.merging import MergingWorld
from tests.simulation.merging_checks import MergingWitness, counted_elsewhere
from tests.simulation.merging_checks import verdict as merging_verdict
from tests.simulation.recovery import at_the_end
from tests.simulation.setting import Setting, Writing, draw
from tests.simulation.streams import StreamWorld
from tests.simulation.witness import Fault, Witness

Tell: TypeAlias = Callable[[str], None] | None
"""Is given a line for each thing that happens."""


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
    Kind(Writing.TRIGGERS, 4),
    Kind(Writing.TRIGGERS, 10),
    Kind(Writing.TRIGGERS, 25),
    Kind(Writing.TRIGGERS, 6, year_ahead=True),
    Kind(Writing.COUNTING, 4),
    Kind(Writing.COUNTING, 8),
    Kind(Writing.COUNTING, 20),
    Kind(Writing.COUNTING, 6, year_ahead=True),
    Kind(Writing.MERGING, 4),
    Kind(Writing.MERGING, 10),
    Kind(Writing.MERGING, 25),
    Kind(Writing.MERGING, 6, year_ahead=True),
    Kind(Writing.DEPLOYING, 4),
    Kind(Writing.DEPLOYING, 10),
    Kind(Writing.CHANGING, 4),
    Kind(Writing.CHANGING, 10),
    Kind(Writing.TRIGGERS_COUNTING, 4),
    Kind(Writing.TRIGGERS_COUNTING, 10),
    Kind(Writing.TRIGGERS_COUNTING, 25),
    Kind(Writing.TRIGGERS_COUNTING, 6, year_ahead=True),
    Kind(Writing.TRIGGERS_MERGING, 4),
    Kind(Writing.TRIGGERS_MERGING, 10),
    Kind(Writing.TRIGGERS_MERGING, 25),
    Kind(Writing.TRIGGERS_MERGING, 6, year_ahead=True),
    Kind(Writing.TRIGGERS_CHANGING, 4),
    Kind(Writing.TRIGGERS_CHANGING, 10),
)


MERGING_WORLDS: Mapping[Writing, type[MergingWorld]] = {
    Writing.COUNTING: MergingWorld,
    Writing.MERGING: MergingWorld,
    Writing.DEPLOYING: DeployingWorld,
    Writing.CHANGING: ChangingWorld,
}


@dataclass(frozen=True)
class Played:
    """What became of a history. record: its choices, which play it again; steps: where in it each step begins.

    vanished: see `checks.vanished`. misjudged: conflicts on record that are none, those not told, and those whose name
    another has got.
    """

    kind: Kind
    seed: int | None
    record: tuple[int, ...]
    steps: tuple[int, ...]
    broken: Fault | None
    vanished: Counter[Reader]
    misjudged: tuple[Fault, ...] = ()


def play(
    kind: Kind,
    seed: int | None = None,
    record: Sequence[int] = (),
    tell: Tell = None,
) -> Played:
    """Play the history of a seed, or a recorded one, to its end, then check it."""
    choices = Choices(seed, record)
    setting = draw(choices, kind.writing, kind.writes, year_ahead=kind.year_ahead)
    if tell is not None:
        tell(str(setting))
    playing = {
        Writing.TRIGGERS: _play_logs,
        Writing.TRIGGERS_COUNTING: _play_log_merging,
        Writing.TRIGGERS_MERGING: _play_log_merging,
        Writing.TRIGGERS_CHANGING: _play_log_merging,
        **dict.fromkeys(MERGING_WORLDS, _play_merging),
    }
    outcome = playing.get(kind.writing, _play_streams)(kind, choices, setting, tell)
    return Played(kind, seed, tuple(choices.drawn), tuple(choices.marks), *outcome)


Outcome: TypeAlias = tuple[Fault | None, Counter[Reader], tuple[Fault, ...]]
"""See `Played`."""


def _play_streams(kind: Kind, choices: Choices, setting: Setting, tell: Tell) -> Outcome:
    world = StreamWorld(choices, setting, tell)
    witness = Witness(world)
    with witness.watching():
        broken = at_the_end(world) or verdict(witness)
    seen = vanished(witness)
    if broken is None and seen[Reader.STAMPING] and kind.writing is Writing.STAMPING:
        broken = ("a stamping writer's write vanished",)
    return broken, seen, _misjudged(kind, witness, broken)


def _misjudged(kind: Kind, witness: Witness, broken: Fault | None) -> tuple[Fault, ...]:
    """What was told wrongly of conflicts.

    Not compared where a clock was a year ahead, since what it has left in contexts is not believed, nor where a table
    had no policies at first, since contexts then know less than was seen.
    """
    told = broken is None and not kind.year_ahead and kind.writing not in (Writing.DEPLOYING, Writing.CHANGING)
    return tuple(misjudged(witness.conflicts)) if told else ()


def _play_logs(kind: Kind, choices: Choices, setting: Setting, tell: Tell) -> Outcome:
    world = LogWorld(choices, setting, tell)
    witness, conflicts = LogWitness(world), LogConflicts(world, plain=True)
    broken = at_the_end(world) or witness.verdict()
    return broken, witness.vanished, _told_wrongly(kind, conflicts, broken)


def _play_log_merging(kind: Kind, choices: Choices, setting: Setting, tell: Tell) -> Outcome:
    changing = kind.writing is Writing.TRIGGERS_CHANGING
    world = LogChangingWorld(choices, setting, tell) if changing else LogMergingWorld(choices, setting, tell)
    witness = LogChangingWitness(world) if isinstance(world, LogChangingWorld) else LogMergingWitness(world)
    conflicts = LogConflicts(world, plain=False)
    broken = at_the_end(world) or witness.verdict()
    return broken, witness.vanished, _told_wrongly(kind, conflicts, broken)


def _told_wrongly(kind: Kind, conflicts: LogConflicts, broken: Fault | None) -> tuple[Fault, ...]:
    """What was told wrongly of conflicts; not compared where a clock was a year ahead, as in `_misjudged`."""
    return tuple(told_wrongly(conflicts)) if broken is None and not kind.year_ahead else ()


def _play_merging(kind: Kind, choices: Choices, setting: Setting, tell: Tell) -> Outcome:
    world = MERGING_WORLDS[kind.writing](choices, setting, tell)
    witness = MergingWitness(world)
    with witness.watching():
        broken = at_the_end(world, lambda: counted_elsewhere(witness)) or merging_verdict(witness)
    return broken, Counter(), _misjudged(kind, witness, broken)
