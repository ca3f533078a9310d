"""Replication lag at a steady rate of writes, of two chains in turn."""

import statistics
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.chains import KEYS, Chain
from benchmarks.stage import Stage, rest

RATE = 20.0
"""Writes a second."""
SECONDS = 12.0
"""Of one phase; only one chain has work meanwhile, since the emulator polls all mappings in one thread."""
ROUNDS = 2
ROWS = 80
"""Rows that are written again and again."""
POLL = 0.01
PATIENCE = 20.0


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
    """Both chains in turn; the ratio is of the medians."""
    chains = (on.distributary, on.bare)
    lags: dict[str, list[float]] = {chain.name: [] for chain in chains}
    phases: list[dict[str, Any]] = []
    numbers = 0
    for chain in chains:
        _phase(chain, 0, 2.0)
    for _ in range(ROUNDS):
        for chain in chains:
            rest(on.world)
            numbers += 10_000
            found = _phase(chain, numbers, SECONDS)
            lags[chain.name] += found
            phases.append({"chain": chain.name, **asdict(_summary(found))})
    totals = {name: _summary(found) for name, found in lags.items()}
    return {
        "writes_per_second": RATE,
        "milliseconds": {name: asdict(total) for name, total in totals.items()},
        "phases": phases,
        "p50_ratio": totals["distributary"].p50 / totals["bare"].p50,
        "p99_ratio": totals["distributary"].p99 / totals["bare"].p99,
    }


def _summary(found: list[float]) -> Lag:
    seen = sorted(each for each in found if each >= 0)
    cuts = statistics.quantiles(seen, n=100, method="inclusive")
    return Lag(len(seen), cuts[49], cuts[89], cuts[98], seen[-1], len(found) - len(seen))


def _phase(chain: Chain, first: int, seconds: float) -> list[float]:
    """The lag of each write of a phase; -1 for one that was never seen."""
    under = _Under()
    writer = threading.Thread(target=_write, args=(chain, first, seconds, under))
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


def _write(chain: Chain, first: int, seconds: float, under: _Under) -> None:
    began = time.monotonic()
    try:
        for turn in range(int(seconds * RATE)):
            time.sleep(max(0.0, began + turn / RATE - time.monotonic()))
            row = f"lag-{turn % ROWS}"
            chain.put(row, first + turn)
            with under.lock:
                under.writes[first + turn] = (row, time.monotonic())
    finally:
        under.ended.set()


def _seen(chain: Chain, waiting: dict[int, tuple[str, float]], under: _Under) -> list[float]:
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
