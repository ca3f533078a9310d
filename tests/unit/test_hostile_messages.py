"""Whatever arrives in the inbox is read, or refused with the error that says what to do; nothing else comes out."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.dataset import KeySchema
from distributary.domain.errors import (
    MalformedMessage,
    PoliciesAhead,
    PoliciesDiffer,
    Unacceptable,
    UnknownDataset,
    UnknownFormat,
)
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.message import unpack
from distributary.domain.stamp import version_text
from distributary.domain.version import Version
from tests.unit.rows import OF_EVERY_TYPE
from tests.unit.sites import NOW, ORDERS, PEER, change_of, message

ABSENT = object()


def envelope(**parts: Any) -> str:
    """A good message but for some parts of its envelope."""
    return json.dumps(_without_absent({**json.loads(message(change_of(n=1))), **parts}))


def body(**parts: Any) -> str:
    """A good message but for some parts of its only change."""
    (change,) = json.loads(message(change_of(n=1)))["changes"]
    return envelope(changes=[_without_absent({**change, **parts})])


def with_value(value: Any) -> str:
    """A good message but for one attribute."""
    return body(image={"pk": {"S": "a"}, "n": value})


def deflated(raw: bytes) -> str:
    """A message that says it is deflated."""
    return "deflate:" + b64encode(zlib.compress(raw, 9)).decode()


def nested(depth: int, kind: str) -> str:
    """A good message but for one attribute that is nested so deep."""
    opening, closing = {"M": ('{"M":{"a":', "}}"), "L": ('{"L":[', "]}")}[kind]
    return with_value("deep").replace('"deep"', opening * depth + '{"N":"1"}' + closing * depth)


def _without_absent(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not ABSENT}


def future(region: str) -> str:
    return version_text(Version(NOW, 1, region))


def test_the_message_that_all_others_here_are_made_from_is_good() -> None:
    assert unpack(envelope(), ORDERS) == unpack(body(), ORDERS) == [change_of(n=1)]


NOT_OURS = {
    "empty": "",
    "text": "hello",
    "number": "1",
    "list": "[]",
    "null": "null",
    "no format": envelope(format=ABSENT),
    "truncated": envelope()[:-2],
    "two documents": envelope() * 2,
    "notification of S3": json.dumps({"Records": [{"eventSource": "aws:s3"}]}),
    "home unknown": envelope(home="eu-north-1"),
    "home of another kind": envelope(home=["eu-west-1"]),
    "no home": envelope(home=ABSENT),
    "no policies": envelope(policies=ABSENT),
    "policies of another kind": envelope(policies=[ORDERS.policies]),
    **{f"generation {found!r}": envelope(generation=found) for found in (0, -1, 1.0, "1", None, True, [1])},
    "no changes": envelope(changes=ABSENT),
    "changes of another kind": envelope(changes={}),
    "change of another kind": envelope(changes=[5]),
    "change without a version": body(version=ABSENT),
    "version garbled": body(version="1.2.eu-west-1"),
    "version of another kind": body(version=5),
    "version of no replica": body(version=future("eu-north-1")),
    "context without the version": body(context={}),
    "context of another kind": body(context=[]),
    "context garbled": body(context={PEER: "x"}),
    "key of another table": body(key={"id": {"S": "a"}}),
    "key of another row": body(key={"pk": {"S": "b"}}),
    "key with too much": body(key={"pk": {"S": "a"}, "sk": {"S": "b"}}),
    "no key": body(key=ABSENT),
    "key of another kind": body(key=["pk"]),
    "image missing": body(image=ABSENT),
    "image of another kind": body(image=[1]),
    "image without the key": body(image={"n": {"N": "1"}}),
    "table missing": body(table=ABSENT),
    "table of another kind": body(table=5),
    "source of another kind": body(source=5),
    "time of capture missing": body(captured_at=ABSENT),
    "time of capture garbled": body(captured_at="noon"),
    "time of capture endless": body(captured_at=float("inf")),
    "time of capture no number": body(captured_at=float("nan")),
    "deflated, but no base64": "deflate:***",
    "deflated, but not ASCII": "deflate:é",
    "deflated, but no zlib": "deflate:" + b64encode(b"hello").decode(),
    "deflated, but truncated": deflated(envelope().encode())[:-24] + "AAAA",
    "deflated, but no text": deflated(b"\xff\xfe\xff"),
    "deflated twice": deflated(deflated(envelope().encode()).encode()),
    "deflated, with letters that base64 does not have": deflated(envelope().encode()).replace("deflate:", "deflate:*"),
    "bomb": deflated(b" " * 64_000_000),
    "untyped value": with_value("1"),
    "value of two types": with_value({"S": "1", "N": "1"}),
    "value of no type": with_value({}),
    "value of an unknown type": with_value({"X": "1"}),
    "text that is a number": with_value({"S": 1}),
    "number that is a number": with_value({"N": 1}),
    "key whose number is none": body(key={"pk": {"N": "x"}}, image=None),
    "number that is none": with_value({"N": "one"}),
    "number that is empty": with_value({"N": ""}),
    "number that is not finite": with_value({"N": "Infinity"}),
    "number that signals": with_value({"N": "sNaN"}),
    "number beyond all bounds": with_value({"N": "1e99999999999"}),
    "numbers in a set that are none": with_value({"NS": ["1", "x"]}),
    "number deep inside that is none": with_value({"L": [{"M": {"a": {"N": "x"}}}]}),
    "set that is a text": with_value({"SS": "abc"}),
    "set of numbers that are numbers": with_value({"NS": [1]}),
    "list that is none": with_value({"L": {"a": {"S": "x"}}}),
    "map that is none": with_value({"M": [{"S": "x"}]}),
    "flag that is a text": with_value({"BOOL": "true"}),
}


@pytest.mark.parametrize("text", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_a_message_that_is_not_ours_or_not_whole_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        unpack(text, ORDERS)


@pytest.mark.parametrize("value", OF_EVERY_TYPE.values(), ids=OF_EVERY_TYPE.keys())
def test_values_of_every_type_are_taken(value: dict[str, Any]) -> None:
    (change,) = unpack(with_value(value), ORDERS)
    assert change.image is not None
    assert change.image["n"] == value


@pytest.mark.parametrize("number", ["1", "-1.5", "+2", "1e5", "1E5", "1e-5", "0.1E+30"])
def test_a_number_may_be_written_in_every_way_that_the_database_takes(number: str) -> None:
    (change,) = unpack(with_value({"N": number}), ORDERS)
    assert change.image is not None
    assert change.image["n"] == {"N": number}


def test_a_bomb_is_not_inflated_to_its_end() -> None:
    with pytest.raises(MalformedMessage, match="beyond all bounds"):
        unpack(NOT_OURS["bomb"], ORDERS)


@pytest.mark.parametrize("found", [0, 2, "1", None, [1], 10**30])
def test_another_format_version_is_unknown_and_named(found: Any) -> None:
    with pytest.raises(UnknownFormat, match="this release reads 1"):
        unpack(envelope(format=found), ORDERS)


@pytest.mark.parametrize("found", ["invoices", "", None, 5, ["orders"]])
def test_another_dataset_is_unknown_and_named(found: Any) -> None:
    with pytest.raises(UnknownDataset, match="this replica holds 'orders'"):
        unpack(envelope(dataset=found), ORDERS)


@pytest.mark.parametrize("generation", [ABSENT, 1])
def test_other_policies_of_the_same_generation_are_named(generation: Any) -> None:
    expected = f"under policies 0therD1gest_ of generation 1, this replica has {ORDERS.policies} of generation 1"
    with pytest.raises(PoliciesDiffer, match=expected):
        unpack(envelope(policies="0therD1gest_", generation=generation), ORDERS)


@pytest.mark.parametrize("generation", [2, 10**30])
def test_a_message_of_newer_policies_has_to_wait(generation: int) -> None:
    expected = f"of generation {generation}, this replica has {ORDERS.policies} of generation 1"
    with pytest.raises(PoliciesAhead, match=expected):
        unpack(envelope(policies="0therD1gest_", generation=generation), ORDERS)


def test_a_key_schema_that_differs_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="key"):
        unpack(message(change_of(n=1)), replace(ORDERS, key=KeySchema("pk", sort="sk")))


def test_an_image_that_brings_its_own_stamp_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        unpack(body(image={"pk": {"S": "a"}, STAMP_ATTRIBUTE: {"S": "mine"}}), ORDERS)


@pytest.mark.parametrize("kind", ["M", "L"])
@pytest.mark.parametrize("depth", [*range(1, 40), *range(40, 1000, 7), 10_000, 100_000])
def test_deep_nesting_is_taken_or_malformed(depth: int, kind: str) -> None:
    try:
        (change,) = unpack(nested(depth, kind), ORDERS)
    except MalformedMessage:
        assert depth > 32, "DynamoDB itself nests 32 levels"
    else:
        assert change.row == change_of().row


@given(st.text())
def test_no_text_meets_anything_but_our_errors(text: str) -> None:
    with pytest.raises(Unacceptable):
        unpack(text, ORDERS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["N", "S", PEER]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["N", "L", "M", "a"]), inner, max_size=2)
    ),
    max_leaves=5,
)
parts = st.sampled_from(["table", "key", "image", "version", "context", "source", "captured_at"])


@given(st.dictionaries(parts, json_values, min_size=1))
def test_no_garbled_change_meets_anything_but_our_errors(garbled: dict[str, Any]) -> None:
    try:
        changes = unpack(body(**garbled), ORDERS)
    except MalformedMessage:
        return
    assert [change.key for change in changes] == [change_of().key]
