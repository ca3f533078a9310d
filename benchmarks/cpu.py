"""CPU time per record in capture and in apply, over the real adapters, beside a function of one PutItem a record."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.chains import Chain
from benchmarks.stage import DATASET, Stage, rest
from distributary import settings
from distributary.domain.change import Change
from distributary.domain.message import pack
from distributary.domain.version import Context, Version
from local.clients import client
from local.world import PROJECT

TABLE, TOMBSTONES, INBOX = "benchmark-cpu", "benchmark-cpu-tombstones", "benchmark-cpu-inbox"
CALLS = {1: 20, 10: 8, 100: 4, 1000: 2}
"""Records of a call, and how often it is made; the medians count."""
WARM_UP = 3
SECONDS = 90
_FOLDERS = {
    "capture": PROJECT / "functions" / "capture_dynamodb",
    "apply": PROJECT / "functions" / "apply",
    "one PutItem a record": Path(__file__).parent / "baselines" / "put",
}


@dataclass(frozen=True)
class _Bench:
    """A table of its own without functions, and events for it."""

    stage: Stage
    chain: Chain
    numbers: Iterator[int]

    def events(self, function: str, records: int, calls: int) -> list[dict[str, Any]]:
        """Events about rows that no other event is about."""
        make = {"capture": self._stream, "apply": self._inbox}.get(function, self._images)
        return [make([next(self.numbers) for _ in range(records)]) for _ in range(calls)]

    def _stream(self, numbers: list[int]) -> dict[str, Any]:
        for start in range(0, len(numbers), 25):
            self.chain.put_many([(f"row-{number}", number) for number in numbers[start : start + 25]])
        return {"Records": [self._record(number) for number in numbers]}

    def _record(self, number: int) -> dict[str, Any]:
        item = self.chain.item(f"row-{number}", number)
        body: dict[str, Any] = {"Keys": {"pk": item["pk"]}, "NewImage": item, "SequenceNumber": str(10**24 + number)}
        body |= {"ApproximateCreationDateTime": int(time.time()), "StreamViewType": "NEW_AND_OLD_IMAGES"}
        return {"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": body}

    def _inbox(self, numbers: list[int]) -> dict[str, Any]:
        dataset = settings.load(PROJECT / "replication.toml").dataset(DATASET)
        assert dataset is not None
        home, now = self.chain.peers[0], time.time_ns() // 1000
        changes = []
        for number in numbers:
            version = Version(now, number, home)
            item = self.chain.item(f"row-{number}", number)
            seen = Context().including(version)
            changes.append(Change(DATASET, TABLE, {"pk": item["pk"]}, item, version, seen, home, str(number), now))
        return {"Records": [_message(body) for body in pack(dataset, home, changes)]}

    def _images(self, numbers: list[int]) -> dict[str, Any]:
        return {"Records": [_message(json.dumps(self.chain.item(f"row-{number}", number))) for number in numbers]}


def measure(on: Stage) -> dict[str, Any]:
    """Microseconds of this machine a record, by function and records of a call; and where they go."""
    with _tables(on):
        chain = Chain("cpu", on.world, TABLE, "pk", on.naive.source, on.naive.peers)
        bench = _Bench(on, chain, count())
        found = {function: _run(bench, function) for function in _FOLDERS}
    reference = found["one PutItem a record"]["microseconds"]
    ratios = {
        function: {records: spent / reference[records] for records, spent in each["microseconds"].items()}
        for function, each in found.items()
    }
    return {"functions": found, "ratio_to_put_item": ratios}


def _run(bench: _Bench, function: str) -> dict[str, Any]:
    plan = [1] * WARM_UP + [records for records, calls in CALLS.items() for _ in range(calls)]
    events = [event for records in plan for event in bench.events(function, records, 1)]
    profiled = {str(records): bench.events(function, records, 1)[0] for records in (1, 1000)}
    rest(bench.stage.world, seconds=10)
    job = {"folder": str(_FOLDERS[function]), "events": events, "profiled": profiled}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.probe"],
        input=json.dumps(job) + "\n",
        env=_environment(bench.stage),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"measuring {function} failed:\n{done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    spent: dict[str, list[float]] = {str(records): [] for records in CALLS}
    for records, seconds in list(zip(plan, answer["seconds"], strict=True))[WARM_UP:]:
        spent[str(records)].append(1e6 * seconds / records)
    medians = {records: statistics.median(each) for records, each in spent.items()}
    return {"microseconds": medians, "profiles": answer["profiles"]}


def _environment(on: Stage) -> dict[str, str]:
    source = on.naive.source
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join((str(PROJECT), str(PROJECT / "layers" / "distributary"))),
        "AWS_ACCESS_KEY_ID": on.world.access_key_id,
        "AWS_SECRET_ACCESS_KEY": on.world.secret_access_key,
        "AWS_REGION": source,
        "AWS_DEFAULT_REGION": source,
        "AWS_ENDPOINT_URL": on.world.endpoint,
        "REPLICATION_FILE": str(PROJECT / "replication.toml"),
        "DATASET": DATASET,
        "ACCOUNT_ID": on.world.account,
        "TABLE_NAME": TABLE,
        "TOMBSTONES_TABLE": TOMBSTONES,
        "INBOX_NAME": INBOX,
        **dict.fromkeys(("INBOX_URL", "OUTBOX_URL", "PARKED_URL"), f"{on.world.endpoint}/{on.world.account}/{INBOX}"),
        "POWERTOOLS_METRICS_NAMESPACE": "Distributary",
        "POWERTOOLS_SERVICE_NAME": "distributary",
    }


def _message(body: str) -> dict[str, Any]:
    now = str(time.time_ns() // 1_000_000)
    attributes = {"ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": now}
    return {"messageId": "m", "receiptHandle": "r", "body": body, "attributes": attributes}


@contextmanager
def _tables(on: Stage) -> Iterator[None]:
    """A table and its tombstones in the source region, and an inbox in every region, for as long as this lasts."""
    database = client(on.world, "dynamodb", on.naive.source)
    keys = {TABLE: "pk", TOMBSTONES: "row"}
    urls: dict[str, str] = {}
    try:
        for table, key in keys.items():
            database.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            )
        for region in on.world.tables:
            urls[region] = client(on.world, "sqs", region).create_queue(QueueName=INBOX)["QueueUrl"]
        yield
    finally:
        for table in keys:
            database.delete_table(TableName=table)
        for region, url in urls.items():
            client(on.world, "sqs", region).delete_queue(QueueUrl=url)
