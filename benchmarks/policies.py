"""What each policy costs beside last-writer-wins: writes and reads a change, CPU, and bytes of state in a row.

The production services over in-memory twins, so that nothing but our own code and the numbers of requests is measured.
"""

import random
import time
from collections import Counter
from typing import Any

from distributary.adapters.memory.queues import MemoryInboxes, MemoryOutbox, MemoryParking, MemoryQueue
from distributary.adapters.memory.replica import MemoryReplica, MemoryTable
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.delivery import Arrival
from distributary.domain.image import Image
from distributary.domain.policies import AttributePolicy, AttributeRule, Policy
from distributary.services.apply import Apply
from distributary.services.capture import Capture
from distributary.services.deciding import merging, settling

REGIONS = (2, 3, 5, 10)
ROWS, ROUNDS = 10, 5
COMPARED, REPEATS = 3, 7
"""Of so many regions the CPU is shown, the least of so many runs in turn: what disturbs a run only adds to it."""
NUMBER, TAGS = "number", "tags"
POLICIES: dict[str, dict[str, Any]] = {
    "last_writer_wins": {},
    "first_writer_wins": {"conflict": Policy.FIRST_WRITER_WINS},
    "region_priority": {"conflict": Policy.REGION_PRIORITY},
    "attribute_merge": {"conflict": Policy.ATTRIBUTE_MERGE},
    "counter": {"attributes": {NUMBER: AttributeRule(AttributePolicy.COUNTER)}},
    "add_wins_set": {"attributes": {TAGS: AttributeRule(AttributePolicy.ADD_WINS_SET)}},
    "max": {"attributes": {NUMBER: AttributeRule(AttributePolicy.MAX)}},
}


class _Region:
    """One replica in memory. accesses: how often each kind of request was made for one row."""

    def __init__(self, name: str, dataset: Dataset, queues: dict[str, MemoryQueue], accesses: Counter[str]) -> None:
        self.now, self.serial, self.taken = 1_750_000_000_000_000, 0, 0
        self.name, self.inbox = name, queues[name]
        self.table = MemoryTable(lambda: self.now)
        replica = MemoryReplica(self.table, pause=lambda access: accesses.update([access]))
        parking, outbox = MemoryParking(), MemoryOutbox(MemoryQueue(lambda: self.now))
        self.capture = Capture(
            dataset, "orders", name, replica, MemoryInboxes(queues), outbox, parking, lambda: self.now, self._unique,
            settling=settling(dataset),
        )  # fmt: skip
        self.apply = Apply(
            dataset, "orders", name, lambda _: replica, parking, self.inbox, lambda: self.now, self._unique,
            lambda _: None, decide=merging(dataset),
        )  # fmt: skip

    def _unique(self) -> str:
        self.serial += 1
        return f"unique{self.serial:06d}"

    def capture_all(self) -> int:
        """Capture what was written since; how many records of applications that were."""
        records = self.table.stream[self.taken :]
        self.taken += len(records)
        report = self.capture.run([Arrival(str(each.sequence), each, {}) for each in records], lambda: 60_000)
        return sum(count for origin, count in report.origins.items() if origin.local)

    def apply_all(self) -> None:
        """Apply all that is in the inbox."""
        while names := self.inbox.visible():
            messages = [self.inbox.receive(name) for name in names[:10]]
            self.apply.run(messages, lambda: 60_000)
            for message in messages:
                self.inbox.delete(message.id)


def measure() -> dict[str, Any]:
    """For each policy and number of regions: requests a change, CPU beside last-writer-wins, and bytes of state."""
    found = {name: {str(regions): _play(options, regions) for regions in REGIONS} for name, options in POLICIES.items()}
    least = {name: each[str(COMPARED)]["cpu"] for name, each in found.items()}
    for _ in range(REPEATS - 1):
        for name, options in POLICIES.items():
            least[name] = min(least[name], _play(options, COMPARED)["cpu"])
    for name, each in found.items():
        each[str(COMPARED)]["cpu_ratio"] = least[name] / least["last_writer_wins"]
    return {"regions": list(REGIONS), "policies": found}


def _play(options: dict[str, Any], regions: int) -> dict[str, float]:
    names = [f"region-{number}" for number in range(regions)]
    priority = tuple(names) if options.get("conflict") is Policy.REGION_PRIORITY else ()
    sites = tuple(map(ReplicaSite, names))
    dataset = Dataset("orders", Engine.DYNAMODB, sites, priority=priority, **options)
    queues = {name: MemoryQueue(lambda: 0) for name in names}
    accesses: Counter[str] = Counter()
    replicas = [_Region(name, dataset, queues, accesses) for name in names]
    dice, changes, spent = random.Random(7), 0, 0.0
    for turn in range(ROUNDS):
        for replica in replicas:
            replica.now += 1_000_000
            for row in range(ROWS):
                _write(replica.table, {"pk": {"S": f"row-{row}"}}, dice, turn)
        began = time.process_time()
        changes += sum(replica.capture_all() for replica in replicas)
        for replica in replicas:
            replica.apply_all()
        for replica in replicas:
            replica.capture_all()
        spent += time.process_time() - began
    images = [image for replica in replicas for image in replica.table.rows.values()]
    return {
        "row_writes": accesses["written"] / changes,
        "tombstone_writes": accesses["remembered"] / changes,
        "row_reads": accesses["look"] / 2 / changes,
        "cpu": spent / changes * 1e6,
        "stamp_bytes": sum(len(image["replication_stamp"]["S"]) for image in images) / len(images),
        "state_bytes": sum(_size(image.get("replication_state")) for image in images) / len(images),
    }


def _write(table: MemoryTable, key: Image, dice: random.Random, turn: int) -> None:
    """An application adds to a number, puts into a set and changes a text, as UpdateItem does."""
    row = table.get(key) or key
    number = int(row.get(NUMBER, {"N": "0"})["N"]) + dice.choice((1, 2, 5))
    tags = sorted({*row.get(TAGS, {"SS": []})["SS"], dice.choice("abcdefgh")})
    text = {"S": f"text {turn} {dice.random()}"}
    table.write(key, {**row, NUMBER: {"N": str(number)}, TAGS: {"SS": tags}, "text": text})


def _size(value: Any) -> int:
    """As DynamoDB counts an item's size: names and texts, and 3 bytes and one an element for each map and list."""
    if value is None:
        return 0
    ((kind, inner),) = value.items()
    if kind == "M":
        return 3 + sum(len(name) + 1 + _size(each) for name, each in inner.items())
    return 3 + sum(1 + _size(each) for each in inner) if kind == "L" else len(inner)
