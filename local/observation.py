"""What the demonstration shows of replication: facts from the functions' logs, and lag seen from outside."""

import json
import statistics
import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg

from local.clients import client
from local.workload import TABLE
from local.world import World

Link = tuple[str, str]
"""From one region to another."""

PROBE = "probe-"
RECENT = 20
OVERLAP = 20_000
"""Milliseconds of the log that are read again, since the lines of a long call come late."""


class Probes(Protocol):
    """Rows of their own, one a region, written at home and looked for elsewhere; called from several threads."""

    def write(self, home: str, number: int) -> None:
        """Write the row of a region."""
        ...

    def seen(self, region: str, home: str, number: int) -> bool:
        """Whether a region has the row as it was written."""
        ...


@dataclass(frozen=True)
class ItemProbes:
    """In a DynamoDB table whose key is one string."""

    world: World
    dataset: str
    key: str

    def write(self, home: str, number: int) -> None:
        """See `Probes`."""
        item = {self.key: {"S": f"{PROBE}{home}"}, "n": {"N": str(number)}}
        client(self.world, "dynamodb", home).put_item(TableName=self.world.tables[home][self.dataset], Item=item)

    def seen(self, region: str, home: str, number: int) -> bool:
        """See `Probes`."""
        key, table = {self.key: {"S": f"{PROBE}{home}"}}, self.world.tables[region][self.dataset]
        answer = client(self.world, "dynamodb", region).get_item(TableName=table, Key=key, ConsistentRead=True)
        return bool(answer.get("Item", {}).get("n") == {"N": str(number)})


class RowProbes:
    """In the demonstration's table of an Aurora database."""

    def __init__(self, world: World, dataset: str) -> None:
        self._world, self._dataset = world, dataset
        self._connections = threading.local()

    def write(self, home: str, number: int) -> None:
        """See `Probes`."""
        sql = f"""INSERT INTO {TABLE} (id, region, amount) VALUES (%s, %s, %s)
            ON CONFLICT (id) DO UPDATE SET amount = excluded.amount"""  # noqa: S608
        self._connection(home).execute(sql, (f"{PROBE}{home}", home, number))

    def seen(self, region: str, home: str, number: int) -> bool:
        """See `Probes`."""
        sql = f"SELECT 1 FROM {TABLE} WHERE id = %s AND amount = %s"  # noqa: S608
        return self._connection(region).execute(sql, (f"{PROBE}{home}", number)).fetchone() is not None

    def _connection(self, region: str) -> "psycopg.Connection[Any]":
        known: dict[str, psycopg.Connection[Any]] = self._connections.__dict__
        if region not in known:
            known[region] = psycopg.connect(self._world.aurora[region][self._dataset], autocommit=True)
        return known[region]


@dataclass
class Observer:
    """Watches from its own threads. Changes and conflicts come from the log lines of apply, lag from probe rows."""

    world: World
    dataset: str
    probes: Probes
    changes: Counter[Link] = field(default_factory=Counter)
    conflicts: Counter[Link] = field(default_factory=Counter)
    lags: defaultdict[Link, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=RECENT)))
    missing: set[Link] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Begin to watch."""
        for work in (self._read_logs, *(lambda r=region: self._probe(r) for region in self.world.regions)):
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
        since = dict.fromkeys(self.world.regions, began)
        while True:
            ending = self._stop.is_set()
            for region in self.world.regions:
                logs = client(self.world, "logs", region)
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since[region])
                for event in (event for page in pages for event in page["events"]):
                    name = f"{event['timestamp']} {event['logStreamName']} {event['message']}"
                    since[region] = max(since[region], event["timestamp"] - OVERLAP)
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
        for number in range(1_000_000):
            if self._stop.wait(1.5):
                return
            began = time.monotonic()
            self.probes.write(home, number)
            waiting = {region for region in self.world.regions if region != home}
            while waiting and time.monotonic() - began < 5 and not self._stop.is_set():
                time.sleep(0.02)
                for region in list(waiting):
                    if self.probes.seen(region, home, number):
                        self.lags[(home, region)].append(time.monotonic() - began)
                        waiting.discard(region)
            self.missing = {link for link in self.missing if link[0] != home} | {(home, each) for each in waiting}
