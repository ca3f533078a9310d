"""A row's state and its document are inverse, and a document of any other shape is refused as malformed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributary.domain.crdt import ALWAYS, Moment
from distributary.domain.errors import MalformedStamp
from distributary.domain.image import AttributeValue, Image
from distributary.domain.notation import Notation
from distributary.domain.policies import AttributePolicy, AttributeRule, Policies, Policy
from distributary.domain.row_state import RowState, StateLattice
from distributary.domain.state_documents import (
    Document,
    as_attribute,
    document_of,
    from_attribute,
    state_from,
    tells_of_disputes,
)
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.state_histories import EVERY, LONGEST, MIXED, MOST, NUMBER, TAGS, histories, policies_of, told

AT = Version(1_000, 7, "eu")
SEEN = NOTHING_SEEN.including(AT)
ALL = StateLattice(policies_of(Policy.LAST_WRITER_WINS, NUMBER, TAGS, MOST), Notation.DYNAMODB)
BY_ATTRIBUTE = StateLattice(policies_of(Policy.ATTRIBUTE_MERGE), Notation.DYNAMODB)


def read_again(state: RowState, lattice: StateLattice) -> RowState:
    """A state that went through a row of DynamoDB and through a message."""
    kept = from_attribute(as_attribute(json.loads(json.dumps(document_of(state)))))
    return state_from(kept, lattice.visible(state), state.version, state.context, lattice)


@pytest.mark.parametrize("notation", Notation, ids=told)
@pytest.mark.parametrize("policies", EVERY, ids=told)
@settings(max_examples=60)
@given(data=st.data())
def test_a_state_is_read_as_it_was_written(policies: Policies, notation: Notation, data: st.DataObject) -> None:
    history = data.draw(histories(policies, notation))
    for state in history.states:
        assert read_again(state, history.lattice) == state


@pytest.mark.parametrize("notation", Notation, ids=told)
@settings(max_examples=60)
@given(data=st.data(), policies=st.sampled_from(EVERY), later=st.sampled_from(EVERY))
def test_a_state_can_be_read_under_other_policies(
    notation: Notation, data: st.DataObject, policies: Policies, later: Policies
) -> None:
    history = data.draw(histories(policies, notation))
    changed = StateLattice(later, notation)
    for state in history.states:
        shown = history.lattice.visible(state)
        read = state_from(document_of(state), shown, state.version, state.context, changed)
        assert changed.visible(read).keys() == shown.keys()


def test_what_a_function_makes_of_two_values_is_kept_though_no_application_could_write_it() -> None:
    # given: a function that knows nothing of the values where they differ
    rule = {LONGEST: AttributeRule(AttributePolicy.CUSTOM, "users:agreed")}
    agreed = Policies(rules=rule, functions={"users:agreed": lambda one, other: one if one == other else None})
    lattice = StateLattice(agreed, Notation.DYNAMODB)
    # when: two regions differ
    one, other = (
        lattice.written(None, {}, {LONGEST: {"S": region}}, Moment(Version(1, 1, region), 1), ALWAYS)
        for region in ("eu", "us")
    )
    joined = lattice.join(one, other)
    # then
    assert lattice.visible(joined) == {LONGEST: {"NULL": True}}
    assert document_of(joined)["a"] == {LONGEST: {"c": ""}}
    assert read_again(joined, lattice) == joined


def test_a_write_on_top_of_a_row_from_before_its_policies_says_so() -> None:
    # given
    before = ALL.began({"one": {"S": "a"}}, AT, SEEN)
    # when
    later = Version(2_000, 8, "eu")
    state = ALL.written(before, ALL.visible(before), {"one": {"S": "b"}}, Moment(later, 8), ALWAYS)
    # then
    assert document_of(state) == {"f": "3e8.7.eu"}
    assert read_again(state, ALL) == state


@pytest.mark.parametrize(
    ("value", "document"),
    [({"N": "5"}, {}), ({"NULL": True}, {"a": {MOST: {"p": "", "e": "3e8.7.eu"}}}), (None, {})],
    ids=["a value", "one that the policy cannot mean", "none"],
)
def test_of_an_attribute_whose_value_says_all_nothing_is_kept(value: AttributeValue | None, document: Document) -> None:
    content = {MOST: value} if value is not None else {}
    state = ALL.written(None, {}, content, Moment(AT, AT.sequence), ALWAYS)
    assert document_of(state) == document


def test_an_attribute_whose_policy_is_new_begins_with_the_version_of_its_value() -> None:
    content: Image = {NUMBER: {"N": "5"}}
    counted = {"n": "5", "t": {}}
    whole = state_from({}, content, AT, SEEN, ALL)
    earlier = state_from({"b": "1.1.us"}, content, AT, SEEN, ALL)
    assert document_of(whole)["a"] == {NUMBER: {**counted, "e": "3e8.7.eu"}}
    assert document_of(earlier)["a"] == {NUMBER: {**counted, "e": "1.1.us"}}


def test_an_attribute_that_its_row_has_lost_is_none_whatever_the_document_says() -> None:
    state = state_from({"a": {MOST: {"e": "1.1.us"}}}, {}, AT, SEEN, ALL)
    assert MOST not in ALL.visible(state)
    assert MOST not in state.attributes


def test_numbers_are_read_as_they_were_written_however_large() -> None:
    # given: all numbers of a state need two digits
    lattice = StateLattice(replace(ALL.policies, generation=31), Notation.DYNAMODB)
    at, deletion = Version(31, 47, "eu"), Version(30, 63, "us")
    written = lattice.written(None, {}, {NUMBER: {"N": "5"}}, Moment(at, 47), deletion)
    state = replace(written, disputes=79)
    # when, then
    assert document_of(state) == {
        "i": "1e.3f.us", "g": "1f", "u": "4f", "a": {NUMBER: {"n": "0", "t": {"eu": ["2f", "5"]}}}
    }  # fmt: skip
    assert read_again(state, lattice) == state


def test_equal_numbers_have_equal_documents() -> None:
    one, other = (ALL.began({NUMBER: {"N": text}}, ALWAYS) for text in ("1", "1.0"))
    assert document_of(one) == document_of(other)


@pytest.mark.parametrize(
    ("document", "content"),
    [({}, {}), ({}, {"one": {"S": "a"}}), ({"i": "1.1.us"}, {}), ({"b": "3e7.7.us"}, {}), ({"o": "1.2.3"}, {}),
     ({"a": {NUMBER: {"n": "1", "t": {"eu": ["1", "2"]}}}}, {NUMBER: {"N": "3"}}),
     ({"a": {TAGS: {"k": "", "d": {}}}}, {}), ({"a": {TAGS: {"k": "SS", "d": {"0.0.": ["x"]}}}}, {}),
     ({"a": {"unheard of": {"n": "1"}}}, {})],
)  # fmt: skip
def test_what_could_have_been_written_is_read(document: Document, content: Image) -> None:
    assert state_from(document, content, AT, SEEN, ALL).version == AT


def at(*path: str) -> Callable[[Any], Document]:
    """Puts a value somewhere in a document."""

    def put(value: Any) -> Document:
        for name in reversed(path):
            value = {name: value}
        return dict(value)

    return put


def counting(**more: Any) -> Document:
    """The document of a counter with something wrong about it."""
    return {"a": {NUMBER: {"n": "1", "t": {}, **more}}}


def tagged(**more: Any) -> Document:
    """The document of a set with something wrong about it."""
    return {"a": {TAGS: {"k": "SS", "d": {}, **more}}}


NO_VERSIONS: list[Any] = [
    "", "1", "1.1", "1.1.us.1", "x.1.us", "01.1.us", "1.1.US", "1.1.", "0.1.", "-1.1.us", "1.1.a b", "1.1.us=",
    "+1.1.us", "0x1.1.us", "1_0.1.us", "\u0661.1.us", " 1.1.us", f"1.{'f' * 34}.us", "3e8.8.eu", 5, None, ["1.1.us"],
]  # fmt: skip
NO_TOTALS: list[Any] = [
    ["1"], ["x", "1"], ["1", "x"], ["-1", "1"], ["1", "NaN"], ["1", "1", "1"], "1", 5, None, [None, "1"], ["1", None],
]  # fmt: skip
NO_ELEMENTS: list[Any] = [
    None, [], "x", {"x": ["x"]}, {"3e9.1.us": ["x"]}, {"1.1.us": [5]}, {"1.1.us": None}, {"1.1.us": 5},
    {"1.1.us": [["x"]]},
]  # fmt: skip
NO_NUMBERS: list[Any] = ["", "x", "NaN", "Infinity", "1E+99999", "1E-99999", "1E+200", "1E-200", None, {}, []]
NO_ORDERS: list[Any] = ["", ".", "x", 5, None, ["1"]]
NO_ATTRIBUTES: list[Any] = [5, None, [NUMBER], NUMBER, {NUMBER: None}, {NUMBER: 5}, {NUMBER: []}]
HOSTILE = [
    {"i": "3e8.7.eu"}, {"a": {TAGS: {"k": "SS"}}}, {"a": {NUMBER: {"n": "1"}}}, counting(t=[]), counting(t=None),
    *map(at("i"), NO_VERSIONS), *map(at("b"), NO_VERSIONS), *map(at("o"), NO_ORDERS), *map(at("a"), NO_ATTRIBUTES),
    *[counting(e=each) for each in NO_VERSIONS], *[counting(n=each) for each in NO_NUMBERS],
    *[counting(t={"eu": each}) for each in NO_TOTALS], *[tagged(d=each) for each in NO_ELEMENTS],
    *[tagged(k=kind, d={"1.1.us": ["x"]}) for kind in ["", "NS", "S", "array", None, 5, ["SS"]]],
]  # fmt: skip


@pytest.mark.parametrize("document", HOSTILE, ids=lambda told: ascii(told).replace("\\", ""))
def test_what_could_not_have_been_written_is_malformed(document: Document) -> None:
    with pytest.raises(MalformedStamp):
        state_from(document, {}, AT, SEEN, ALL)


@pytest.mark.parametrize(
    "names", [None, 5, "x", ["one"], {"1.1.us": None}, {"1.1.us": [5]}, {"x": ["one"]}, {"3e9.1.us": ["one"]}], ids=str
)
def test_registers_that_could_not_have_been_written_are_malformed(names: Any) -> None:
    with pytest.raises(MalformedStamp):
        state_from({"w": names}, {}, AT, SEEN, BY_ATTRIBUTE)


_texts = st.sampled_from(["1.1.us", "0.0.", "3e8.7.eu", "1", "", "SS", "NS", "NaN", "1E+9999"]) | st.text(max_size=5)
_names = st.sampled_from(["i", "b", "o", "w", "a", "e", "n", "t", "k", "d", "p", "c", NUMBER, TAGS, MOST, "1.1.us"])
_trees = st.recursive(
    _texts | st.none() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | _texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500)
@given(tree=_trees, policies=st.sampled_from(MIXED), notation=st.sampled_from(Notation))
def test_a_document_of_any_shape_is_read_or_malformed(tree: Any, policies: Policies, notation: Notation) -> None:
    lattice = StateLattice(policies, notation)
    content = {NUMBER: {"N": "1"}, MOST: {"S": "2"}, "one": {"S": "a"}}
    try:
        state = state_from(tree, content, AT, SEEN, lattice)
    except MalformedStamp:
        return
    # What was read does no harm: it can be shown, and joined.
    assert lattice.visible(lattice.join(lattice.began(content, ALWAYS), state)) == lattice.visible(state)


@pytest.mark.parametrize(
    "value",
    [{"S": "x"}, {"L": []}, {"M": {"i": {"N": "1"}}}, {"M": {"i": {"NULL": True}}}, {"M": []}, {"M": {"i": {}}}, {},
     {"M": {"i": {"S": 5}}}, {"M": {"i": {"S": "1", "N": "1"}}}, {"M": {"i": "1.1.us"}}, {"M": {"a": {"L": 5}}}, 5, []],
    ids=str,
)  # fmt: skip
def test_an_attribute_that_holds_no_document_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedStamp):
        from_attribute(value)


def test_of_attributes_only_those_are_named_that_are_of_another_version_than_most_or_gone() -> None:
    # given: a row, as it was written at once
    first, second, third, fourth = (Version(n, n, "eu") for n in (1, 2, 3, 4))
    row = {name: {"S": name} for name in ("one", "two", "three")}
    state = write(None, row, first)
    documents = [document_of(state)]
    # when: it is written again, twice in part and once more to lose an attribute, and to get others
    for at, content in (
        (second, {**row, "two": {"S": "x"}}),
        (third, {"two": {"S": "x"}, "three": {"S": "three"}}),
        (fourth, {name: {"S": "x"} for name in ("two", "three", "four", "five")}),
    ):
        state = write(state, content, at)
        documents.append(document_of(state))
    # then
    assert documents == [
        {},
        {"b": "1.1.eu", "w": {"2.2.eu": ["two"]}},
        {"b": "2.2.eu", "w": {"1.1.eu": ["three"], "3.3.eu": ["one"]}},
        {"w": {"2.2.eu": ["two"], "3.3.eu": ["one"]}},
    ]


def write(known: RowState | None, content: Image, at: Version) -> RowState:
    """The state after a local write that has seen what is known."""
    old = BY_ATTRIBUTE.visible(known) if known is not None else {}
    return BY_ATTRIBUTE.written(known, old, content, Moment(at, at.sequence), ALWAYS)


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, False), ({"M": {}}, False), ({"M": {"g": {"S": "2"}}}, False), ({"S": "u"}, False),
     ({"M": {"u": {"S": "1"}}}, True)],
    ids=str,
)  # fmt: skip
def test_disputes_are_told_of_by_a_document_alone(value: AttributeValue | None, told: bool) -> None:
    assert tells_of_disputes(value) == told


@pytest.mark.parametrize("amount", ["1E+199", "1E-199", "-1E+199"])
def test_amounts_within_the_span_of_what_is_counted_are_read(amount: str) -> None:
    assert state_from(counting(n=amount), {NUMBER: {"N": amount}}, AT, SEEN, ALL).version == AT


def test_a_row_without_the_attribute_has_no_document() -> None:
    assert from_attribute(None) is None
