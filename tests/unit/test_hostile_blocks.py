"""Whatever arrives for an SQL dataset is read, or refused as malformed; no database sees anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.errors import MalformedMessage, Unacceptable, UnknownDataset, UnknownFormat
from distributary.domain.message import pack, unpack, unpack_blocks
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.sites import NOW, ORDERS, PEER, change_of, message
from tests.unit.stamped_sites import SHOP, deletion_of, put_of

ABSENT = object()
VERSION = Version(NOW, 0, PEER)
GOOD = Stamp(VERSION, NOTHING_SEEN.including(VERSION), Writer.REPLICATION)


def envelope(**parts: Any) -> str:
    """A good message but for some parts of its envelope."""
    (text,) = pack(SHOP, PEER, [put_of("a", n=1), put_of("b", n=None)])
    return json.dumps(_without_absent({**json.loads(text), **parts}))


def block(**parts: Any) -> str:
    """A good message but for some parts of its only block, of two rows."""
    (good,) = json.loads(envelope())["blocks"]
    return envelope(blocks=[_without_absent({**good, **parts})])


def deletions(**parts: Any) -> str:
    """A good message but for some parts of its only block, of one deletion."""
    (text,) = pack(SHOP, PEER, [deletion_of("a")])
    (good,) = json.loads(text)["blocks"]
    return envelope(blocks=[_without_absent({**good, **parts})])


def columns(**more: Any) -> str:
    """A good message but for some columns."""
    return block(columns=_without_absent({"id": ["a", "b"], "n": ["1", None], **more}))


def _without_absent(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not ABSENT}


def test_the_message_that_all_others_here_are_made_from_is_good() -> None:
    changes = [put_of("a", n=1), put_of("b", n=None)]
    assert unpack(envelope(), SHOP) == unpack(block(), SHOP) == unpack(columns(), SHOP) == changes
    assert unpack(deletions(), SHOP) == [deletion_of("a")]


def test_a_state_of_which_something_is_left_to_be_joined_has_no_place_in_a_message() -> None:
    """Capture joins it; a row that came in bulk would show what nobody has joined."""
    with pytest.raises(MalformedMessage):
        unpack(block(states=['{"a": {"n": {"q": ["5"]}}}', None]), SHOP)


WRONG_TYPES: tuple[Any, ...] = (None, True, 0, 1.5, "text", [], ["x"], [None], [[]], {}, {"id": "a"}, [1, 2])
PARTS = ("table", "key", "columns", "stamps", "sources", "captured_at", "deletes")

NOT_OURS = {
    "empty": "",
    "list": "[]",
    "no blocks": envelope(blocks=ABSENT),
    "blocks of another kind": envelope(blocks={}),
    "block of another kind": envelope(blocks=[5]),
    "block that is a list": envelope(blocks=[[]]),
    "changes in place of blocks": message(change_of(n=1)).replace('"orders"', '"shop"'),
    "home unknown": envelope(home="eu-north-1"),
    "truncated": envelope()[:-2],
    **{f"no {part}": block(**{part: ABSENT}) for part in PARTS},
    "table without a schema": block(table='"orders"'),
    "table without quotes": block(table="public.orders"),
    "table that breaks out": block(table='"public"."orders"; DROP TABLE orders; --'),
    "table of three parts": block(table='"a"."b"."c"'),
    "table without a name": block(table='"public".""'),
    "table with the character zero": block(table='"public"."or\x00ders"'),
    "table with half a character": block(table='"public"."\ud800"'),
    "key that is empty": block(key=[]),
    "key of a column that is missing": block(key=["id", "m"]),
    "key twice": block(key=["id", "id"]),
    "key out of order": block(key=["n", "id"]),
    "key of numbers": block(key=[1]),
    "key of lists": block(key=[["id"]]),
    "key that is a text": block(key="id"),
    "key that is NULL": columns(id=["a", None]),
    "columns without the key": block(columns={"n": ["1", None]}),
    "column that is a text": columns(n="ab"),
    "column that is a map": columns(n={"0": "1", "1": None}),
    "column too short": columns(n=["1"]),
    "column too long": columns(n=["1", None, "2"]),
    "column that is empty": columns(n=[]),
    "value that is a number": columns(n=["1", 5]),
    "value that is a flag": columns(n=["1", True]),
    "value that is a list": columns(n=["1", []]),
    "value that is a map": columns(n=["1", {"S": "2"}]),
    "value with the character zero": columns(n=["1", "a\x00b"]),
    "value with the first half of a character": columns(n=["1", "\ud83d"]),
    "value with the second half of a character": columns(n=["1", "\ude00"]),
    "values that end and begin with halves": columns(n=["\ud83d", "\ude00"]),
    "key with the character zero": columns(id=["a", "\x00"]),
    "column without a name": columns(**{"": ["1", "2"]}),
    "column named with the character zero": columns(**{"a\x00": ["1", "2"]}),
    "column named with half a character": columns(**{"\udfff": ["1", "2"]}),
    "column of the stamp": columns(replication_stamp=["1", "2"]),
    "column of the state": columns(replication_state=["1", "2"]),
    "sources too few": block(sources=["0/0 1"]),
    "source missing": block(sources=["0/0 1", None]),
    "source with the character zero": block(sources=["0/0 1", "\x00"]),
    "stamps too few": block(stamps=[GOOD.text()]),
    "stamps too many": block(stamps=[GOOD.text()] * 3),
    "time of capture garbled": block(captured_at="noon"),
    "time of capture endless": block(captured_at=float("inf")),
    "time of capture no number": block(captured_at=float("nan")),
    "time of capture in a list": block(captured_at=[NOW]),
    "deletions by a number": block(deletes=1),
    "rows that are deletions": block(deletes=True),
    "deletion with another column": deletions(columns={"id": ["a"], "n": ["1"]}),
    "deletion without its key": deletions(columns={}),
    "deletion of NULL": deletions(columns={"id": [None]}),
}


@pytest.mark.parametrize("text", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_a_message_that_is_not_ours_or_not_whole_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        unpack(text, SHOP)


NUMBERS = (bool, int, float)
MISFITS = [(part, each) for part in PARTS for each in WRONG_TYPES if part != "captured_at" or type(each) not in NUMBERS]


@pytest.mark.parametrize(("part", "value"), MISFITS, ids=repr)
def test_a_part_of_another_type_is_malformed(part: str, value: Any) -> None:
    with pytest.raises(MalformedMessage):
        unpack(block(**{part: value}), SHOP)


@pytest.mark.parametrize(
    "text", ["", " ", "'", '"', "\\", "\n", "\x01", "\x7f", "漢字", "😀", "\ufffe", "\U0010ffff", "NULL", "x" * 100_000]
)
def test_every_text_that_the_database_takes_is_read(text: str) -> None:
    first, _ = unpack(columns(n=[text, None]), SHOP)
    assert first.image is not None
    assert first.image["n"] == {"S": text}


def test_half_a_character_is_joined_by_its_other_half_in_one_text() -> None:
    escaped = columns(n=["emoji", None]).replace('"emoji"', r'"\ud83d\ude00"')
    first, _ = unpack(escaped, SHOP)
    assert first.image is not None
    assert first.image["n"] == {"S": "😀"}


@pytest.mark.parametrize("name", ["~distributary n", "n" * 1000, "Replication_stamp", "replication_stamp ", '"', "a.b"])
def test_a_column_may_have_any_other_name(name: str) -> None:
    first, _ = unpack(columns(**{name: ["1", "2"]}), SHOP)
    assert first.image is not None
    assert name in first.image


def test_a_block_of_nothing_says_nothing() -> None:
    assert unpack(block(columns={"id": []}, stamps=[], sources=[]), SHOP) == []


def test_one_bad_block_makes_the_message_malformed() -> None:
    (good,) = json.loads(envelope())["blocks"]
    with pytest.raises(MalformedMessage):
        unpack(envelope(blocks=[good, {**good, "key": []}]), SHOP)


def test_a_key_of_more_columns_is_read_in_their_order() -> None:
    text = block(key=["id", "n"], columns={"n": ["1", "2"], "id": ["a", "b"]})
    assert [list(change.key.values()) for change in unpack(text, SHOP)] == [
        [{"S": "a"}, {"S": "1"}],
        [{"S": "b"}, {"S": "2"}],
    ]


@pytest.mark.parametrize("found", [0, 2, "1", None, [1]])
def test_another_format_version_is_unknown_and_named(found: Any) -> None:
    with pytest.raises(UnknownFormat, match="this release reads 1"):
        unpack(envelope(format=found), SHOP)


def test_another_dataset_is_unknown_and_named() -> None:
    with pytest.raises(UnknownDataset, match="this replica holds 'shop'"):
        unpack(envelope(dataset="orders"), SHOP)


def test_blocks_are_no_message_of_another_engine() -> None:
    with pytest.raises(MalformedMessage, match="changes is not a list"):
        unpack(envelope(dataset="orders"), replace(ORDERS, name="orders"))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["id", GOOD.text()]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "n", ""]), inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(PARTS), json_values, min_size=1))
def test_no_garbled_block_meets_anything_but_our_errors(garbled: dict[str, Any]) -> None:
    try:
        blocks = unpack_blocks(block(**garbled), SHOP)
    except MalformedMessage:
        return
    for each in blocks:
        assert list(each.changes()) == [each.change(at) for at in range(len(each))]


@given(st.text())
def test_no_text_meets_anything_but_our_errors(text: str) -> None:
    with pytest.raises(Unacceptable):
        unpack(text, SHOP)
