"""Last writer wins is a join: one of two states wins, whoever compares them, and causality decides before clocks."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.conflict import Judgement, Verdict, concurrent, judge
from distributary.domain.version import NOTHING_SEEN, Context, Version
from tests.unit import strategies

Entry = tuple[Version, Context]
OPPOSITE = {Verdict.NEWER: Verdict.OLDER, Verdict.OLDER: Verdict.NEWER, Verdict.SAME: Verdict.SAME}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """A version with the context that it was written in."""
    version = draw(strategies.versions)
    return version, draw(strategies.contexts).including(version)


def winner(one: Entry, other: Entry) -> Version:
    return one[0] if judge(*one, *other).verdict is Verdict.NEWER else other[0]


@given(entries(), entries())
def test_of_two_states_both_sides_name_the_same_winner(one: Entry, other: Entry) -> None:
    assert judge(*one, *other).verdict is OPPOSITE[judge(*other, *one).verdict]


@given(entries(), entries())
def test_a_conflict_is_one_for_both_sides(one: Entry, other: Entry) -> None:
    assert judge(*one, *other).conflict == judge(*other, *one).conflict


@given(st.lists(entries(), min_size=1, max_size=5).flatmap(lambda all_of: st.permutations(all_of).map(tuple)))
def test_the_winner_of_many_does_not_depend_on_their_order(states: tuple[Entry, ...]) -> None:
    known = dict(states)
    last = reduce(lambda best, each: winner((each, known[each]), (best, known[best])), known)
    assert last == max(known)


@given(entries())
def test_a_state_is_the_same_as_itself_and_no_conflict(entry: Entry) -> None:
    assert judge(*entry, *entry) == Judgement(Verdict.SAME, conflict=False)


@given(entries(), entries())
def test_what_was_written_on_top_of_another_is_no_conflict(beneath: Entry, top: Entry) -> None:
    assert not judge(top[0], top[1].merge(beneath[1]), *beneath).conflict


@given(entries())
def test_a_state_without_a_version_is_older_than_every_other(entry: Entry) -> None:
    assert judge(*entry, None, NOTHING_SEEN) == Judgement(Verdict.NEWER, conflict=False)


@given(entries(), entries())
def test_two_versions_of_which_neither_saw_the_other_are_a_conflict(one: Entry, other: Entry) -> None:
    blind = [(version, NOTHING_SEEN.including(version)) for version, _ in (one, other)]
    if one[0].region != other[0].region:
        assert judge(*blind[0], *blind[1]).conflict


def test_two_states_are_concurrent_where_each_shows_what_the_other_has_not_seen() -> None:
    known, home, there = (Version(at, 1, region) for at, region in ((1, "eu"), (2, "us"), (3, "ap")))
    beneath = NOTHING_SEEN.including(known)
    assert concurrent(beneath.including(home), beneath.including(there))
    assert not concurrent(beneath, beneath.including(there))
    assert not concurrent(beneath.including(there), beneath)
