"""The demonstration: three regions under an application's writes, one of them cut off and let back, then compared."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from local import databases
from local.convergence import LOST, Comparison, messages, wait_for_convergence
from local.cutoff import cut_off
from local.observation import ItemProbes, Observer, RowProbes
from local.workload import DDL, ItemWorkload, RowWorkload, Workload
from local.world import World

TOGETHER, APART, AGAIN = 10.0, 12.0, 8.0
"""Seconds of the three acts: all regions together, one cut off, and all together again."""

RATE = 5.0
"""Writes a second of each engine in each region: what the emulator, one process for all, keeps up with."""

PATIENCE = 60.0
"""Seconds that the regions have to become equal once the writing has ended."""


@dataclass(frozen=True)
class Engine:
    """One dataset, who writes it and who watches it."""

    name: str
    dataset: str
    workload: Workload
    observer: Observer


@dataclass(frozen=True)
class Stage:
    """What the acts are played with."""

    world: World
    engines: tuple[Engine, ...]
    console: Console


def play(world: World, replication: Path, dataset: str, key: str, console: Console) -> list[Comparison]:
    """Play all acts with a live table, and compare the regions at the end.

    replication: the file that the world was started with. dataset, key: of the DynamoDB table.
    """
    engines = [
        Engine("DynamoDB", dataset, ItemWorkload(world, dataset, key, rate=RATE), _watching(world, dataset, key))
    ]
    engines += [
        Engine("Aurora", each, RowWorkload(world, each, rate=RATE), Observer(world, each, RowProbes(world, each)))
        for each in databases.with_table(world, DDL, replication)
    ]
    stage = Stage(world, tuple(engines), console)
    lonely = world.regions[-1]
    for engine in engines:
        engine.observer.start()
        engine.workload.start()
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        try:
            _act(stage, live, "every region takes writes to the same rows", TOGETHER)
            with ExitStack() as borders:
                for engine in engines:
                    borders.enter_context(cut_off(world, engine.dataset, lonely))
                _act(stage, live, f"{lonely} is cut off; writing goes on everywhere", APART)
            _act(stage, live, f"{lonely} is back", AGAIN)
        finally:
            for engine in engines:
                engine.workload.stop()
                engine.observer.stop()
        live.update(_table(stage, "the writing has ended; waiting for calm"))
        comparisons = [wait_for_convergence(world, engine.dataset, seconds=PATIENCE) for engine in engines]
        live.update(_table(stage, "compared"))
    console.print()
    lost = sum(messages(world, engine.dataset, LOST) for engine in engines)
    if lost:
        console.print(f"{lost} payloads are parked or dead letters", style="red")
    return comparisons


def _watching(world: World, dataset: str, key: str) -> Observer:
    return Observer(world, dataset, ItemProbes(world, dataset, key))


def _act(stage: Stage, live: Live, title: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        live.update(_table(stage, f"{title} ({left:.0f} s)"))
        time.sleep(0.25)


def _table(stage: Stage, title: str) -> Table:
    table = Table(title=title)
    table.add_column("engine", no_wrap=True)
    table.add_column("link", no_wrap=True)
    for heading in ("writes", "applied", "lag", "conflicts"):
        table.add_column(heading, justify="right")
    for engine in stage.engines:
        observer = engine.observer
        for home, region in permutations(stage.world.regions, 2):
            link = (home, region)
            lag = observer.lag(link)
            table.add_row(
                engine.name,
                f"{home} → {region}",
                str(engine.workload.written[home]),
                str(observer.changes[link]),
                "over 5 s" if link in observer.missing else f"{lag * 1000:.0f} ms" if lag is not None else "…",
                str(observer.conflicts[link]),
            )
        table.add_section()
    return table
