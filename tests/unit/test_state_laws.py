"""Every policy is a join: over all states that regions can come to, no order, repetition or detour matters."""

from __future__ import annotations

from operator import eq
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.policy_laws import LAWS, Join, Law, breaches
from distributary.domain import base_state
from distributary.domain.base_state import Unit
from distributary.domain.crdt import AttributeState, Chosen, Counter, Elements
from distributary.domain.notation import Notation
from distributary.domain.policies import Policies
from distributary.domain.row_state import RowState, StateLattice
from tests.unit.state_histories import ALONE, EVERY, MIXED, History, histories, told

every_policy = pytest.mark.parametrize("policies", EVERY, ids=told)
both_notations = pytest.mark.parametrize("notation", Notation, ids=told)
EXAMPLES = 120


def _beside(join: Join, one: RowState, other: RowState) -> tuple[RowState, tuple[RowState, RowState]]:
    return join(one, other), (one, other)


def _made_of(joined: RowState, inputs: tuple[RowState, RowState], _same: Any) -> bool:
    one, other = inputs
    own = [joined.attributes, one.attributes, other.attributes]
    bases = _base_made_of(joined.base, one.base, other.base)
    return bases and all(_part_made_of(*(each.get(name) for each in own)) for name in joined.attributes)


def _base_made_of(joined: Any, one: Any, other: Any) -> bool:
    if isinstance(joined, Unit):
        return joined in (one, other)
    return all(part in (one.known.get(name), other.known.get(name)) for name, part in joined.known.items())


def _part_made_of(joined: AttributeState | None, *inputs: AttributeState | None) -> bool:
    if joined in inputs or joined is None:
        return True
    bodies = [each.body for each in inputs if each is not None]
    match joined.body:
        case Counter(base, totals):
            counters = [each for each in bodies if isinstance(each, Counter)]
            known = [each.totals.get(region) for region in totals for each in counters]
            return base in [each.base for each in counters] and all(total in known for total in totals.values())
        case Elements(_, added):
            known_by = [each.added for each in bodies if isinstance(each, Elements)]
            return all(by <= frozenset().union(*(k.get(e, ()) for k in known_by)) for e, by in added.items())
        case Chosen():
            return joined.body in bodies
    return False


MADE_OF_INPUTS = Law("made of its inputs", 2, ("f(a, b)", "a, b"), _beside, _made_of)


def of_one_history(policies: Policies, notation: Notation) -> st.SearchStrategy[RowState]:
    """States of which all that are drawn for one example come from the same history."""
    shared: st.SearchStrategy[History] = st.shared(histories(policies, notation), key="history")
    return shared.flatmap(lambda history: st.sampled_from(history.states))


@both_notations
@every_policy
def test_the_join_of_rows_breaks_no_law(policies: Policies, notation: Notation) -> None:
    join = StateLattice(policies, notation).join
    assert breaches(join, of_one_history(policies, notation), eq, [*LAWS, MADE_OF_INPUTS], EXAMPLES) == []


@both_notations
@pytest.mark.parametrize("policies", MIXED, ids=told)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_row_that_met_all_states_shows_the_same_whatever_the_order(
    policies: Policies, notation: Notation, data: st.DataObject
) -> None:
    history = data.draw(histories(policies, notation))
    orders = [history.states, data.draw(st.permutations(history.states * 2))]
    ends = []
    for first, *rest in orders:
        state = first
        for each in rest:
            state = history.lattice.join(state, each)
        ends.append((state, history.lattice.visible(state)))
    assert ends[0] == ends[1]


def parts_joined(lattice: StateLattice, one: RowState, other: RowState) -> tuple[Any, dict[str, Any]]:
    """The join of two states of one incarnation part by part, without looking at which of them has seen the other."""
    own = {**one.attributes, **other.attributes}
    for name in one.attributes.keys() & other.attributes.keys():
        covers = (one.covers, other.covers)
        own[name] = lattice.lattices[name].join(one.attributes[name], other.attributes[name], covers)
    return base_state.join(one.base, other.base, lattice.policies), own


@both_notations
@every_policy
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_write_is_above_what_it_was_made_on_top_of(
    policies: Policies, notation: Notation, data: st.DataObject
) -> None:
    history = data.draw(histories(policies, notation).filter(lambda drawn: drawn.writes))
    for known, written in history.writes:
        assert history.lattice.join(known, written) == history.lattice.join(written, known) == written
        for parts in (parts_joined(history.lattice, known, written), parts_joined(history.lattice, written, known)):
            assert parts == (written.base, written.attributes)


@both_notations
@pytest.mark.parametrize("policies", ALONE + MIXED, ids=told)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_state_that_has_seen_another_has_all_of_it(
    policies: Policies, notation: Notation, data: st.DataObject
) -> None:
    # The join of rows takes a short cut here; part by part it must come to the same.
    history = data.draw(histories(policies, notation))
    lattice = history.lattice
    for one in history.states:
        for other in history.states:
            joined = lattice.join(one, other)
            if one.incarnation == other.incarnation:
                assert parts_joined(lattice, one, other) == (joined.base, joined.attributes)
