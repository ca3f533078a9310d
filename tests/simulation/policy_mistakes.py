"""Deliberate mistakes in the rules of policies, one at a time, each of which the simulator has to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from distributary.domain import base_state, crdt, own_writes, policy_merge, policy_settlement, settled_rows
from distributary.domain.base_state import Base, Unit
from distributary.domain.crdt import ALWAYS, AttributeLattice, AttributeState, Counter, Elements, Total
from distributary.domain.errors import NotSettled
from distributary.domain.policies import Policies, Policy
from distributary.domain.row import Row, Tombstone
from distributary.domain.row_state import RowState
from distributary.domain.settled_rows import image_of
from distributary.domain.state_documents import state_from
from distributary.domain.steps import Decision, LookBack, Remember, Write
from distributary.domain.version import NOTHING_SEEN, Version, mint
from tests.simulation.histories import Kind
from tests.simulation.mistakes import Mistake
from tests.simulation.setting import Writing

NUMBERS = Kind(Writing.COUNTING, 8)
ROWS = Kind(Writing.MERGING, 10)
YEAR_AHEAD = Kind(Writing.MERGING, 6, year_ahead=True)


def _differences(original: Callable[..., Any]) -> Callable[..., Any]:
    def grown(self: AttributeLattice, body: Any, old: Any, new: Any, at: Any) -> Any:
        after = original(self, body, old, new, at)
        if not isinstance(after, Counter):
            return after
        region, total = at.version.region, after.totals[at.version.region]
        before = body.totals.get(region, Total(0, Decimal(0)))
        return Counter(after.base, {**after.totals, region: Total(total.number, total.amount - before.amount)})

    return grown


def _by_amount(mine: Counter, theirs: Counter) -> Counter:
    totals = dict(mine.totals)
    for region, total in theirs.totals.items():
        totals[region] = max(total, totals.get(region, total), key=lambda each: each.amount)
    return Counter(max(mine.base, theirs.base), totals)


def _added_up(mine: Counter, theirs: Counter) -> Counter:
    totals = dict(mine.totals)
    for region, total in theirs.totals.items():
        known = totals.get(region, Total(0, Decimal(0)))
        totals[region] = Total(max(known.number, total.number), known.amount + total.amount)
    return Counter(max(mine.base, theirs.base), totals)


def _union(mine: Elements, theirs: Elements, _covers: Any) -> Elements:
    names = mine.added.keys() | theirs.added.keys()
    both = {name: mine.added.get(name, frozenset()) | theirs.added.get(name, frozenset()) for name in names}
    return Elements(max(mine.kind, theirs.kind), both)


def _intersection(mine: Elements, theirs: Elements, _covers: Any) -> Elements:
    both = {name: by & theirs.added.get(name, frozenset()) for name, by in mine.added.items()}
    return Elements(max(mine.kind, theirs.kind), {name: by for name, by in both.items() if by})


def _of_one_era(original: Callable[..., Any]) -> Callable[..., Any]:
    def join(self: AttributeLattice, one: AttributeState, other: AttributeState, covers: Any) -> AttributeState:
        joined: AttributeState = original(self, replace(one, era=ALWAYS), replace(other, era=ALWAYS), covers)
        return replace(joined, era=max(one.era, other.era))

    return join


def _of_the_first(original: Callable[..., RowState]) -> Callable[..., RowState]:
    def state(*arguments: Any) -> RowState:
        return replace(original(*arguments), incarnation=ALWAYS)

    return state


def _by_region_and_version(self: Unit, policy: Policy) -> tuple[object, ...]:
    del policy
    return self.version.region, self.version


def _whoever_is_there(original: Callable[..., Base]) -> Callable[..., Base]:
    def join(one: Base, other: Base, policies: Policies) -> Base:
        return one if policies.base is Policy.FIRST_WRITER_WINS else original(one, other, policies)

    return join


def _without_ledger(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda here, tombstone: original(here, replace(tombstone, ledger=None))


def _without_the_row(original: Callable[..., Any]) -> Callable[..., Any]:
    def known(here: Any, tombstone: Tombstone) -> Any:
        blind = tombstone.ledger is not None
        return original(replace(here, record=replace(here.record, old=None)) if blind else here, tombstone)

    return known


def _taken_in_again(original: Callable[..., Any]) -> Callable[..., Any]:
    def take_in(*arguments: Any) -> Decision[Any]:
        stored: Tombstone | None = yield LookBack()
        if stored is not None and stored.ledger is not None:
            yield Remember(stored, replace(stored, ledger=replace(stored.ledger, sequence=0)))
        return (yield from original(*arguments))

    return take_in


def _whatever_is_there(original: Callable[..., Any]) -> Callable[..., Any]:
    def present(*arguments: Any, **options: Any) -> Any:
        try:
            return original(*arguments, **options)
        except NotSettled:
            return None

    return present


def _as_an_update(expected: Row | None, image: Any, **_: Any) -> Write:
    return Write(expected, image)


def _above_nothing(created_at: int, sequence: int, region: str, **_: Any) -> Version:
    return mint(created_at, sequence, region, above=[])


def _without_context(original: Callable[..., Any]) -> Callable[..., Any]:
    def image(state: RowState, *more: Any) -> Any:
        return original(replace(state, context=NOTHING_SEEN.including(state.version)), *more)

    return image


def _with_its_ledger(original: Callable[..., Tombstone]) -> Callable[..., Tombstone]:
    def trusting(self: Tombstone, latest: int) -> Tombstone:
        return replace(original(self, latest), ledger=self.ledger)

    return trusting


_LATTICE, _HERE, _OWN, _THERE = AttributeLattice, policy_settlement, own_writes, policy_merge
POLICY_MISTAKES = (
    Mistake("a counter's difference instead of its total", _LATTICE, "_grown", _differences(_LATTICE._grown), NUMBERS),
    Mistake("totals compared by amount", crdt, "_joined_counter", _by_amount, NUMBERS),
    Mistake("totals of one region added up", crdt, "_joined_counter", _added_up, NUMBERS),
    Mistake("the ledger is not asked", _OWN, "_known", _without_ledger(_OWN._known), NUMBERS),
    Mistake("the row is not asked", _OWN, "_known", _without_the_row(_OWN._known), NUMBERS),
    Mistake("a record is taken in again on a retry", _HERE, "take_in", _taken_in_again(own_writes.take_in), NUMBERS),
    Mistake("a row that is not settled is overwritten", _THERE, "_present", _whatever_is_there(_THERE._present), ROWS),
    Mistake("elements that were taken out come back", crdt, "_joined_elements", _union, ROWS),
    Mistake("elements that the other has not seen are gone", crdt, "_joined_elements", _intersection, NUMBERS),
    Mistake("what an attribute was before its removal counts", _LATTICE, "join", _of_one_era(_LATTICE.join), ROWS),
    Mistake(
        "the deletion beneath a row is forgotten",
        settled_rows,
        "state_from",
        _of_the_first(state_from),
        ROWS,
    ),
    Mistake("the more important region wins over what was made on top", Unit, "key", _by_region_and_version, ROWS),
    Mistake("the first to arrive wins", base_state, "join", _whoever_is_there(base_state.join), ROWS),
    Mistake("an attribute that no condition saw stays", settled_rows, "Write", _as_an_update, NUMBERS, 600),
    Mistake("versions not above what they replace", _OWN, "mint", _above_nothing, ROWS),
    Mistake(
        "a row forgets what it had seen",
        (settled_rows, _OWN),
        "image_of",
        _without_context(image_of),
        ROWS,
    ),
    Mistake("an insert is not on top of the deletion", _OWN, "_beneath", lambda *_: None, ROWS),
    Mistake(
        "a ledger from the future believed", Tombstone, "trusting", _with_its_ledger(Tombstone.trusting), YEAR_AHEAD
    ),
    Mistake("a row from the future waited for", Row, "from_the_future", False, YEAR_AHEAD),
)
