"""Plays one fault: load and probes without it, then with it, then until the regions are equal; and judges the end."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from chaos.faults import Fault
from chaos.killer import Killer
from chaos.lag import Lag, Prober
from chaos.oracle import Content, Finding, judge
from chaos.stage import DATASET, FUNCTIONS, Stage, mapping_off
from chaos.writers import KEY, Unmodified, Writers, content_of
from chaos.yielding import yielding
from local.clients import client
from local.convergence import LOST, messages, wait_for_convergence
from local.world import World

PATIENCE = 180.0
"""Seconds that the regions have to become equal once the fault is over and the writing has ended."""
WARM_UP_SECONDS = 3.0


@dataclass(frozen=True)
class Pace:
    """How long and how fast. quiet: seconds without the fault. stretch: factor on a fault's own length."""

    quiet: float = 45.0
    stretch: float = 5.0
    rate: float = 0.35


@dataclass(frozen=True)
class Outcome:
    """What a fault has done. catch_up: seconds. interference: calls interfered with, or processes killed."""

    fault: Fault
    without: Lag
    during: Lag
    writes: int
    interference: int
    differences: dict[str, dict[str, str]]
    lost: list[Finding]
    catch_up: float
    parked: int

    @property
    def sound(self) -> bool:
        """Whether nothing differs, nothing is lost, nothing is parked, and the fault was there at all."""
        return not (self.differences or self.lost or self.parked) and self.interference > 0


def play(stage: Stage, fault: Fault, pace: Pace) -> Outcome:
    """Play a fault on a stage that is at rest.

    Raises:
        BaseException: what a writer, a prober or a reader of streams met; the emulator has failed then, not the system.
    """
    with yielding(stage.world, fault.ailing):
        return _play(stage, fault, pace)


def _play(stage: Stage, fault: Fault, pace: Pace) -> Outcome:
    world, prefix = stage.world, fault.name.replace(" ", "-")
    writers = Writers(world, prefix, pace.rate)
    probing = {region: Unmodified(world, region, writers.history) for region in world.tables}
    prober = Prober(world, prefix, probing)
    writers.start()
    try:
        time.sleep(WARM_UP_SECONDS)
        without = prober.measure(fault.healthy, pace.quiet)
        with _present(stage, fault, writers) as interference:
            during = prober.measure(fault.healthy, fault.seconds * pace.stretch)
            writers.stop()
            interfered = interference()
    finally:
        writers.stop()
    stage.check()
    began = time.monotonic()
    comparison = wait_for_convergence(world, DATASET, seconds=PATIENCE)
    catch_up = time.monotonic() - began
    writes = writers.history.writes
    found = judge(writes, ended(world, next(iter(world.tables)), prefix))
    parked = messages(world, DATASET, LOST)
    return Outcome(fault, without, during, len(writes), interfered, comparison.differences, found, catch_up, parked)


def ended(world: World, region: str, prefix: str) -> dict[str, Content]:
    """The rows of a region whose keys begin with the prefix, as the oracle compares them."""
    pages = (
        client(world, "dynamodb", region)
        .get_paginator("scan")
        .paginate(TableName=world.tables[region][DATASET], ConsistentRead=True)
    )
    items = [item for page in pages for item in page["Items"]]
    return {item[KEY]["S"]: content_of(item) for item in items if item[KEY]["S"].startswith(f"{prefix}-")}


@contextmanager
def _present(stage: Stage, fault: Fault, writers: Writers) -> Iterator["Interference"]:
    """The fault lasts as long as the block."""
    interference = Interference(stage)
    with ExitStack() as undo:
        undo.callback(stage.proxy.obey, ())
        stage.proxy.obey(fault.rules)
        if fault.down is not None:
            writers.idle.add(fault.down)
            stage.streams[fault.down].halt()
            undo.callback(stage.streams[fault.down].resume)
            for function in FUNCTIONS[1:]:
                undo.enter_context(mapping_off(stage.world, fault.down, function))
        for region, share in (fault.twice or {}).items():
            stage.streams[region].twice = share
            undo.callback(setattr, stage.streams[region], "twice", 0.0)
        if fault.killed is not None:
            interference.killer = Killer(stage.world, fault.killed)
            interference.killer.start()
            undo.callback(interference.killer.stop)
        yield interference


class Interference:
    """Counts what a fault has done since it began."""

    def __init__(self, stage: Stage) -> None:
        self.killer: Killer | None = None
        self._stage = stage
        self._before = stage.proxy.faults()

    def __call__(self) -> int:
        """How many calls were interfered with and processes killed."""
        killed = self.killer.killed if self.killer else 0
        return self._stage.proxy.faults() - self._before + killed
