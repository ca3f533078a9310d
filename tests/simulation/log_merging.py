"""Stamping databases whose policies merge what regions wrote without sight of each other, and their applications."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from distributary.adapters.memory.stamped_table import Transaction
from distributary.domain.dataset import Dataset
from distributary.domain.image import Image, content_of
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Policy
from distributary.domain.state_texts import as_column
from tests.simulation.choices import Choices
from tests.simulation.logs import LogRegion, LogWorld
from tests.simulation.merging import longest
from tests.simulation.setting import Setting, Writing
from tests.simulation.transactions import Clients, Statement

NUMBER, TAGS, BEST, LEAST, LONGEST = "n", "s", "m", "l", "c"
RULES = {
    NUMBER: AttributeRule(AttributePolicy.COUNTER),
    TAGS: AttributeRule(AttributePolicy.ADD_WINS_SET),
    BEST: AttributeRule(AttributePolicy.MAX),
    LEAST: AttributeRule(AttributePolicy.MIN),
}
OWN_FUNCTION = {LONGEST: AttributeRule(AttributePolicy.CUSTOM, "users:longest", Handed.TEXT)}
LENGTHS = {"p": "333", "q": "1", "r": "22"}
"""What the function's column is given with a tag."""
FIRST: Image = {NUMBER: {"S": "5"}, TAGS: {"S": "{p}"}, BEST: {"S": "3"}, LEAST: {"S": "3"}, LONGEST: {"S": "1"}}
"""The columns of rows that are there before anything happens."""

PLAIN = ("a", "big")
"""Columns that never have a policy of their own."""


def drawn_rules(choices: Choices) -> tuple[Policy, Mapping[str, AttributeRule]]:
    """A policy for the rows, and rules for some of their columns; for the function's without a choice of its own."""
    base = choices.pick(tuple(Policy))
    own = {name: rule for name, rule in RULES.items() if choices.chance(0.6)} or RULES
    return base, {**own, **OWN_FUNCTION} if (TAGS in own) == (LEAST in own) else own


class LogMergingWorld(LogWorld):
    """Any policy for the rows, and for each of some columns one of its own, or none."""

    def __init__(self, choices: Choices, setting: Setting, tell: Callable[[str], None] | None = None) -> None:
        self.base, self.own = drawn_rules(choices)
        self.counting = self.draws_counting(choices, setting)
        self.from_plain = choices.chance(0.3)
        super().__init__(choices, setting, tell)
        self.note(lambda: f"policies: {self.base.value}, {sorted(self.own)}")
        self.note(lambda: f"rows from before them: {self.from_plain}; in bulk: {self.in_bulk}")

    def draws_bulk(self, choices: Choices, setting: Setting) -> bool:
        """See `LogWorld`."""
        del setting
        return choices.chance(0.5)

    def draws_counting(self, choices: Choices, setting: Setting) -> bool:
        """Whether nothing is deleted, set to NULL or given a meaning that its policy has not."""
        del choices
        return setting.writing is Writing.TRIGGERS_COUNTING

    def described(self, dataset: Dataset) -> Dataset:
        """See `World`."""
        priority = tuple(reversed(dataset.regions)) if self.base is Policy.REGION_PRIORITY else ()
        rules = {f"public.orders.{name}": rule for name, rule in self.own.items()}
        functions = {"users:longest": longest}
        return replace(dataset, conflict=self.base, priority=priority, attributes=rules, functions=functions)

    def applications(self) -> MergingClients:
        """See `World`. Rows that are there before anything happens may be from before the policies."""
        clients = super().applications()
        for region in self.regions:
            for row, image in region.table.rows.items():
                own = {} if self.from_plain else as_column({})
                region.table.rows[row] = {**image, **FIRST, **own}
        assert isinstance(clients, MergingClients)
        return clients

    def clients(self) -> Clients:
        """See `LogWorld`."""
        return MergingClients(self)


class MergingClients(Clients):
    """Applications that add to numbers, put into sets and take out of them, beside all that others do."""

    def __init__(self, world: LogMergingWorld) -> None:
        super().__init__(world)
        self.operations = COUNTING if world.counting else self.choices.pick((MERGING, MERGING, REBORN, RENAMED))

    def restate(self, region: LogRegion) -> None:
        """See `Clients`: on top of a deletion, so that nothing counts that was merged into a row unseen."""
        for key in self.keys:
            row = region.table.get(key)
            transaction = region.table.begin()
            if row is None:
                transaction.put(key, self._image(key))
                transaction.commit()
                region.table.delete(key)
                continue
            transaction.delete(key)
            if self.choices.chance(0.5):  # in one transaction or in two
                transaction.commit()
                transaction = region.table.begin()
            transaction.put(key, {**content_of(row), "a": self._value(), "big": self._value()})
            transaction.commit()

    def _image(self, key: Image) -> Image:
        """All columns of a row, with what has no policy of its own new."""
        return {**key, "a": self._value(), "big": self._value(), **FIRST}

    def _put(self, key: Image) -> Statement:
        """INSERT … ON CONFLICT DO UPDATE of all columns."""
        image = {**self._image(key), **self._others()}
        return lambda transaction: transaction.put(key, image)

    def _insert(self, key: Image) -> Statement:
        image = {**self._image(key), **self._others()}
        return lambda transaction: transaction.put(key, image, only_new=True)

    def _delete_and_insert(self, key: Image) -> Statement:
        image = self._image(key)

        def both(transaction: Transaction) -> None:
            transaction.delete(key)
            transaction.put(key, image)

        return both

    def _add(self, key: Image) -> Statement:
        """UPDATE … SET n = n + …."""
        by = self.choices.pick((1, 1, 5, -2))
        return lambda transaction: transaction.update(key, lambda row: _sum(row, by))

    def _set(self, key: Image) -> Statement:
        """UPDATE … SET of the columns with policies, whatever they are."""
        columns = self._others()
        return lambda transaction: transaction.update(key, columns)

    def _tag(self, key: Image) -> Statement:
        """UPDATE … SET s = array_append(s, …), c = …."""
        tag = self.choices.pick("pqr")
        length = {LONGEST: {"S": LENGTHS[tag]}}
        return lambda transaction: transaction.update(key, lambda row: {TAGS: _array(tags_of(row) | {tag}), **length})

    def _untag(self, key: Image) -> Statement:
        """UPDATE … SET s = array_remove(s, …)."""
        tag = self.choices.pick("pqr")
        return lambda transaction: transaction.update(key, lambda row: {TAGS: _array(tags_of(row) - {tag})})

    def _forget(self, key: Image) -> Statement:
        """UPDATE … SET … = NULL of a column with a policy."""
        name = self.choices.pick(tuple(RULES))
        also = {LONGEST: {"NULL": True}} if name in (TAGS, LEAST) else {}
        return lambda transaction: transaction.update(key, {name: {"NULL": True}, **also})

    def _mistype(self, key: Image) -> Statement:
        """A value that the policy cannot mean."""
        name, value = self.choices.pick(((NUMBER, "NaN"), (TAGS, "{NULL}")))
        return lambda transaction: transaction.update(key, {name: {"S": value}})

    def _others(self) -> Image:
        self._values += 1
        value = {"S": str(self._values % 7)}
        name = self.choices.pick((BEST, LEAST, NUMBER))
        length = {"S": str(self._values)[-1] * (self._values % 4 + 1)}
        return {name: value, NUMBER: {"S": str(self._values % 5)}, LONGEST: length}


def number_of(row: Image | None) -> int:
    """The number in a row, 0 where there is none."""
    text = (row or {}).get(NUMBER, {}).get("S", "0")
    return int(text) if text.lstrip("-").isdigit() else 0


def tags_of(row: Image | None) -> frozenset[str]:
    """The elements of the set in a row."""
    text = (row or {}).get(TAGS, {}).get("S", "{}")
    return frozenset(each for each in text[1:-1].split(",") if each and each != "NULL")


def _sum(row: Image, by: int) -> Image:
    text = row.get(NUMBER, {}).get("S")
    return {NUMBER: {"S": str(int(text) + by)}} if text is not None and text != "NaN" else {}


def _array(tags: frozenset[str]) -> dict[str, str]:
    return {"S": "{" + ",".join(sorted(tags, reverse=True)) + "}"}


_C, _M = Clients, MergingClients
Operations: TypeAlias = tuple[Any, ...]
COUNTING: Operations = (
    _C._nothing, _C._update, _C._update, _C._update_large, _C._update_of_nothing, _C._read_and_write, _M._put,
    _M._insert, _M._add, _M._add, _M._add, _M._set, _M._tag, _M._tag, _M._untag,
)  # fmt: skip
MERGING: Operations = (*COUNTING, _M._forget, _M._mistype, _C._delete, _C._delete, _M._delete_and_insert, _C._move)
REBORN: Operations = (_C._nothing, _M._put, _C._delete, _M._put, _C._delete, _M._add, _M._tag, _C._update)
RENAMED: Operations = (_C._nothing, _C._move, _M._add, _C._move, _C._update, _C._delete, _M._put)
