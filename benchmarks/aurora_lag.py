"""Lag of Aurora: from a commit in one of three deployed regions until another one shows it."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import lag
from local import world
from local.commands import bring_up, take_down
from local.world import PROJECT, World

DATASET = "shop"
REPLICATION = Path(__file__).parent / "baselines" / "shop.toml"
TABLE = "CREATE TABLE lag (id text PRIMARY KEY, number bigint NOT NULL, note text NOT NULL)"
WRITE = """INSERT INTO lag VALUES (%s, %s, 'Leave the parcel with the neighbours.')
    ON CONFLICT (id) DO UPDATE SET number = excluded.number"""
FIRST = 1_000_000
"""Above the numbers of all writes before."""


@dataclass(frozen=True)
class Database:
    """What carries rows of a table of SQL from one region into others; see `lag.Watched`."""

    peers: tuple[str, ...]
    source: psycopg.Connection[Any]
    target: psycopg.Connection[Any]

    def put(self, row: str, number: int) -> None:
        """Commit one row in the source region."""
        self.source.execute(WRITE, (row, number))

    def numbers(self, region: str, rows: Sequence[str]) -> Mapping[str, int]:
        """The numbers that rows have in the first of the peers."""
        del region
        return dict(self.target.execute("SELECT id, number FROM lag WHERE id = ANY(%s)", (list(rows),)).fetchall())


def measure() -> dict[str, Any]:
    """Lags at each rate of writes, in a local world of their own."""
    with world.exclusive():
        running = bring_up(REPLICATION)
        try:
            return _measured(running)
        finally:
            take_down(running)
            world.forget()


def _measured(running: World) -> dict[str, Any]:
    with ExitStack() as stack:
        regions = {
            region: stack.enter_context(psycopg.connect(each[DATASET], autocommit=True))
            for region, each in running.aurora.items()
        }
        for connection in regions.values():
            connection.execute(TABLE)
        install = [sys.executable, "-m", "cli", "aurora", "install", "--replication", str(REPLICATION)]
        subprocess.run(install, cwd=PROJECT, check=True, capture_output=True)
        source, *peers = regions
        database = Database(tuple(peers), regions[source], regions[peers[0]])
        lag.observed(database, 0, 20.0, 3.0)
        found = {
            f"{rate:.0f}": asdict(lag.summary(lag.observed(database, FIRST * turn, rate, seconds)))
            for turn, (rate, seconds) in enumerate(lag.RATES.items(), start=1)
        }
    return {"writes_per_second": found}
