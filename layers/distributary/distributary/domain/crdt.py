"""States of single attributes that have a policy of their own, and how two of them become one.

Each is a join semilattice (Shapiro et al., "Conflict-free Replicated Data Types", 2011): joining is commutative,
associative and idempotent, and a local write only ever makes a state greater. Where an attribute is removed, or takes a
value that its policy cannot mean, a new *era* of it begins; of two eras the later one counts whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import NamedTuple, TypeAlias

from distributary.domain.image import AttributeValue
from distributary.domain.notation import Notation, add, countable, elements_of, set_of, subtract, value_of
from distributary.domain.policies import AttributePolicy
from distributary.domain.version import Version

ALWAYS = Version(0, 0, "")
"""The era of an attribute that was never removed, and the version of what was there before replication."""

Covers: TypeAlias = Callable[[Version], bool]
"""Whether a state's writers had seen a version."""


class Total(NamedTuple):
    """What one region has added to a counter in all. number: grows with each of the region's writes of the row."""

    number: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that the policy cannot mean, taken as it is; none for an attribute that was removed."""

    value: AttributeValue | None


@dataclass(frozen=True, slots=True)
class Counter:
    """A PN-counter: replicas exchange totals, never deltas. base: its value before replication knew it."""

    base: Decimal = Decimal(0)
    totals: Mapping[str, Total] = field(default_factory=dict)

    @property
    def value(self) -> Decimal:
        """What all regions have added up to."""
        value = self.base
        for total in self.totals.values():
            value = add(value, total.amount)
        return value


@dataclass(frozen=True, slots=True)
class Elements:
    """An add-wins set (observed-remove, without tombstones): for each element the versions that added it.

    An element is gone where a state's context covers those versions although the state does not have them.
    kind: of DynamoDB's sets or "array"; empty while nobody has put anything in.
    """

    kind: str = ""
    added: Mapping[str, frozenset[Version]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One value, the outcome of joining all that were written: the greatest, the least, or what a function makes."""

    value: AttributeValue


Body: TypeAlias = Plain | Counter | Elements | Chosen


@dataclass(frozen=True, slots=True)
class AttributeState:
    """The state of one attribute. era: the write that began it, ALWAYS for the first."""

    body: Body
    era: Version = ALWAYS


@dataclass(frozen=True, slots=True)
class Moment:
    """The local write that changes a state. number: see `Total`."""

    version: Version
    number: int


@dataclass(frozen=True, slots=True)
class AttributeLattice:
    """The operations on the states of one attribute. choose: for Chosen, which of two values it is.

    only_numbers: nothing but a number can be chosen.
    """

    policy: AttributePolicy
    notation: Notation
    choose: Callable[[AttributeValue, AttributeValue], AttributeValue]
    only_numbers: bool = False

    def began(self, value: AttributeValue | None, era: Version = ALWAYS) -> AttributeState | None:
        """The state of a value that was there before replication knew it; none where nothing was."""
        if value is None:
            return None
        if not self._fits(value):
            return AttributeState(Plain(value), era)
        first = self._first(value)
        return AttributeState(first, ALWAYS if isinstance(first, Chosen) else era)  # any two values can be joined

    def value(self, state: AttributeState) -> AttributeValue | None:
        """What readers see."""
        match state.body:
            case Counter() as counter:
                return value_of(counter.value, self.notation)
            case Elements(kind, added):
                return set_of(kind, added, self.notation)
            case Plain(value) | Chosen(value):
                return value

    def written(
        self, state: AttributeState | None, old: AttributeValue | None, new: AttributeValue | None, at: Moment
    ) -> AttributeState | None:
        """The state after a local write that found `old` and left `new`."""
        if state is None:
            state = self.began(old)
        if old == new:
            return state
        if new is None and self.policy is not AttributePolicy.ADD_WINS_SET:
            return AttributeState(Plain(None), at.version)
        if not self._fits(new):
            return AttributeState(Plain(new), at.version)
        if state is None:
            return AttributeState(self._grown(self._empty(), None, new, at))
        if not isinstance(state.body, self._proper()) or not self._same_kind(state.body, new):
            return AttributeState(self._grown(self._empty(), None, new, at), at.version)
        return AttributeState(self._grown(state.body, old, new, at), state.era)

    def join(self, one: AttributeState, other: AttributeState, covers: tuple[Covers, Covers]) -> AttributeState:
        """Both states as one. covers: of the rows that the states stand in."""
        if one.era != other.era:
            return max(one, other, key=lambda state: state.era)
        match one.body, other.body:
            case Counter() as mine, Counter() as theirs:
                return AttributeState(_joined_counter(mine, theirs), one.era)
            case Elements() as mine, Elements() as theirs if mine.kind == theirs.kind or "" in (mine.kind, theirs.kind):
                return AttributeState(_joined_elements(mine, theirs, covers), one.era)
            case Chosen(mine), Chosen(theirs):
                return AttributeState(Chosen(self._chosen(mine, theirs)), one.era)
        return max(one, other, key=_rank)  # of different kinds: two regions began the attribute unlike

    @property
    def chooses(self) -> bool:
        """Whether its values become one by being compared or joined themselves."""
        return self._proper() is Chosen

    def chosen_of(self, values: Sequence[AttributeValue]) -> AttributeValue:
        """All of them as one."""
        return reduce(self._chosen, values)

    def _fits(self, value: AttributeValue | None) -> bool:
        match self.policy:
            case AttributePolicy.COUNTER:
                return countable(value, self.notation) is not None
            case AttributePolicy.ADD_WINS_SET:
                return elements_of(value, self.notation) is not None
        number = not self.only_numbers or countable(value, self.notation) is not None
        return value is not None and "NULL" not in value and number

    def _proper(self) -> type[Counter | Elements | Chosen]:
        match self.policy:
            case AttributePolicy.COUNTER:
                return Counter
            case AttributePolicy.ADD_WINS_SET:
                return Elements
        return Chosen

    def _empty(self) -> Body | None:
        match self.policy:
            case AttributePolicy.COUNTER:
                return Counter()
            case AttributePolicy.ADD_WINS_SET:
                return Elements()
        return None

    def _first(self, value: AttributeValue) -> Body:
        match self.policy:
            case AttributePolicy.COUNTER:
                return Counter(countable(value, self.notation) or Decimal(0))
            case AttributePolicy.ADD_WINS_SET:
                kind, elements = elements_of(value, self.notation) or ("", frozenset())
                return Elements(kind, {element: frozenset({ALWAYS}) for element in elements})
        return Chosen(value)

    def _same_kind(self, body: Body, new: AttributeValue | None) -> bool:
        if not isinstance(body, Elements):
            return True
        kind, _ = elements_of(new, self.notation) or ("", None)
        return body.kind == kind or "" in (body.kind, kind)

    def _grown(self, body: Body | None, old: AttributeValue | None, new: AttributeValue | None, at: Moment) -> Body:
        match body:
            case Counter(base, totals):
                before = countable(old, self.notation) if old is not None else Decimal(0)
                present = before if before is not None else body.value
                added = subtract(countable(new, self.notation) or Decimal(0), present)
                mine = totals.get(at.version.region, Total(0, Decimal(0)))
                return Counter(base, {**totals, at.version.region: Total(at.number, add(mine.amount, added))})
            case Elements(known, added_by):
                _, before_set = elements_of(old, self.notation) or ("", frozenset[str]())
                kind, now = elements_of(new, self.notation) or ("", frozenset[str]())
                kept = {element: by for element, by in added_by.items() if element in now or element not in before_set}
                fresh = {element: frozenset({at.version}) for element in now - before_set}
                return Elements(kind or known, {**kept, **fresh})
        assert new is not None  # noqa: S101 - what is chosen has a value
        return Chosen(self._chosen(body.value, new) if isinstance(body, Chosen) else new)

    def _chosen(self, one: AttributeValue, other: AttributeValue) -> AttributeValue:
        return one if one == other else self.choose(one, other)


def _joined_counter(mine: Counter, theirs: Counter) -> Counter:
    totals = dict(mine.totals)
    for region, total in theirs.totals.items():
        totals[region] = max(total, totals.get(region, total))
    return Counter(max(mine.base, theirs.base), totals)


def _joined_elements(mine: Elements, theirs: Elements, covers: tuple[Covers, Covers]) -> Elements:
    """Kept: what both have, and what one has and the other has not seen."""
    seen_here, seen_there = covers
    joined: dict[str, frozenset[Version]] = {}
    for element in mine.added.keys() | theirs.added.keys():
        here, there = mine.added.get(element, frozenset()), theirs.added.get(element, frozenset())
        kept = (
            (here & there)
            | {v for v in here - there if not seen_there(v)}
            | {v for v in there - here if not seen_here(v)}
        )
        if kept:
            joined[element] = frozenset(kept)
    return Elements(max(mine.kind, theirs.kind), joined)


def _rank(state: AttributeState) -> tuple[str, str]:
    return type(state.body).__name__, repr(_told(state.body))


def _told(body: Body) -> object:
    match body:
        case Plain(value) | Chosen(value):
            return json.dumps(value, sort_keys=True)
        case Counter(base, totals):
            return base, sorted(totals.items())
        case Elements(kind, added):
            return kind, sorted((element, sorted(by)) for element, by in added.items())
