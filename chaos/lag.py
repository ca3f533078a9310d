"""Lag of links, seen from outside: from the acknowledgement of a probe in one region until another region shows it."""

import random
import statistics
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from chaos.faults import Link
from chaos.writers import Unmodified
from local.clients import client
from local.world import World

RATE = 2.0
"""Probes a second on each link, each a row of its own; few, since busy cores would show their queue, not the fault."""
POLL_SECONDS = 0.025
PATIENCE = 60.0
KEYS = 20


@dataclass(frozen=True)
class Lag:
    """What the probes took, in seconds; those that did not arrive in time took infinitely long."""

    found: tuple[float, ...]

    @property
    def p50(self) -> float:
        """The median, in milliseconds."""
        return self._cut(50)

    @property
    def p99(self) -> float:
        """What 99 of 100 did not take longer than, in milliseconds."""
        return self._cut(99)

    def _cut(self, percent: int) -> float:
        if len(self.found) < 2:
            return float("inf")
        return 1000 * statistics.quantiles(sorted(self.found), n=100, method="inclusive")[percent - 1]


def together(some: Iterable[Lag]) -> Lag:
    """The probes of several measurements as one."""
    return Lag(tuple(each for lag in some for each in lag.found))


def p99_ratio(during: Lag, without: Lag) -> float:
    """One p99 as a multiple of another."""
    return during.p99 / without.p99


def uncertainty(during: Lag, without: Lag, drawn: int = 1000) -> tuple[float, float]:
    """Between which that ratio lies with 95 %: both are drawn anew (Efron, "Bootstrap Methods", 1979)."""
    dice = random.Random(0)

    def again(lag: Lag) -> Lag:
        return Lag(tuple(dice.choices(lag.found, k=len(lag.found))))

    ratios = statistics.quantiles([p99_ratio(again(during), again(without)) for _ in range(drawn)], n=40)
    return ratios[0], ratios[-1]


@dataclass
class Prober:
    """Probes some links for a while. writer: how each source region writes its probes."""

    world: World
    prefix: str
    writers: dict[str, Unmodified]
    found: list[float] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: "count[int]" = field(default_factory=count)

    def measure(self, links: Sequence[Link], seconds: float) -> Lag:
        """Probe all links at once; returns when every probe has arrived, or has had its time."""
        self.found = []
        errors: list[BaseException] = []
        threads = [threading.Thread(target=self._guarded, args=(link, seconds, errors), daemon=True) for link in links]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:
            # Ctrl-C: the emulator is about to be stopped under the probes.
            self._ended.set()
            raise
        if errors:
            raise errors[0]
        return Lag(tuple(self.found))

    def _guarded(self, link: Link, seconds: float, errors: list[BaseException]) -> None:
        try:
            self._probe(link, seconds)
        except BaseException as error:  # noqa: BLE001 - handed to whoever measures
            errors.append(error)

    def _probe(self, link: Link, seconds: float) -> None:
        source, target = link
        waiting: dict[str, float] = {}
        began = time.monotonic()
        written = threading.Event()
        writer = threading.Thread(target=self._write, args=(source, began, seconds, waiting, written), daemon=True)
        writer.start()
        while (
            not (self._ended.is_set() or (written.is_set() and not waiting))
            and time.monotonic() < began + seconds + PATIENCE
        ):
            for row in self._arrived(target, list(waiting)[:KEYS]):
                lag = time.monotonic() - waiting.pop(row)
                with self._lock:
                    self.found.append(lag)
            time.sleep(POLL_SECONDS)
        writer.join()
        with self._lock:
            self.found += [float("inf")] * len(waiting)

    def _write(
        self, source: str, began: float, seconds: float, waiting: dict[str, float], written: threading.Event
    ) -> None:
        try:
            for turn in range(int(seconds * RATE)):
                if self._ended.wait(max(0.0, began + turn / RATE - time.monotonic())):
                    return
                row = f"{self.prefix}-probe-{source}-{next(self._numbers)}"
                writer = self.writers[source]
                with writer.history.locks[source]:
                    writer.put(row, turn)
                waiting[row] = time.monotonic()
        finally:
            written.set()

    def _arrived(self, target: str, rows: list[str]) -> list[str]:
        if not rows:
            return []
        table = self.world.tables[target]["orders"]
        keys = [{"pk": {"S": row}} for row in rows]
        answer = client(self.world, "dynamodb", target).batch_get_item(
            RequestItems={table: {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "pk"}}
        )
        return [item["pk"]["S"] for item in answer["Responses"].get(table, [])]
