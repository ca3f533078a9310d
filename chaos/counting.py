"""The command `python -m chaos.counting`: all regions ADD to the same numbers at once, and none of it may be lost.

The applications are unmodified: UpdateItem with ADD. In the middle third one region's functions are throttled and cut
off from the others. At the end the numbers have to be exact in every region, to the last unit.
"""

import random
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chaos.faults import FAULTS, LONELY
from chaos.stage import DATASET, Stage, staged
from local import world
from local.clients import client
from local.commands import bring_up, take_down, told_plainly
from local.convergence import LOST, messages, wait_for_convergence
from local.cutoff import cut_off
from local.world import World

REPLICATION = Path(__file__).with_name("counting.toml")
PATIENCE = 3600.0
TAGS = tuple("abcdefgh")


@dataclass
class Adders:
    """One application a region. number: the attribute. added: by row, what all have added and had acknowledged."""

    world: World
    rows: int
    adds: int
    dataset: str = DATASET
    number: str = "stock"
    added: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    errors: list[BaseException] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> list[threading.Thread]:
        """Begin to add in all regions."""
        threads = [
            threading.Thread(target=self._guarded, args=(each,), daemon=True)
            for each in self.world.tables
            if self.dataset in self.world.tables[each]
        ]
        for thread in threads:
            thread.start()
        return threads

    def _guarded(self, region: str) -> None:
        try:
            self._add(region)
        except BaseException as error:  # noqa: BLE001 - handed to whoever counts
            self.errors.append(error)

    def _add(self, region: str) -> None:
        dice, table = random.Random(region), client(self.world, "dynamodb", region)
        for _ in range(self.adds):
            row, amount = f"item-{dice.randrange(self.rows)}", dice.choice((1, 1, 2, 5, -1, -3))
            table.update_item(
                TableName=self.world.tables[region][self.dataset],
                Key={"pk": {"S": row}},
                UpdateExpression=f"ADD {self.number} :amount, tags :tag",
                ExpressionAttributeValues={":amount": {"N": str(amount)}, ":tag": {"SS": [dice.choice(TAGS)]}},
            )
            with self._lock:
                self.added[row] += amount
                self.done[region] += 1


@dataclass(frozen=True)
class Counted:
    """What the numbers came to. wrong: rows whose number is not exact, by region. seconds: writing, catching up."""

    adds: int
    wrong: dict[str, dict[str, tuple[int, int]]]
    differences: int
    parked: int
    seconds: tuple[float, float]

    @property
    def sound(self) -> bool:
        """Whether all numbers are exact in all regions, and nothing is parked."""
        return not (any(self.wrong.values()) or self.differences or self.parked)


def count(stage: Stage, adds: int, rows: int) -> Counted:
    """Let every region add so often, with a throttled and cut off region in the middle; what the numbers came to."""
    adders, began = Adders(stage.world, rows, adds), time.monotonic()
    threads = adders.run()
    _until(adders, adds)
    with ExitStack() as undo:
        undo.callback(stage.proxy.obey, ())
        stage.proxy.obey(next(fault.rules for fault in FAULTS if fault.name == "throttling"))
        undo.enter_context(cut_off(stage.world, DATASET, LONELY))
        _until(adders, 2 * adds)
    for thread in threads:
        thread.join()
    if adders.errors:
        raise adders.errors[0]
    stage.check()
    written = time.monotonic()
    comparison = wait_for_convergence(stage.world, DATASET, seconds=PATIENCE)
    seconds = written - began, time.monotonic() - written
    wrong = {region: _wrong(stage.world, region, adders.added) for region in stage.world.tables}
    parked = messages(stage.world, DATASET, LOST)
    return Counted(sum(adders.done.values()), wrong, len(comparison.differences), parked, seconds)


def _until(adders: Adders, third: int) -> None:
    """Until all regions together have added so often."""
    while sum(adders.done.values()) < third and not adders.errors:
        time.sleep(0.1)


def _wrong(world: World, region: str, added: Counter[str]) -> dict[str, tuple[int, int]]:
    pages = client(world, "dynamodb", region).get_paginator("scan")
    items = [item for page in pages.paginate(TableName=world.tables[region][DATASET]) for item in page["Items"]]
    found = {item["pk"]["S"]: int(item["stock"]["N"]) for item in items if "stock" in item}
    return {row: (found.get(row, 0), amount) for row, amount in added.items() if found.get(row, 0) != amount}


def main(
    adds: Annotated[int, typer.Option(help="ADDs in each region.")] = 3_000,
    rows: Annotated[int, typer.Option(help="Rows that all regions share.")] = 50,
) -> None:
    """Add to the same numbers in three deployed regions at once; exit status 1 where a number is not exact."""
    console, progress = Console(), Console(stderr=True, highlight=False)
    with told_plainly(), world.exclusive():
        started = bring_up(REPLICATION)
        try:
            with staged(started, REPLICATION) as stage:
                progress.print(f"{adds:,} ADDs in each of {len(started.tables)} regions, on {rows} rows …")
                found = count(stage, adds, rows)
        finally:
            take_down(started)
            world.forget()
    table = Table("region", "numbers that are not exact", title=f"{found.adds:,} ADDs acknowledged")
    for region, rows_wrong in found.wrong.items():
        table.add_row(region, str(len(rows_wrong)))
    console.print(table)
    console.print(
        f"{found.differences} differences, {found.parked} parked; written in {found.seconds[0]:.0f} s, "
        f"equal {found.seconds[1]:.0f} s later"
    )
    raise typer.Exit(0 if found.sound else 1)


if __name__ == "__main__":
    typer.run(main)
