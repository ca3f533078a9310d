"""Numbers and sets are read and written as each database writes them, equal ones in one form."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.image import AttributeValue
from distributary.domain.notation import Notation, add, countable, elements_of, number_of, set_of, subtract, value_of
from tests.unit.strategies import numbers

DYNAMODB, POSTGRESQL = Notation


@pytest.mark.parametrize(
    ("text", "elements"),
    [("{}", set()), ("{a}", {"a"}), ("{a,b}", {"a", "b"}), ("{1,2.5,-3}", {"1", "2.5", "-3"}), ('{""}', {""}),
     ('{"a b"}', {"a b"}), ('{"a,b",c}', {"a,b", "c"}), (r'{"say \"x\""}', {'say "x"'}), (r'{"a\\b"}', {r"a\b"}),
     ('{"NULL"}', {"NULL"}), ('{"{}"}', {"{}"}), ('{"line\nbreak"}', {"line\nbreak"}), ("{ü}", {"ü"}), ("{a,a}", {"a"}),
     ("{2026-01-01}", {"2026-01-01"}), ('{"line\\\nbreak"}', {"line\nbreak"})],
)  # fmt: skip
def test_an_array_is_the_set_of_its_elements(text: str, elements: set[str]) -> None:
    assert elements_of({"S": text}, POSTGRESQL) == ("array", frozenset(elements))


@pytest.mark.parametrize(
    "text",
    ["", "a", "{", "}", "{a", "a}", "{NULL}", "{a,null}", "{{a}}", "{{a},{b}}", "[0:1]={a,b}", "{a,}", "{,a}", "{,}",
     '{"a}', '{a"b"}', "{a}b", "{a} ", '{"a"b}', "{a\\b}"],
)  # fmt: skip
def test_what_is_no_plain_array_is_no_set(text: str) -> None:
    assert elements_of({"S": text}, POSTGRESQL) is None


@given(st.frozensets(st.text(max_size=6)))
def test_an_array_is_read_as_it_was_written(elements: frozenset[str]) -> None:
    assert elements_of(set_of("array", elements, POSTGRESQL), POSTGRESQL) == ("array", elements)


def test_only_what_needs_quotes_is_quoted() -> None:
    assert set_of("array", ["b", "a c", "null", ""], POSTGRESQL) == {"S": '{"","a c",b,"null"}'}


@pytest.mark.parametrize("value", [{"NULL": True}, {"N": "1"}, {"BOOL": True}, None])
def test_a_column_without_text_is_no_array(value: AttributeValue | None) -> None:
    assert elements_of(value, POSTGRESQL) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [({"SS": ["b", "a"]}, ("SS", {"a", "b"})), ({"NS": ["1.0", "2"]}, ("NS", {"1", "2"})), (None, ("", set())),
     ({"BS": ["AA=="]}, ("BS", {"AA=="}))],
)  # fmt: skip
def test_a_set_of_dynamodb_has_a_kind(value: AttributeValue | None, found: tuple[str, set[str]]) -> None:
    assert elements_of(value, DYNAMODB) == (found[0], frozenset(found[1]))


@pytest.mark.parametrize("value", [{"S": "a"}, {"L": [{"S": "a"}]}, {"NULL": True}, {"S": "{a}"}])
def test_other_values_of_dynamodb_are_no_sets(value: AttributeValue) -> None:
    assert elements_of(value, DYNAMODB) is None


def test_dynamodb_has_no_empty_set() -> None:
    assert set_of("SS", [], DYNAMODB) is None
    assert set_of("SS", ["b", "a"], DYNAMODB) == {"SS": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "written"),
    [("1", "1"), ("1.0", "1"), ("1E+2", "100"), ("-0", "0"), ("0.10", "0.1"), ("1E+39", "1" + "0" * 39),
     ("1E+40", "1E+40"), ("1E-39", "0." + "0" * 38 + "1"), ("1E-40", "1E-40"), (" 5 ", "5")],
)  # fmt: skip
def test_a_number_is_written_in_one_way(text: str, written: str) -> None:
    for notation, kind in ((DYNAMODB, "N"), (POSTGRESQL, "S")):
        number = number_of({kind: text}, notation)
        assert number is not None
        assert value_of(number, notation) == {kind: written}


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "-Infinity", "1,5", "1 2"])
def test_what_is_no_finite_number_is_none(text: str) -> None:
    assert number_of({"S": text}, POSTGRESQL) is None


@pytest.mark.parametrize("value", [None, {"NULL": True}, {"S": "1"}, {"BOOL": True}])
def test_other_values_of_dynamodb_are_no_numbers(value: AttributeValue | None) -> None:
    assert number_of(value, DYNAMODB) is None


@pytest.mark.parametrize(("text", "counts"), [("1E+179", True), ("1E+180", False), ("1E-179", True), ("1E-180", False)])
def test_numbers_far_from_each_other_are_not_counted(text: str, counts: bool) -> None:
    assert (countable({"S": text}, POSTGRESQL) is not None) is counts


@given(numbers, numbers)
def test_what_is_added_and_taken_away_again_leaves_the_number_as_it_was(one: str, other: str) -> None:
    assert subtract(add(Decimal(one), Decimal(other)), Decimal(other)) == Decimal(one)
