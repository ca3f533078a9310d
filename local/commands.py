"""The commands `distributary local up | env | down | status`."""

import dataclasses
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from distributary.domain.dataset import Engine, KeyType
from local import databases, deployment, emulator, postgresql, world
from local.children import Children
from local.demo import play
from local.replicas import Replica, read_replicas
from local.world import PROJECT, LocalWorldError, World

app = typer.Typer(no_args_is_help=True, help="Several regions on this machine.")
# Standard output is for what was asked for; how it goes is told on standard error.
console = Console(stderr=True, highlight=False, soft_wrap=True)

ReplicationFile = Annotated[Path, typer.Option("--replication", help="What to replicate, and where.")]


@app.command()
def up(replication: ReplicationFile = PROJECT / "replication.toml") -> None:
    """Start the emulator, build, deploy every replica, and leave all of it running."""
    with told_plainly(), world.exclusive():
        bring_up(replication.resolve())


@app.command()
def env() -> None:
    """Print endpoint, credentials and tables as one JSON object."""
    with told_plainly():
        sys.stdout.write(json.dumps(world.running().environment(), indent=2) + "\n")


@app.command()
def down() -> None:
    """Stop everything that `up` has started."""
    with told_plainly(), world.exclusive():
        known = world.recorded()
        stopped = known is not None and take_down(known)
        world.forget()
        console.print("The local world has stopped." if stopped else "The local world was not running.")


@app.command()
def status() -> None:
    """Show what runs; exit status 1 when nothing does."""
    with told_plainly():
        _show(world.running())


@app.command()
def demo(
    replication: ReplicationFile = PROJECT / "replication.toml",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the world running.")] = False,
) -> None:
    """Write in every region at once, cut one off, let it back, and compare; exit status 1 if they differ."""
    with told_plainly(), world.exclusive():
        known = world.recorded()
        was_running = known is not None and known.process() is not None
        started = bring_up(replication.resolve())
        dataset = _demonstrable(replication.resolve())
        try:
            comparisons = play(started, replication.resolve(), dataset.dataset, dataset.key.partition, Console())
        finally:
            if not (keep or was_running):
                take_down(started)
                world.forget()
    for comparison in comparisons:
        for key, views in comparison.differences.items():
            sys.stdout.write(f"{key}: " + "; ".join(f"{region} has {view}" for region, view in views.items()) + "\n")
    total = sum(comparisons[1:], comparisons[0])
    sys.stdout.write(total.sentence() + "\n")
    raise typer.Exit(1 if total.differences else 0)


def _demonstrable(replication: Path) -> Replica:
    for replica in read_replicas(replication):
        if (
            replica.engine is Engine.DYNAMODB
            and replica.key.sort is None
            and replica.key.partition_type is KeyType.STRING
        ):
            return replica
    raise LocalWorldError(f"{replication}: the demonstration needs a dataset whose key is one string")


def bring_up(replication: Path) -> World:
    """The work of `up`: returns the world that runs, starting it where needed.

    Raises:
        LocalWorldError: when it cannot be started; nothing is left running then.
    """
    replicas = read_replicas(replication)
    began = time.monotonic()
    sources = deployment.sources_digest(replication)
    known = world.recorded()
    if known is not None and known.process() is not None:
        if known.complete and known.sources == sources:
            console.print("The local world is already running.")
            return known
        console.print("The running world was deployed from other sources: starting afresh.")
        take_down(known)
    world.forget()
    started = _start(replication, replicas, sources)
    console.print(f"The local world is up after {time.monotonic() - began:.0f} s, at {started.endpoint}")
    return started


def _start(replication: Path, replicas: list[Replica], sources: str) -> World:
    children = Children()
    try:
        console.print("Building …")
        fresh = deployment.build(replication, sources, children)
        console.print("Built." if fresh else "Nothing has changed since the last build.")
        starting = _with_databases(emulator.start(sources), replication, replicas)
        console.print(f"Deploying {len(replicas)} stacks …")
        deployment.deploy(starting, replicas, children, report=_report)
    except BaseException:
        # Ctrl-C and a failed deployment end alike: nothing that was started stays behind.
        _undo(children)
        raise
    complete = dataclasses.replace(starting, tables=_tables(replicas), complete=True)
    complete.save()
    databases.follow(complete)
    return complete


def _with_databases(starting: World, replication: Path, replicas: list[Replica]) -> World:
    """Start a PostgreSQL for each region with an Aurora dataset, and prepare its databases."""
    wanted: dict[str, list[str]] = {}
    for replica in replicas:
        if replica.engine is Engine.AURORA:
            wanted.setdefault(replica.region, []).append(replica.dataset)
    if not wanted:
        return starting
    console.print(f"Starting PostgreSQL in {len(wanted)} regions …")
    servers, addresses = postgresql.start(wanted)
    running = [(server.pid, server.started, server.folder) for server in servers]
    known = dataclasses.replace(starting, aurora=addresses, servers=running)
    known.save()  # at once: without a record nothing would ever stop them
    databases.prepare(known, replication)
    return known


def take_down(known: World) -> bool:
    """End all that runs of a world; False when nothing did."""
    servers = [postgresql.Server(*server) for server in known.servers]
    try:
        return emulator.stop(known) or any(server.process() for server in servers)
    finally:  # also where somebody is impatient and interrupts the stopping
        postgresql.stop(servers)


def _undo(children: Children) -> None:
    children.stop()
    known = world.recorded()
    if known is not None:
        take_down(known)
    world.forget()


def _tables(replicas: list[Replica]) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for replica in replicas:
        if replica.engine is Engine.DYNAMODB:
            tables.setdefault(replica.region, {})[replica.dataset] = replica.table
    return tables


def _report(replica: Replica) -> None:
    console.print(f"  {replica.dataset} in {replica.region} is deployed")


def _show(known: World) -> None:
    table = Table("region", "dataset", "table", title=f"{known.endpoint}, process {known.pid}")
    for region, tables in known.tables.items():
        for dataset, name in tables.items():
            table.add_row(region, dataset, name)
    for region, addresses in known.aurora.items():
        for dataset, address in addresses.items():
            table.add_row(region, dataset, f"PostgreSQL {address.rpartition('@')[2]}")
    Console().print(table)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn errors that the user can put right into one message, and a request to end into Ctrl-C."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except LocalWorldError as error:
        console.print(f"error: {error}", style="red", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has been stopped.")
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
