"""What the demonstration shows of replication: facts from the functions' logs, and lag seen from outside."""

import json
import statistics
import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from local.clients import client
from local.world import World

Link = tuple[str, str]
"""From one region to another."""

PROBE = "probe-"
RECENT = 20


@dataclass
class Observer:
    """Watches from its own threads. Changes and conflicts come from the log lines of apply, lag from probe rows."""

    world: World
    dataset: str
    key: str
    changes: Counter[Link] = field(default_factory=Counter)
    conflicts: Counter[Link] = field(default_factory=Counter)
    lags: defaultdict[Link, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=RECENT)))
    missing: set[Link] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Begin to watch."""
        for work in (self._read_logs, *(lambda r=region: self._probe(r) for region in self.world.tables)):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the watching; raises what a watcher met, if one did."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def lag(self, link: Link) -> float | None:
        """The median of the last probes, in seconds."""
        recent = list(self.lags[link])
        return statistics.median(recent) if recent else None

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever stops the observer
            self._errors.append(error)

    def _read_logs(self) -> None:
        group = f"/aws/lambda/distributary-{self.dataset}-apply"
        seen: dict[str, set[str]] = defaultdict(set)
        began = int(time.time() * 1000) - 1000
        while True:
            ending = self._stop.is_set()
            for region in self.world.tables:
                logs = client(self.world, "logs", region)
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=began)
                for event in (event for page in pages for event in page["events"]):
                    name = f"{event['timestamp']} {event['logStreamName']} {event['message']}"
                    if name not in seen[region]:
                        seen[region].add(name)
                        self._count(region, event["message"])
            if ending:
                return
            self._stop.wait(1)

    def _count(self, region: str, line: str) -> None:
        if not line.startswith("{") or '"applied"' not in line:
            return
        facts = json.loads(line)
        for home, count in facts["homes"].items():
            self.changes[(home, region)] += count
        for home, count in facts["conflicts"].items():
            self.conflicts[(home, region)] += count

    def _probe(self, home: str) -> None:
        """Put a row in its home region, again and again, and see when the others have it."""
        row = {self.key: {"S": f"{PROBE}{home}"}}
        for number in range(1_000_000):
            if self._stop.wait(1.5):
                return
            value = {"N": str(number)}
            began = time.monotonic()
            client(self.world, "dynamodb", home).put_item(
                TableName=self.world.tables[home][self.dataset], Item={**row, "n": value}
            )
            waiting = {region for region in self.world.tables if region != home}
            while waiting and time.monotonic() - began < 5 and not self._stop.is_set():
                time.sleep(0.02)
                for region in list(waiting):
                    if self._has(region, row, value):
                        self.lags[(home, region)].append(time.monotonic() - began)
                        waiting.discard(region)
            self.missing = {link for link in self.missing if link[0] != home} | {(home, each) for each in waiting}

    def _has(self, region: str, row: Any, value: Any) -> bool:
        answer = client(self.world, "dynamodb", region).get_item(
            TableName=self.world.tables[region][self.dataset], Key=row, ConsistentRead=True
        )
        return bool(answer.get("Item", {}).get("n") == value)
