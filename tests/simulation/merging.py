"""Replicas whose policies merge what regions wrote without sight of each other, and the applications that try them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distributary.domain.dataset import Dataset
from distributary.domain.image import Image, content_of, digest_of
from distributary.domain.policies import AttributePolicy, AttributeRule, Policy
from tests.simulation.choices import Choices
from tests.simulation.setting import Setting, Writing
from tests.simulation.streams import StreamRegion, StreamWorld
from tests.simulation.writers import KEYS, Operation, Writers

NUMBER, TAGS, BEST, LEAST, LONGEST = "n", "s", "m", "l", "c"
RULES = {
    NUMBER: AttributeRule(AttributePolicy.COUNTER),
    TAGS: AttributeRule(AttributePolicy.ADD_WINS_SET),
    BEST: AttributeRule(AttributePolicy.MAX),
    LEAST: AttributeRule(AttributePolicy.MIN),
    LONGEST: AttributeRule(AttributePolicy.CUSTOM, "users:longest"),
}


def longest(one: Any, other: Any) -> Any:
    """A policy of a user's: the longer text, of two as long the later in the alphabet."""
    return max(one, other, key=lambda value: (len(str(value)), str(value)))


def drawn_policies(choices: Choices) -> tuple[Policy, Mapping[str, AttributeRule]]:
    """A policy for the row, and rules for some of its attributes."""
    base = choices.pick(tuple(Policy))
    return base, {name: rule for name, rule in RULES.items() if choices.chance(0.6)} or RULES


class MergingWorld(StreamWorld):
    """The world of such replicas: any policy for the row, and for each of some attributes one of its own, or none."""

    def __init__(self, choices: Choices, setting: Setting, tell: Callable[[str], None] | None = None) -> None:
        self.base, self.own = drawn_policies(choices)
        self.counting = self.draws_counting(choices, setting)
        super().__init__(choices, setting, tell)
        self.note(lambda: f"policies: {self.base.value}, {sorted(self.own)}")

    def draws_counting(self, choices: Choices, setting: Setting) -> bool:
        """Whether nothing is deleted, removed or given another type, so that it is known what numbers come to."""
        del choices
        return setting.writing is Writing.COUNTING

    def described(self, dataset: Dataset) -> Dataset:
        """See `World`."""
        priority = tuple(reversed(dataset.regions)) if self.base is Policy.REGION_PRIORITY else ()
        return replace(
            dataset, conflict=self.base, priority=priority, attributes=self.own, functions={"users:longest": longest}
        )

    def applications(self) -> Writers:
        """See `World`."""
        return MergingWriters(self)


class MergingWriters(Writers):
    """Applications that add to numbers, put into sets and take out of them, beside all that others do."""

    world: MergingWorld

    def __init__(self, world: MergingWorld) -> None:
        super().__init__(world)
        self.keys = KEYS[: world.setting.rows]

    def write(self, region: StreamRegion) -> None:
        """Make one write in a region."""
        key = self.choices.pick(self.keys)
        stamping = self.choices.chance(0.2)
        unmodified = COUNTING if self.world.counting else MERGING
        self.perform(self.choices.pick(STAMPED if stamping else unmodified), region, key, stamping=stamping)

    def restate(self, region: StreamRegion) -> None:
        """See `Writers`: on top of a deletion, so that nothing counts that was merged into a row unseen."""
        renew: Any = MergingWriters._renew
        for key in self.keys:
            there = region.table.get(key) is not None
            self.perform(renew if there else Writers._put, region, key)
            if not there:
                self.perform(Writers._delete, region, key)

    def _renew(self, region: StreamRegion, key: Image) -> None:
        """The row as it is, deleted and put again, with or without what replication keeps in it."""
        row = region.table.get(key) or key
        region.table.write(key, None)
        content = row if self.choices.chance(0.3) else content_of(row)
        region.table.write(key, {**content, "a": self._value()})

    def _add(self, region: StreamRegion, key: Image) -> None:
        """ADD of a number, as DynamoDB does it: to nothing as to 0."""
        row = region.table.get(key) or key
        number = int(row.get(NUMBER, {}).get("N", "0")) + self.choices.pick((1, 1, 5, -2))
        region.table.write(key, {**row, NUMBER: {"N": str(number)}})

    def _set(self, region: StreamRegion, key: Image) -> None:
        """SET of the number and of the others."""
        row = region.table.get(key) or key
        value = len(self.log) % 7
        texts = {LONGEST: {"S": "x" * value}, BEST: {"N": str(value)}, LEAST: {"N": str(value)}}
        name = self.choices.pick((BEST, LEAST, LONGEST))
        region.table.write(key, {**row, NUMBER: {"N": str(value)}, name: texts[name]})

    def _tag(self, region: StreamRegion, key: Image) -> None:
        """ADD of an element to the set."""
        row = region.table.get(key) or key
        tags = {*row.get(TAGS, {}).get("SS", []), self.choices.pick("pqr")}
        region.table.write(key, {**row, TAGS: {"SS": sorted(tags)}})

    def _untag(self, region: StreamRegion, key: Image) -> None:
        """DELETE of an element from the set, which is gone with its last."""
        row = region.table.get(key)
        if row is not None and TAGS in row:
            tags = {*row[TAGS].get("SS", [])} - {self.choices.pick("pqr")}
            rest = {name: value for name, value in row.items() if name != TAGS}
            region.table.write(key, {**rest, **({TAGS: {"SS": sorted(tags)}} if tags else {})})

    def _put_all(self, region: StreamRegion, key: Image) -> None:
        """A put of the row without what replication keeps in it, with another number and text."""
        row = region.table.get(key) or key
        kept = {name: value for name, value in row.items() if name in (TAGS, BEST, LEAST, LONGEST)}
        region.table.write(key, {**key, **kept, NUMBER: {"N": str(len(self.log) % 5)}, "a": self._value()})

    def _forget(self, region: StreamRegion, key: Image) -> None:
        """REMOVE of an attribute with a policy."""
        row = region.table.get(key)
        if row is not None:
            name = self.choices.pick((NUMBER, BEST, LONGEST))
            region.table.write(key, {n: value for n, value in row.items() if n != name})

    def _retype(self, region: StreamRegion, key: Image) -> None:
        """A value that the policy cannot mean."""
        row = region.table.get(key) or key
        region.table.write(key, {**row, self.choices.pick((NUMBER, TAGS)): {"S": "neither"}})

    def _save_all(self, region: StreamRegion, key: Image) -> None:
        """A stamping writer's put of what it has read, with another number."""
        row = region.table.get(key) or key
        content = {name: value for name, value in row.items() if not name.startswith("replication_")}
        content = {**content, NUMBER: {"N": str(len(self.log) % 5)}}
        self._stamping(region, key, content, digest_of(content), blind=self.choices.chance(0.3))


_W, _M = Writers, MergingWriters
_PLAIN: tuple[Operation, ...] = (_W._refrain, _W._update, _W._update, _W._stale_copy, _W._foreign_copy)
_OWN: tuple[Any, ...] = (_M._add, _M._add, _M._add, _M._set, _M._tag, _M._tag, _M._untag, _M._put_all)
COUNTING: Sequence[Any] = (*_PLAIN, *_OWN)
MERGING: Sequence[Any] = (
    *_PLAIN,
    *_OWN,
    _M._forget,
    _M._retype,
    _W._put,
    _W._delete,
    _W._delete,
    _W._expire,
    _W._insert_if_absent,
)
STAMPED: Sequence[Any] = (_W._refrain, _M._save_all, _W._stamped_update)
