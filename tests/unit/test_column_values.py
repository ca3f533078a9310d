"""What a function gets of a column and what it may give back; all else is refused, so that the change is parked."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from distributary.domain.column_values import handed_out, taken_back
from distributary.domain.crdt import AttributeLattice, AttributeState, Chosen, Moment, Plain
from distributary.domain.errors import MalformedStamp, PolicyFailed
from distributary.domain.lattices import lattices_of
from distributary.domain.notation import Notation
from distributary.domain.part_documents import Part
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Join, Policies
from distributary.domain.row_state import StateLattice
from distributary.domain.state_documents import document_of, state_from
from distributary.domain.unjoined import tells_of_unjoined
from distributary.domain.version import NOTHING_SEEN, Version

AT = Version(1_000, 7, "eu")


def policies_of(function: Join, handed: Handed) -> Policies:
    return Policies(rules={"x": AttributeRule(AttributePolicy.CUSTOM, "u:f", handed)}, functions={"u:f": function})


def column(function: Join, handed: Handed) -> AttributeLattice:
    return lattices_of(policies_of(function, handed), Notation.POSTGRESQL)["x"]


@pytest.mark.parametrize(
    ("handed", "text", "plain"),
    [
        (Handed.TEXT, "", ""),
        (Handed.TEXT, "2024-01-01", "2024-01-01"),
        (Handed.NUMBER, "1.50", Decimal("1.50")),
        (Handed.NUMBER, "-9223372036854775808", Decimal(-9223372036854775808)),
        (Handed.BOOLEAN, "t", True),
        (Handed.BOOLEAN, "f", False),
        (Handed.JSON, "null", None),
        (Handed.JSON, "1", Decimal(1)),
        (Handed.JSON, "2.5", Decimal("2.5")),
        (Handed.JSON, '{"a": [1, 2.5, true, "é"]}', {"a": [Decimal(1), Decimal("2.5"), True, "é"]}),
    ],
)
def test_a_function_gets_a_value_of_the_type_that_the_file_says(handed: Handed, text: str, plain: Any) -> None:
    found = handed_out({"S": text}, handed)
    assert (found, type(found)) == (plain, type(plain))


@pytest.mark.parametrize(
    ("handed", "text"),
    [
        (Handed.NUMBER, "NaN"),
        (Handed.NUMBER, "1e200"),
        (Handed.NUMBER, "x"),
        (Handed.BOOLEAN, "true"),
        (Handed.JSON, "{"),
        (Handed.JSON, "NaN"),
        (Handed.JSON, "[" * 100_000),
    ],
)
def test_a_text_that_is_nothing_of_the_kind_is_handed_to_nobody(handed: Handed, text: str) -> None:
    with pytest.raises(PolicyFailed):
        handed_out({"S": text}, handed)


@pytest.mark.parametrize(
    ("handed", "result", "text"),
    [
        (Handed.TEXT, "é", "é"),
        (Handed.NUMBER, Decimal("1.50"), "1.5"),
        (Handed.NUMBER, 7, "7"),
        (Handed.NUMBER, Decimal("-0"), "0"),
        (Handed.BOOLEAN, True, "t"),
        (Handed.BOOLEAN, False, "f"),
        (Handed.JSON, None, "null"),
        (Handed.JSON, True, "true"),
        (Handed.JSON, {"b": (Decimal("1.0"), False), "a": '"'}, '{"a":"\\"","b":[1,false]}'),
    ],
)
def test_what_a_function_gives_has_one_text(handed: Handed, result: Any, text: str) -> None:
    assert taken_back(result, handed) == {"S": text}


@pytest.mark.parametrize(
    ("handed", "result"),
    [
        *((handed, None) for handed in Handed if handed is not Handed.JSON),
        *((handed, b"x") for handed in Handed),
        *((handed, frozenset({"x"})) for handed in Handed),
        (Handed.TEXT, 5),
        (Handed.TEXT, "\x00"),
        (Handed.TEXT, "\ud800"),
        (Handed.NUMBER, True),
        (Handed.NUMBER, "5"),
        (Handed.NUMBER, 1.5),
        (Handed.NUMBER, Decimal("NaN")),
        (Handed.NUMBER, Decimal("1e200")),
        (Handed.BOOLEAN, 1),
        (Handed.JSON, {1: "x"}),
        (Handed.JSON, {1: "x", "a": "x"}),
        (Handed.JSON, {"\x00": "x"}),
        (Handed.JSON, [1.5]),
        (Handed.JSON, ["\ud800"]),
    ],
)
def test_what_no_such_column_can_hold_is_refused(handed: Handed, result: Any) -> None:
    with pytest.raises(PolicyFailed):
        taken_back(result, handed)


@pytest.mark.parametrize("order", list(permutations(["1.50", "1.5", "-3", "1.500"])), ids=str)
def test_of_one_value_in_several_notations_one_stands_whatever_the_order(order: tuple[str, ...]) -> None:
    assert column(max, Handed.NUMBER).chosen_of([{"S": text} for text in order]) == {"S": "1.500"}


def test_a_result_that_nobody_has_written_has_the_usual_notation() -> None:
    together = column(lambda one, other: {**one, **other}, Handed.JSON)
    assert together.chosen_of([{"S": '{"a": 1}'}, {"S": '{"b": 2}'}]) == {"S": '{"a":1,"b":2}'}


def test_a_number_that_no_function_can_mean_begins_anew() -> None:
    greatest = column(max, Handed.NUMBER)
    state = greatest.written(AttributeState(Chosen({"S": "5"})), {"S": "5"}, {"S": "NaN"}, Moment(AT, 7))
    assert state == AttributeState(Plain({"S": "NaN"}), AT)


def test_a_number_is_compared_with_the_one_before() -> None:
    greatest = column(max, Handed.NUMBER)
    state = greatest.written(AttributeState(Chosen({"S": "5"})), {"S": "5"}, {"S": "7"}, Moment(AT, 7))
    assert state == AttributeState(Chosen({"S": "7"}))


def test_as_text_everything_is_a_value() -> None:
    greatest = column(max, Handed.TEXT)
    state = greatest.written(AttributeState(Chosen({"S": "5"})), {"S": "5"}, {"S": "NaN"}, Moment(AT, 7))
    assert state == AttributeState(Chosen({"S": "NaN"}))


# --- what is left to be joined, in a document


def read(document: Part, text: str | None = "5", policies: Policies | None = None) -> AttributeState | None:
    value = {"S": text} if text is not None else {"NULL": True}
    lattice = StateLattice(policies or policies_of(max, Handed.NUMBER), Notation.POSTGRESQL)
    return state_from(document, {"x": value}, AT, NOTHING_SEEN.including(AT), lattice).attributes.get("x")


def test_whoever_reads_a_state_joins_what_it_is_made_of() -> None:
    assert read({"a": {"x": {"q": ["7", "10"]}}}) == AttributeState(Chosen({"S": "10"}))


def test_what_was_read_has_nothing_left_to_be_joined() -> None:
    lattice = StateLattice(policies_of(max, Handed.NUMBER), Notation.POSTGRESQL)
    state = state_from({"a": {"x": {"q": ["7"]}}}, {"x": {"S": "5"}}, AT, NOTHING_SEEN.including(AT), lattice)
    assert not tells_of_unjoined(document_of(state))


def test_a_later_policy_that_compares_values_takes_all_of_them() -> None:
    smallest = Policies(rules={"x": AttributeRule(AttributePolicy.MIN)})
    assert read({"a": {"x": {"q": ["7", "1"]}}}, policies=smallest) == AttributeState(Chosen({"S": "1"}))


def test_to_a_later_policy_of_another_kind_it_means_nothing() -> None:
    counted = Policies(rules={"x": AttributeRule(AttributePolicy.COUNTER)})
    assert read({"a": {"x": {"q": ["7"]}}}, policies=counted) == read({}, policies=counted)


@pytest.mark.parametrize(
    "part",
    [
        {"q": []},
        {"q": "7"},
        {"q": [7]},
        {"q": {"7": ""}},
        {"q": None},
        {"q": ["7"], "p": ""},
        {"q": ["7"], "k": "array"},
    ],
    ids=str,
)
def test_nothing_else_is_read(part: Any) -> None:
    with pytest.raises(MalformedStamp):
        read({"a": {"x": part}})


def test_null_replaces_nothing() -> None:
    with pytest.raises(MalformedStamp):
        read({"a": {"x": {"q": ["7"]}}}, None)


def test_no_state_of_dynamodb_has_any() -> None:
    lattice = StateLattice(policies_of(max, Handed.NUMBER), Notation.DYNAMODB)
    with pytest.raises(MalformedStamp):
        state_from({"a": {"x": {"q": ["7"]}}}, {"x": {"N": "5"}}, AT, NOTHING_SEEN, lattice)


def test_what_stands_in_a_document_is_looked_at_wherever_it_comes_from() -> None:
    odd: list[Any] = [None, {}, {"a": {}}, {"a": []}, {"a": {"x": []}}, {"q": ["7"]}, {"a": {"q": {"e": "1"}}}]
    assert not any(map(tells_of_unjoined, odd))
