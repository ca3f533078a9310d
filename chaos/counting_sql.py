"""The command `python -m chaos.counting_sql`: as `chaos.counting`, in SQL databases: UPDATE … SET n = n + … everywhere.

The applications are pgbench's clients. Each keeps, in the transaction of each update, a ledger that is not replicated:
what the numbers have to come to is the sum of the ledgers. In the middle third one region is cut off, and all the while
messages are delivered in any order, some of them twice.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chaos.faults import LONELY
from distributary.domain.policies import AttributePolicy, AttributeRule
from tests.contract.aurora_sites import Site, Sites, sites
from tests.contract.postgresql import postgresql
from tests.contract.tpcb import PGBENCH

VERSIONS = (16, 18, 16)
"""Of the servers, a region each."""
TWICE = 0.1
"""The share of messages that are delivered a second time."""
COUNTER = {"public.items.stock": AttributeRule(AttributePolicy.COUNTER)}
SCRIPT = """\\set id random(1, {rows})
\\set by random(-3, 5)
BEGIN;
UPDATE items SET stock = stock + :by WHERE id = :id;
UPDATE ledger.added SET amount = amount + :by, times = times + 1 WHERE id = :id;
END;
"""
TABLES = """CREATE TABLE items (id integer PRIMARY KEY, stock bigint NOT NULL);
INSERT INTO items SELECT g, 0 FROM generate_series(1, {rows}) g;
CREATE SCHEMA ledger;
CREATE TABLE ledger.added (id integer PRIMARY KEY, amount bigint NOT NULL, times bigint NOT NULL);
INSERT INTO ledger.added SELECT g, 0, 0 FROM generate_series(1, {rows}) g
"""
EXPECTED = "SELECT id, amount FROM ledger.added ORDER BY id"
FOUND = "SELECT id, stock FROM items ORDER BY id"
TIMES = "SELECT sum(times)::bigint FROM ledger.added"


@dataclass(frozen=True)
class Counted:
    """What the numbers came to. wrong: rows whose number is not exact, by region. seconds: writing, catching up."""

    updates: int
    wrong: dict[str, int]
    parked: int
    repeated: int
    seconds: tuple[float, float]

    @property
    def sound(self) -> bool:
        """Whether all numbers are exact in all regions, and nothing is parked."""
        return not (any(self.wrong.values()) or self.parked)


@dataclass
class Delivery:
    """Moves changes between the regions, badly. repeated: messages that were delivered once more."""

    dice: random.Random
    repeated: int = 0

    def turn(self, places: Sequence[Site]) -> int:
        """Capture and apply once in these regions; the writes that were captured."""
        captured = sum(each.capture().writes for each in places)
        for each in places:
            each.apply(self._shuffled, again=self._again)
        return captured

    def _shuffled(self, messages: list[str]) -> list[str]:
        return self.dice.sample(messages, len(messages))

    def _again(self) -> bool:
        again = self.dice.random() < TWICE
        self.repeated += again
        return again


def count(places: Sites, updates: int, rows: int) -> Counted:
    """Let every region update so often; one of them is cut off in the middle third."""
    _prepare(places, rows)
    delivery, began = Delivery(random.Random("counting")), time.monotonic()
    connected = [each for each in places if each.region != LONELY]
    for part, reached in enumerate((places.all, connected, places.all)):
        _write(places, _third(updates, part), rows, partial(delivery.turn, reached))
    written = time.monotonic()
    while delivery.turn(places.all) or any(each.queues[each.region].messages for each in places):
        pass
    seconds = written - began, time.monotonic() - written
    expected = _sums([each.ask(EXPECTED) for each in places])
    wrong = {each.region: sum(stock != expected[row] for row, stock in each.ask(FOUND)) for each in places}
    done = sum(each.ask(TIMES)[0][0] for each in places)
    return Counted(done, wrong, sum(len(each.parking.parcels) for each in places), delivery.repeated, seconds)


def _prepare(places: Sites, rows: int) -> None:
    """The same rows everywhere, taken in, and a ledger in each region that is not."""
    for each in places:
        each.dataset = replace(each.dataset, attributes=COUNTER)
        each.write(*TABLES.format(rows=rows).split(";"))
    places.install()


def _write(places: Sites, updates: int, rows: int, meanwhile: Callable[[], object]) -> None:
    """A client in each region, and replication all the while; raises CalledProcessError where one fails."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "update.sql"
        script.write_text(SCRIPT.format(rows=rows), encoding="utf-8")
        options = ["-n", "-M", "prepared", "-c", "1", "-t", str(updates), "-f", str(script)]
        running = [
            subprocess.Popen([PGBENCH, *options, each.address], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for each in places
        ]
        try:
            while any(each.poll() is None for each in running):
                meanwhile()
        finally:
            for each in running:
                each.terminate()
            told = [each.communicate()[1] for each in running]
    for each, said in zip(running, told, strict=True):
        if each.returncode:
            raise subprocess.CalledProcessError(each.returncode, "pgbench", stderr=said)


def _third(updates: int, part: int) -> int:
    return updates * (part + 1) // 3 - updates * part // 3


def _sums(ledgers: Sequence[list[tuple[int, int]]]) -> dict[int, int]:
    return {row: sum(dict(ledger)[row] for ledger in ledgers) for row, _ in ledgers[0]}


def main(
    updates: Annotated[int, typer.Option(help="Updates in each region.")] = 30_000,
    rows: Annotated[int, typer.Option(help="Rows that all regions share.")] = 50,
) -> None:
    """Add to the same numbers in three SQL databases at once; exit status 1 where a number is not exact."""
    console, progress = Console(), Console(stderr=True, highlight=False)
    with ExitStack() as stack:
        servers = [stack.enter_context(postgresql(version)) for version in VERSIONS]
        places = stack.enter_context(sites(servers))
        progress.print(f"{updates:,} updates in each of {len(places.all)} regions, on {rows} rows …")
        found = count(places, updates, rows)
    table = Table("region", "numbers that are not exact", title=f"{found.updates:,} updates committed")
    for region, wrong in found.wrong.items():
        table.add_row(region, str(wrong))
    console.print(table)
    console.print(
        f"{found.parked} parked; {found.repeated} messages delivered twice; written in {found.seconds[0]:.0f} s, "
        f"equal {found.seconds[1]:.0f} s later"
    )
    raise typer.Exit(0 if found.sound else 1)


if __name__ == "__main__":
    typer.run(main)
