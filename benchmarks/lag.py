"""Replication lag at a steady rate of writes, of two chains in turn."""

import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Protocol

from benchmarks.chains import KEYS
from benchmarks.stage import Stage, rest

RATES = {20.0: 10.0, 4.0: 7.0}
"""Writes a second, and the seconds of one phase.

Only one chain has work meanwhile, since the emulator polls all mappings in one thread and waits there for each batch of
a stream. At the lower rate no write finds that thread busy with the one before.
"""
ROUNDS = 2
ROWS = 80
"""Rows that are written again and again."""
POLL = 0.01
PATIENCE = 20.0


class Watched(Protocol):
    """What carries rows from one region to its peers."""

    @property
    def peers(self) -> tuple[str, ...]:
        """The regions it carries rows to."""
        ...

    def put(self, row: str, number: int) -> None:
        """Write one row in the source region."""
        ...

    def numbers(self, region: str, rows: Sequence[str]) -> Mapping[str, int]:
        """The numbers that up to KEYS rows have in a region; absent rows are left out."""
        ...


@dataclass
class _Under:
    """Writes under way: number, row and time of the acknowledgement."""

    writes: dict[int, tuple[str, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Lag:
    """Milliseconds from the acknowledgement in one region until a consistent read in another shows the write."""

    samples: int
    p50: float
    p90: float
    p99: float
    maximum: float
    unseen: int


def measure(on: Stage) -> dict[str, Any]:
    """Both chains in turn, at each rate; the ratios are of the percentiles over all phases."""
    numbers = count(step=10_000)
    for chain in (on.distributary, on.bare):
        observed(chain, next(numbers), 20.0, 2.0)
    rates = {f"{rate:.0f}": _at(on, rate, seconds, numbers) for rate, seconds in RATES.items()}
    return {"writes_per_second": rates}


def _at(on: Stage, rate: float, seconds: float, numbers: Iterator[int]) -> dict[str, Any]:
    lags: dict[str, list[float]] = {chain.name: [] for chain in (on.distributary, on.bare)}
    phases: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        for chain in (on.distributary, on.bare):
            rest(on.world)
            found = observed(chain, next(numbers), rate, seconds)
            lags[chain.name] += found
            phases.append({"chain": chain.name, **asdict(summary(found))})
    ours, bare = (summary(each) for each in lags.values())
    return {
        "milliseconds": {on.distributary.name: asdict(ours), on.bare.name: asdict(bare)},
        "phases": phases,
        "p50_ratio": ours.p50 / bare.p50,
        "p99_ratio": ours.p99 / bare.p99,
    }


def summary(found: list[float]) -> Lag:
    """What lags of `observed` were like."""
    seen = sorted(each for each in found if each >= 0)
    cuts = statistics.quantiles(seen, n=100, method="inclusive")
    return Lag(len(seen), cuts[49], cuts[89], cuts[98], seen[-1], len(found) - len(seen))


def observed(chain: Watched, first: int, rate: float, seconds: float) -> list[float]:
    """The lag of each write of a phase, in milliseconds; -1 for one that was never seen.

    first: the number of the first, above those of all phases before. rate: writes a second.
    """
    under = _Under()
    writer = threading.Thread(target=_write, args=(chain, first, rate, seconds, under))
    writer.start()
    found: list[float] = []
    deadline = time.monotonic() + seconds + PATIENCE
    while time.monotonic() < deadline:
        began = time.monotonic()
        with under.lock:
            waiting = dict(under.writes)
        if not waiting and under.ended.is_set():
            break
        found += _seen(chain, waiting, under)
        time.sleep(max(0.0, POLL - (time.monotonic() - began)))
    writer.join()
    return found + [-1.0] * len(under.writes)


def _write(chain: Watched, first: int, rate: float, seconds: float, under: _Under) -> None:
    began = time.monotonic()
    try:
        for turn in range(int(seconds * rate)):
            time.sleep(max(0.0, began + turn / rate - time.monotonic()))
            row = f"lag-{turn % ROWS}"
            chain.put(row, first + turn)
            with under.lock:
                under.writes[first + turn] = (row, time.monotonic())
    finally:
        under.ended.set()


def _seen(chain: Watched, waiting: dict[int, tuple[str, float]], under: _Under) -> list[float]:
    rows = list({row for row, _ in waiting.values()})[:KEYS]
    if not rows:
        return []
    numbers = chain.numbers(chain.peers[0], rows)
    now = time.monotonic()
    arrived = {number: at for number, (row, at) in waiting.items() if numbers.get(row, -1) >= number}
    with under.lock:
        for number in arrived:
            del under.writes[number]
    return [1000 * (now - at) for at in arrived.values()]
