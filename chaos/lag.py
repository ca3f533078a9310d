"""Lag of links, seen from outside: from the acknowledgement of a probe in one region until another region shows it."""

import statistics
import threading
import time
from collections.abc import Sequence
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
    """Milliseconds; unseen: probes that did not arrive in time, which count as slower than all others."""

    samples: int
    p50: float
    p99: float
    unseen: int


def summary(found: Sequence[float]) -> Lag:
    """Of lags in seconds, infinite for what was never seen."""
    seen = sorted(found)
    cuts = statistics.quantiles(seen, n=100, method="inclusive") if len(seen) > 1 else [float("inf")] * 99
    return Lag(len(seen), 1000 * cuts[49], 1000 * cuts[98], sum(each == float("inf") for each in seen))


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
        return summary(self.found)

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
