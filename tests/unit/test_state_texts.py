"""A state as JSON text is read as it was written, and anything that PostgreSQL would not take is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.block import Block, block_from, blocks_of, joined
from distributary.domain.change import Change
from distributary.domain.errors import MalformedMessage, MalformedStamp
from distributary.domain.message import pack, unpack
from distributary.domain.state_texts import as_column, document_in, document_of_row, state_text, told_later
from tests.unit.sites import PEER
from tests.unit.stamped_sites import SHOP, deletion_of, put_of

STATE = {"i": "5.0.eu-west-1", "a": {"n": {"n": "0", "t": {"eu-west-1": ["1", "7"]}}}}

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
documents = st.dictionaries(texts, st.recursive(texts, lambda e: st.lists(e) | st.dictionaries(texts, e), max_leaves=9))


def with_state(name: str = "a", state: dict[str, Any] | None = None) -> Change:
    return replace(put_of(name, n=1), state=STATE if state is None else state)


@given(documents)
def test_a_text_is_read_as_it_was_written(document: dict[str, Any]) -> None:
    assert document_in(state_text(document)) == document
    assert document_of_row(as_column(document)) == document


def test_a_row_from_before_its_policies_has_no_document_and_not_an_empty_one() -> None:
    assert state_text(None) is None
    assert document_in(None) is None
    assert document_of_row({}) is None
    assert as_column(None) == {}
    assert state_text({}) == "{}"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "null", '"i"', "NaN", '{"i": NaN}', '{"i": Infinity}', '{"i": "\\u0000"}', '{"\\u0000": "i"}',
     '{"i": "\\ud800"}', '{"i": "\\\\\\u0000"}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_object_of_postgresqls_is_refused(text: str) -> None:
    with pytest.raises(MalformedStamp):
        document_in(text)


def test_a_backslash_before_a_u_is_no_escape() -> None:
    assert document_in(r'{"i": "\\u0000"}') == {"i": r"\u0000"}


def test_a_column_that_is_no_text_is_refused() -> None:
    with pytest.raises(MalformedStamp):
        document_of_row({"replication_state": {"S": 1}})


# --- in blocks


def test_states_travel_with_their_rows() -> None:
    some = [with_state("a"), put_of("b", n=1), with_state("c", {}), deletion_of("d")]
    changes = [change for text in pack(SHOP, PEER, some) for change in unpack(text, SHOP)]
    assert changes == some


def test_rows_without_states_cost_nothing() -> None:
    (block,) = blocks_of([put_of("a", n=1), put_of("b", n=1)])
    assert block.states is None
    assert "states" not in block.document()


def test_parts_of_a_block_keep_their_states() -> None:
    (block,) = blocks_of([with_state("a"), put_of("b", n=1), with_state("c")])
    text = state_text(STATE)
    assert block.states == [text, None, text]
    assert block.slice(1, 3).states == [None, text]
    assert block.pick([2, 1]).states == [text, None]
    assert joined([block.slice(0, 1), block.slice(1, 3)]) == block


def test_blocks_with_states_and_without_are_one_kind() -> None:
    (without,), (having,) = blocks_of([put_of("a", n=1)]), blocks_of([with_state("b")])
    assert joined([without, having]).states == [None, state_text(STATE)]
    assert joined([without, without]).states is None


@pytest.mark.parametrize(
    "states",
    [
        [],
        [None],
        [None, 1],
        ["{}", "[]"],
        ["{}", "{"],
        "{}",
        {"a": "{}"},
        [None, "\x00"],
        [None, '{"i": 5}'],
        [None, '{"i": "now"}'],
        [None, '{"f": "ffffffffffffff.0.eu-west-1"}'],
    ],
)
def test_a_block_whose_states_cannot_be_is_refused(states: Any) -> None:
    document = json.loads(json.dumps(_block().document()))
    with pytest.raises(MalformedMessage):
        block_from({**document, "states": states}, SHOP.name, PEER, SHOP.regions)


def test_a_deletion_with_a_state_is_refused() -> None:
    (block,) = blocks_of([deletion_of("a")])
    with pytest.raises(MalformedMessage):
        block_from({**json.loads(json.dumps(block.document())), "states": [None]}, SHOP.name, PEER, SHOP.regions)


def _block() -> Block:
    (block,) = blocks_of([put_of("a", n=1), put_of("b", n=1)])
    return block


@pytest.mark.parametrize(("generation", "later"), [(1, True), (15, True), (16, False), (17, False)])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["as functions write it", "as triggers do"])
def test_a_text_tells_whether_it_is_of_later_policies(
    separators: tuple[str, str], generation: int, later: bool
) -> None:
    text = json.dumps({**STATE, "g": "10"}, separators=separators)
    assert told_later(text, generation) == later


@pytest.mark.parametrize(
    "document",
    [None, STATE, {"a": {"g": {"e": "5.0.eu-west-1"}}}, {"w": {"5.0.eu-west-1": ["g", '"g":"2"']}}, {'"g":"2"': "x"}],
)
def test_what_is_of_the_first_or_only_looks_like_it_is_never_later(document: dict[str, Any] | None) -> None:
    assert not told_later(state_text(document), 1)
