"""The command `python -m tests.simulation`: plays as many histories as are asked for, and goes on where it ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.campaign import PROJECT, Tally, play_on, resumed
from tests.simulation.histories import Played, play
from tests.simulation.lessons import keep
from tests.simulation.reduce import reduced

STATE = PROJECT / ".local" / "simulation.json"
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


def main(
    seeds: Annotated[int, typer.Argument(help="How many histories in all, those of earlier runs included.")] = 10_000,
    processes: Annotated[int | None, typer.Option(help="At most this many at once; by default one a core.")] = None,
    state: Annotated[Path, typer.Option(help="Where the count is kept.")] = STATE,
    reduction: Annotated[float, typer.Option(help="Seconds to spend on making a failing history short.")] = 120.0,
) -> None:
    """Play histories until so many have been played of this state of the code; a failing one is reduced and kept."""
    console, tally = Console(), resumed(state)
    broken: Played | None = None
    with Progress(*COLUMNS, console=Console(stderr=True)) as progress:
        task = progress.add_task("histories", total=seeds, completed=tally.histories)
        for portion in play_on(tally, seeds, processes):
            progress.update(task, completed=tally.histories)
            broken = broken or portion.broken
            if broken is None:
                tally.save(state)
    console.print(_summary(tally))
    if broken is not None:
        _show(broken, reduction, console)
        raise typer.Exit(1)
    console.print(f"{tally.histories} histories, no promise broken")
    if tally.misjudged:
        console.print("but conflicts were told wrongly; what the journal says is a promise, too: play those seeds")
        raise typer.Exit(1)


def _summary(tally: Tally) -> Table:
    table = Table("histories of", "played", title="What has been played")
    for kind, count in sorted(tally.seeds.items()):
        table.add_row(kind, str(count))
    table.add_section()
    for who, count in sorted(tally.vanished.items()):
        table.add_row(f"own writes that vanished for a moment: {who}", str(count))
    for what, count in sorted(tally.misjudged.items()):
        table.add_row(f"conflicts told wrongly: {what}", str(count))
    for example in tally.examples:
        table.add_row("seed of a conflict told wrongly", example)
    return table


def _show(broken: Played, seconds: float, console: Console) -> None:
    """Reduce a failing history, tell its story and keep it."""
    console.print(f"seed {broken.seed} of {broken.kind} broke a promise: {broken.broken}", markup=False)
    console.print(f"making it short, for up to {seconds:.0f} s …")
    short = replace(reduced(broken, seconds=seconds), seed=broken.seed)
    story: list[str] = []
    play(short.kind, record=short.record, tell=story.append)
    for line in story:
        console.print(line, markup=False, highlight=False)
    console.print(f"broken: {short.broken}", markup=False)
    console.print(f"kept as {keep(short)}; the tests play it from now on")


if __name__ == "__main__":
    typer.run(main)
