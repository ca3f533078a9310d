"""Plain values and typed ones are inverse of each other, and equal values are written in one way."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.image import AttributeValue, same_content
from distributary.domain.plain import canonical_text, plain, typed
from tests.unit import strategies
from tests.unit.rows import OF_EVERY_TYPE

PAIRS: list[tuple[AttributeValue, Any]] = [
    ({"S": ""}, ""),
    ({"S": "漢字"}, "漢字"),
    ({"N": "1.5"}, Decimal("1.5")),
    ({"N": "12345678901234567890123456789012345678"}, Decimal(12345678901234567890123456789012345678)),
    ({"B": "AP8="}, b"\x00\xff"),
    ({"BOOL": True}, True),
    ({"BOOL": False}, False),
    ({"NULL": True}, None),
    ({"SS": ["a", "b"]}, frozenset({"b", "a"})),
    ({"NS": ["1", "2.5"]}, frozenset({Decimal("2.5"), Decimal(1)})),
    ({"BS": ["AP8="]}, frozenset({b"\x00\xff"})),
    ({"L": []}, []),
    ({"M": {}}, {}),
    ({"L": [{"N": "1"}, {"M": {"a": {"L": [{"NULL": True}]}}}]}, [Decimal(1), {"a": [None]}]),
]


@pytest.mark.parametrize(("value", "expected"), PAIRS, ids=[str(value) for value, _ in PAIRS])
def test_each_type_has_its_plain_one(value: AttributeValue, expected: Any) -> None:
    found = plain(value)
    assert (found, type(found)) == (expected, type(expected))
    assert typed(expected) == value


@given(strategies.values)
def test_what_is_written_again_is_the_same_value(value: AttributeValue) -> None:
    assert same_content({"a": typed(plain(value))}, {"a": value})


@given(strategies.values)
def test_what_is_read_again_is_the_same_plain_value(value: AttributeValue) -> None:
    found = plain(value)
    again = plain(typed(found))
    assert (again, str(type(again))) == (found, str(type(found)))
    assert typed(again) == typed(found)


@given(strategies.values)
def test_each_reading_makes_the_value_anew(value: AttributeValue) -> None:
    # given: a function that changes what it is handed
    found, before = plain(value), repr(value)
    match found:
        case list():
            found.append("more")
        case dict():
            found["more"] = "more"

    # then: the row's own value is untouched
    assert repr(value) == before


@given(st.integers(0, 10**38 - 1), st.integers(-125, 87), st.integers(0, 3))
def test_a_number_of_38_digits_is_exact_in_whatever_notation(digits: int, exponent: int, zeros: int) -> None:
    number = Decimal((0, tuple(map(int, str(digits))), exponent))
    longer = Decimal((0, tuple(map(int, str(digits * 10**zeros))), exponent - zeros))
    assert Decimal(typed(number)["N"]) == number
    assert typed(number) == typed(longer)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"), ("-0", "0"), ("0.00", "0"), ("1.0", "1"), ("100", "100"), ("1E+2", "100"), ("-1.50", "-1.5"),
        ("1E-3", "0.001"), ("9.9E+39", "99" + "0" * 38), ("1E+40", "1E+40"), ("1E-40", "1E-40"),
        ("1E-39", f"0.{'0' * 38}1"),
        ("9.99E+125", "9.99E+125"), ("1E-130", "1E-130"),
    ],
)  # fmt: skip
def test_a_number_is_written_in_one_way(number: str, text: str) -> None:
    assert typed(Decimal(number)) == {"N": text}


def test_what_a_function_may_give_instead_is_understood() -> None:
    assert typed(5) == {"N": "5"}
    assert typed({1, 2}) == typed(frozenset({Decimal(1), 2})) == {"NS": ["1", "2"]}
    assert typed(("a",)) == {"L": [{"S": "a"}]}
    assert typed({"b": 1, "a": True}) == {"M": {"a": {"BOOL": True}, "b": {"N": "1"}}}


NO_VALUES: dict[str, Any] = {
    "float": 1.5,
    "object": object(),
    "empty set": frozenset(),
    "set of two types": frozenset({"a", Decimal(1)}),
    "set of flags": frozenset({True}),
    "set of nothing": frozenset({None}),
    "set of tuples": frozenset({("a",)}),
    "name that is no text": {1: "a"},
    "deep inside": {"a": [{"b": 1.5}]},
    "39 digits": Decimal("1" * 39),
    "39 digits, whole": int("1" * 39),
    "300 digits": Decimal("1" * 300),
    "300 digits behind the point": Decimal("1." + "0" * 299 + "1"),
    "too large": Decimal("1E+126"),
    "too small": Decimal("1E-131"),
    "beyond all bounds": Decimal("1E+99999999"),
    "below all bounds": Decimal("1E-99999999"),
    "no number": Decimal("NaN"),
    "signalling": Decimal("sNaN"),
    "endless": Decimal("-Infinity"),
    "endless in a set": frozenset({Decimal("Infinity")}),
}


@pytest.mark.parametrize("value", NO_VALUES.values(), ids=NO_VALUES.keys())
def test_what_no_row_can_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"value of a row|number"):
        typed(value)


@pytest.mark.parametrize("value", [{"B": "***"}, {"BS": ["A"]}, {"N": "one"}, {"NS": ["x"]}], ids=str)
def test_a_typed_value_that_is_malformed_is_refused(value: AttributeValue) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        plain(value)


@given(strategies.values, strategies.values)
def test_equal_values_and_no_others_have_the_same_text(one: AttributeValue, other: AttributeValue) -> None:
    texts = canonical_text(plain(one)), canonical_text(plain(other))
    assert (texts[0] == texts[1]) == same_content({"a": one}, {"a": other})


@pytest.mark.parametrize("value", OF_EVERY_TYPE.values(), ids=OF_EVERY_TYPE.keys())
def test_a_text_tells_types_apart(value: AttributeValue) -> None:
    others = [other for other in OF_EVERY_TYPE.values() if other != value]
    assert canonical_text(plain(value)) not in {canonical_text(plain(other)) for other in others}


def test_bytes_are_base64_as_in_stream_events() -> None:
    raw = bytes(range(256))
    assert typed(raw) == {"B": b64encode(raw).decode()}
    assert (
        canonical_text([raw[:2], {"b": None, "a": ""}]) == '{"L":[{"B":"AAE="},{"M":{"a":{"S":""},"b":{"NULL":true}}}]}'
    )
