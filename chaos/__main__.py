"""The command `python -m chaos`: plays faults in a world of its own, and writes down what they showed."""

import os
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from chaos.faults import FAULTS
from chaos.poison import PoisonOutcome, poison
from chaos.report import DOCUMENT, Machine, document, poison_sentence, table
from chaos.run import Outcome, Pace, play
from chaos.stage import staged
from local import world
from local.commands import bring_up, take_down, told_plainly
from local.world import PROJECT, LocalWorldError

REPLICATION = PROJECT / "benchmarks" / "baselines" / "replication.toml"
WIDTH = 150
"""Of the table where it goes into a file."""
NAMES = [fault.name for fault in FAULTS]


def main(
    fault: Annotated[list[str] | None, typer.Option(help=f"Only these of: {', '.join(NAMES)}.")] = None,
    quiet: Annotated[float, typer.Option(help="Seconds without the fault, before each.")] = Pace.quiet,
    stretch: Annotated[float, typer.Option(help="Factor on the length of each fault.")] = Pace.stretch,
    rate: Annotated[float, typer.Option(help="Writes a second of each of the six writers.")] = Pace.rate,
    records: Annotated[int, typer.Option(help="Records around the poison; 0 leaves it out.")] = 10_000,
    keep: Annotated[bool, typer.Option("--write/--no-write", help="Write docs/reliability.md.")] = True,
) -> None:
    """Play faults on three deployed regions under load; exit status 1 where anything differs, is lost or is parked."""
    console, progress = Console(), Console(stderr=True, highlight=False)
    unknown = set(fault or ()) - set(NAMES)
    if unknown:
        raise typer.BadParameter(f"no such fault: {', '.join(sorted(unknown))}")
    chosen = [each for each in FAULTS if not fault or each.name in fault]
    pace, began, outcomes, found = Pace(quiet, stretch, rate), time.monotonic(), list[Outcome](), None
    with told_plainly(), world.exclusive():
        known = world.recorded()
        if known is not None and known.process() is not None:
            raise LocalWorldError("The local world is running, and faults would spoil it. Stop it with: make down")
        started = bring_up(REPLICATION)
        try:
            with staged(started, REPLICATION) as stage:
                for each in chosen:
                    progress.print(f"{time.monotonic() - began:4.0f} s  {each.name}: {each.what}")
                    outcomes.append(play(stage, each, pace))
                    _tell(progress, outcomes[-1])
                    _keep(outcomes, found, pace, keep=keep)
                if records:
                    progress.print(f"{time.monotonic() - began:4.0f} s  one poison record in {records:,}")
                    found = poison(stage, records)
        finally:
            take_down(started)
            world.forget()
    Console(width=None if console.is_terminal else WIDTH).print(table(outcomes))
    if found is not None:
        console.print(poison_sentence(found))
    _keep(outcomes, found, pace, keep=keep)
    progress.print(f"{time.monotonic() - began:.0f} s in all")
    raise typer.Exit(0 if all(each.sound for each in outcomes) and (found is None or found.sound) else 1)


def _keep(outcomes: Sequence[Outcome], found: PoisonOutcome | None, pace: Pace, *, keep: bool) -> None:
    """Write what is known so far, so that a run which is broken off has not been for nothing."""
    if keep:
        machine = Machine(os.cpu_count() or 1, os.getloadavg()[2])
        DOCUMENT.write_text(document(outcomes, found, pace, machine), encoding="utf-8")


def _tell(progress: Console, outcome: Outcome) -> None:
    """An outcome in a line, and what is wrong with it, row by row."""
    progress.print(
        f"        p99 {outcome.without.p99:.0f} ms, then {outcome.during.p99:.0f} ms; "
        f"equal after {outcome.catch_up:.1f} s; "
        f"{outcome.writes} writes, {outcome.interference} interfered with; "
        f"{len(outcome.differences)} differences, {len(outcome.lost)} lost, {outcome.parked} parked"
    )
    for key, views in list(outcome.differences.items())[:5]:
        progress.print(f"  differs: {key}: {views}", style="red", markup=False)
    for finding in outcome.lost[:5]:
        progress.print(f"  {finding.row} is {finding.wrong.value}: {finding}", style="red", markup=False)


if __name__ == "__main__":
    typer.run(main)
