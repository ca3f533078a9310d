"""A site whose database stamps every write itself: one replica of three in memory, with an application and a clock.

Its table's policies may need memory; then its triggers keep the rows' states.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from distributary.adapters.memory.stamped_replica import StampedReplica
from distributary.adapters.memory.stamped_table import StampedTable, Transaction
from distributary.domain.change import Change
from distributary.domain.conflict import Conflict
from distributary.domain.dataset import Dataset, Engine
from distributary.domain.errors import DistributaryError
from distributary.domain.image import Image, content_of, key_text
from distributary.domain.merge import Merged
from distributary.domain.place import Place
from distributary.domain.row import Row, Tombstone
from distributary.domain.state_texts import document_of_row
from distributary.domain.steps import Decision
from distributary.domain.version import NOTHING_SEEN, Version
from distributary.services.deciding import merging_stamped, settling_inserted, stamped_lattice
from distributary.services.rounds import run
from tests.unit.sites import HOME, NOW, ORDERS, SECOND

SHOP = Dataset("shop", Engine.AURORA, ORDERS.replicas)
TABLE = '"public"."orders"'
T = TypeVar("T")


def key(name: str = "a") -> Image:
    """The key of a row."""
    return {"id": {"S": name}}


def row(name: str = "a", **columns: Any) -> Image:
    """A row: every value as PostgreSQL writes it, None as NULL."""
    return {**key(name), **{column: {"NULL": True} if v is None else {"S": str(v)} for column, v in columns.items()}}


@dataclass
class StampedSite:
    """One replica. Each action of its application costs a second."""

    region: str = HOME
    now: int = NOW
    interruptions: dict[str, deque[Callable[[], object]]] = field(default_factory=lambda: defaultdict(deque))
    accesses: list[str] = field(default_factory=list)
    dataset: Dataset = SHOP
    recorded: list[Conflict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = StampedTable(self.region, self.clock, lattice=stamped_lattice(self.dataset, TABLE))
        self.replica = StampedReplica(self.table, pause=self._access)

    def clock(self) -> int:
        return self.now

    def interrupt(self, access: str, *actions: Callable[[], object]) -> None:
        """Do something else at the next accesses of that kind, one action each, just before it happens."""
        self.interruptions[access].extend(actions)

    def _access(self, access: str) -> None:
        self.accesses.append(access)
        if self.interruptions[access]:
            self.interruptions[access].popleft()()

    # --- the application, which knows nothing of stamps

    def put(self, name: str = "a", **columns: Any) -> None:
        self.now += SECOND
        self.table.put(key(name), row(name, **columns))

    def delete(self, name: str = "a") -> None:
        self.now += SECOND
        self.table.delete(key(name))

    def putting(self, name: str = "a", **columns: Any) -> Transaction:
        """A transaction that has put a row and is not committed."""
        self.now += SECOND
        transaction = self.table.begin()
        transaction.put(key(name), row(name, **columns))
        return transaction

    def update(self, name: str = "a", **columns: Any) -> None:
        self.now += SECOND
        transaction = self.table.begin()
        transaction.update(key(name), row(name, **columns))
        transaction.commit()

    def deleting(self, name: str = "a") -> Transaction:
        """A transaction that has deleted a row and is not committed."""
        self.now += SECOND
        transaction = self.table.begin()
        transaction.delete(key(name))
        return transaction

    # --- what it holds

    def present(self, name: str = "a") -> Row:
        image = self.table.get(key(name))
        assert image is not None, "the row is absent"
        return Row(image)

    def content(self, name: str = "a") -> Image | None:
        image = self.table.get(key(name))
        return content_of(image) if image is not None else None

    def tombstone(self, name: str = "a") -> Tombstone | None:
        return self.table.tombstones.get(key_text(key(name)))

    def state(self, name: str = "a") -> tuple[Image | None, Version | None]:
        """What converges: content and version."""
        image = self.table.get(key(name))
        return (content_of(image), Row(image).version) if image is not None else (None, None)

    # --- our decisions, one at a time

    def place(self) -> Place:
        return Place(SHOP.name, TABLE, self.region, self.now, SHOP.max_clock_drift, "")

    def merge(self, change: Change) -> Merged:
        return self._decide(change.key, merging_stamped(self.dataset)(change, self.place()))

    def settle_inserted(self, name: str = "a") -> bool:
        return self._decide(key(name), settling_inserted(self.dataset, TABLE)(key(name), self.place()))

    def settle_all(self) -> None:
        """Capture: look at every insert in the log, echoes included; it does no harm there."""
        for each in list(self.table.log):
            if each.inserted:
                self._decide(each.key, settling_inserted(self.dataset, TABLE)(each.key, self.place()))

    def changes(self) -> list[Change]:
        """What applications have committed here, as capture ships it."""
        return [
            Change(SHOP.name, TABLE, each.key, content_of(each.image) if each.image is not None else None,
                   each.stamp.version, each.stamp.context, self.region, str(at), self.now,
                   document_of_row(each.image or {}))
            for at, each in enumerate(self.table.log)
            if each.stamp.version.region == self.region and each.stamp.writer.value == "a"
        ]  # fmt: skip

    def _decide(self, name: Image, decision: Decision[T]) -> T:
        (result,) = run(self.replica, [(name, decision)], self.recorded.extend)
        if isinstance(result, DistributaryError):
            raise result
        return result


def put_of(name: str = "a", at: int = NOW, home: str = "eu-west-1", **columns: Any) -> Change:
    """A put of another region."""
    return _change(name, row(name, **columns), Version(at, 0, home))


def deletion_of(name: str = "a", at: int = NOW, home: str = "eu-west-1") -> Change:
    """A deletion of another region."""
    return _change(name, None, Version(at, 0, home))


def knowing(change: Change, *seen: Version) -> Change:
    """The change of a writer that had seen these versions."""
    context = change.context
    for version in seen:
        context = context.including(version)
    return replace(change, context=context)


def _change(name: str, image: Image | None, version: Version) -> Change:
    context = NOTHING_SEEN.including(version)
    return Change(SHOP.name, TABLE, key(name), image, version, context, version.region, "0/0 1", NOW)
