"""The demonstration: three regions under an application's writes, one of them cut off and let back, then compared."""

import time
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.convergence import LOST, Comparison, messages, wait_for_convergence
from local.cutoff import cut_off
from local.observation import Observer
from local.workload import Workload
from local.world import World

TOGETHER, APART, AGAIN = 10.0, 12.0, 8.0
"""Seconds of the three acts: all regions together, one cut off, and all together again."""

PATIENCE = 60.0
"""Seconds that the regions have to become equal once the writing has ended."""


@dataclass(frozen=True)
class Stage:
    """What the acts are played with."""

    world: World
    dataset: str
    workload: Workload
    observer: Observer
    console: Console


def play(world: World, dataset: str, key: str, console: Console) -> Comparison:
    """Play all acts with a live table, and compare the regions at the end."""
    stage = Stage(world, dataset, Workload(world, dataset, key), Observer(world, dataset, key), console)
    lonely = list(world.tables)[-1]
    stage.observer.start()
    stage.workload.start()
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        try:
            _act(stage, live, "every region takes writes to the same rows", TOGETHER)
            with cut_off(world, dataset, lonely):
                _act(stage, live, f"{lonely} is cut off; writing goes on everywhere", APART)
            _act(stage, live, f"{lonely} is back", AGAIN)
        finally:
            stage.workload.stop()
            stage.observer.stop()
        live.update(_table(stage, "the writing has ended; waiting for calm"))
        comparison = wait_for_convergence(world, dataset, seconds=PATIENCE)
        live.update(_table(stage, "compared"))
    console.print()
    lost = messages(world, dataset, LOST)
    if lost:
        console.print(f"{lost} payloads are parked or dead letters", style="red")
    return comparison


def _act(stage: Stage, live: Live, title: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        live.update(_table(stage, f"{title} ({left:.0f} s)"))
        time.sleep(0.25)


def _table(stage: Stage, title: str) -> Table:
    table = Table(title=title)
    table.add_column("link", no_wrap=True)
    for heading in ("writes at home", "changes applied", "lag", "conflicts"):
        table.add_column(heading, justify="right")
    observer = stage.observer
    for home in stage.world.tables:
        for region in stage.world.tables:
            if region == home:
                continue
            link = (home, region)
            lag = observer.lag(link)
            table.add_row(
                f"{home} → {region}",
                str(stage.workload.written[home]),
                str(observer.changes[link]),
                "over 5 s" if link in observer.missing else f"{lag * 1000:.0f} ms" if lag is not None else "…",
                str(observer.conflicts[link]),
            )
    return table
