"""The digest of a row's content ignores notation and nothing else."""

from __future__ import annotations

import random
from decimal import Context as DecimalContext
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from distributary.domain.image import (
    STAMP_ATTRIBUTE,
    STATE_ATTRIBUTE,
    Image,
    content_of,
    digest_of,
    key_text,
    same_content,
)
from tests.unit import strategies
from tests.unit.rows import OF_EVERY_TYPE


def _other_notation(value: Any, chance: random.Random) -> Any:
    """The same value, written differently where that is possible."""
    ((kind, inner),) = value.items()
    match kind:
        case "N":
            return {"N": _other_number(inner, chance)}
        case "SS" | "BS" | "NS":
            mixed = [_other_number(each, chance) if kind == "NS" else each for each in inner]
            return {kind: chance.sample(mixed, len(mixed))}
        case "L":
            return {"L": [_other_notation(each, chance) for each in inner]}
        case "M":
            return {"M": _other_order({name: _other_notation(each, chance) for name, each in inner.items()}, chance)}
    return value


def _other_number(text: str, chance: random.Random) -> str:
    exact = DecimalContext(prec=64).normalize(Decimal(text))
    return chance.choice([text, str(exact), f"{exact:e}", f"{exact:E}"])


def _other_order(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return {name: document[name] for name in chance.sample(sorted(document), len(document))}


@given(strategies.images, st.randoms(use_true_random=False))
def test_a_digest_ignores_how_values_are_written(image: Image, chance: random.Random) -> None:
    rewritten = {name: _other_notation(value, chance) for name, value in image.items()}
    assert digest_of(_other_order(rewritten, chance)) == digest_of(image)


@given(strategies.numbers, strategies.numbers)
def test_digests_of_two_numbers_are_equal_only_if_the_numbers_are(one: str, other: str) -> None:
    assert (digest_of({"n": {"N": one}}) == digest_of({"n": {"N": other}})) == (Decimal(one) == Decimal(other))


@pytest.mark.parametrize("digits", range(1, 39))
def test_a_digest_sees_the_last_digit_of_a_number(digits: int) -> None:
    one, other = "1" * digits, "1" * (digits - 1) + "2"
    assert digest_of({"n": {"N": one}}) != digest_of({"n": {"N": other}})


@pytest.mark.parametrize("same", ["1", "1.0", "1e0", "1E0", "10E-1", "+1", "01", "1.000"])
def test_a_number_has_one_digest(same: str) -> None:
    assert digest_of({"n": {"N": same}}) == digest_of({"n": {"N": "1"}})


@pytest.mark.parametrize("zero", ["-0", "0.0", "0E+5", "-0.00"])
def test_zero_has_no_sign(zero: str) -> None:
    assert digest_of({"n": {"N": zero}}) == digest_of({"n": {"N": "0"}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"S": "1"}, {"N": "1"}),
        ({"S": "a"}, {"S": "a "}),
        ({"S": "é"}, {"S": "e\u0301"}),
        ({"S": "1"}, {"SS": ["1"]}),
        ({"BOOL": True}, {"BOOL": False}),
        ({"BOOL": True}, {"NULL": True}),
        ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}),
        ({"L": []}, {"M": {}}),
        ({"SS": ["1", "2"]}, {"NS": ["1", "2"]}),
        ({"B": "MQ=="}, {"S": "MQ=="}),
        ({"M": {"a": {"S": "x"}}}, {"M": {"b": {"S": "x"}}}),
    ],
)
def test_a_digest_tells_values_apart(one: Any, other: Any) -> None:
    assert digest_of({"n": one}) != digest_of({"n": other})


@given(strategies.images, strategies.names, strategies.values)
def test_a_digest_sees_an_added_attribute(image: Image, name: str, value: Any) -> None:
    assume(name not in image)
    assert digest_of({**image, name: value}) != digest_of(image)


@given(strategies.images, strategies.images)
def test_contents_are_the_same_exactly_if_their_digests_are(one: Image, other: Image) -> None:
    assert same_content(one, other) == (digest_of(one) == digest_of(other))


def test_our_own_attributes_are_no_content() -> None:
    content: Image = {"pk": {"S": "a"}}
    assert content_of({**content, STAMP_ATTRIBUTE: {"S": "x"}, STATE_ATTRIBUTE: {"M": {}}}) == content


def test_equal_keys_have_one_text() -> None:
    assert key_text({"sk": {"N": "1.0"}, "pk": {"S": "a"}}) == key_text({"pk": {"S": "a"}, "sk": {"N": "1"}})


def test_keys_and_contents_are_named_as_by_earlier_releases() -> None:
    key = {"sk": {"N": "1.0"}, "pk": {"S": "a"}}
    assert key_text(key) == '{"pk":{"S":"a"},"sk":{"N":"1"}}'
    assert digest_of(OF_EVERY_TYPE) == "B7MsltIUqGkP"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"L": [{"N": "1.0"}, {"S": "a"}]}, '{"L":[{"N":"1"},{"S":"a"}]}'),
        ({"M": {"b": {"N": "1e0"}, "a": {"S": "x"}}}, '{"M":{"a":{"S":"x"},"b":{"N":"1"}}}'),
        ({"SS": ["b", "a"]}, '{"SS":["a","b"]}'),
    ],
)
def test_a_key_that_no_database_takes_has_one_text_too(value: Any, text: str) -> None:
    assert key_text({"sk": {"N": "1.0"}, "pk": value}) == f'{{"pk":{text},"sk":{{"N":"1"}}}}'


def test_different_keys_have_different_texts() -> None:
    keys: list[Image] = [{"pk": {"S": "1"}}, {"pk": {"N": "1"}}, {"pk": {"B": "1"}}, {"sk": {"S": "1"}}]
    assert len(set(map(key_text, keys))) == len(keys)


@pytest.mark.parametrize("other", [{"n": {"N": "1.0"}}, {"n": {"N": "1e0"}}])
def test_contents_that_are_only_written_differently_are_the_same(other: Image) -> None:
    assert same_content({"n": {"N": "1"}}, other)


@pytest.mark.parametrize("other", [{"n": {"N": "2"}}, {"m": {"N": "1"}}, {"n": {"N": "1"}, "m": {"N": "1"}}, {}])
def test_contents_that_differ_are_not_the_same(other: Image) -> None:
    assert not same_content({"n": {"N": "1"}}, other)
