"""Changes of an SQL dataset packed into messages of blocks are the changes that come out, and every message fits."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.block import Block, block_from, blocks_of, joined
from distributary.domain.change import Change
from distributary.domain.errors import ItemTooLarge, MalformedMessage
from distributary.domain.image import Image
from distributary.domain.message import LIMIT, pack, pack_blocks, unpack, unpack_blocks
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit import strategies
from tests.unit.sites import HOME, NOW, PEER
from tests.unit.stamped_sites import SHOP, TABLE, deletion_of, put_of, row

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
"""What PostgreSQL takes as a text."""

column_names = texts.filter(lambda name: name and not name.startswith("replication_"))
tables = st.builds(
    '"{}"."{}"'.format, *[texts.filter(bool).map(lambda name: name.replace('"', '""'))] * 2
) | st.just(TABLE)  # fmt: skip


@st.composite
def changes(draw: st.DrawFn, home: str = PEER) -> Change:
    """New states and deletions of rows of any table with a key of one to three columns."""
    key: Image = draw(st.dictionaries(column_names, texts.map(lambda text: {"S": text}), min_size=1, max_size=3))
    value = texts.map(lambda text: {"S": text}) | st.just({"NULL": True})
    image = draw(st.none() | st.dictionaries(column_names, value, max_size=4).map(lambda more: {**more, **key}))
    version = Version(draw(strategies.timestamps), draw(strategies.sequences), home)
    context = draw(strategies.contexts)
    if (seen := context.of(home)) is not None and seen > version.instant:  # a row's newest version is its own
        version = Version(*seen, home)
    captured_at = draw(st.sampled_from([NOW, NOW + 1]))
    return Change("shop", draw(tables), key, image, version, context.including(version), home, draw(texts), captured_at)


def unpacked(messages: list[str]) -> list[Change]:
    return [change for text in messages for change in unpack(text, SHOP)]


def same(left: list[Change], right: list[Change]) -> bool:
    """Whether two lists hold the same changes, in whatever order."""
    return len(left) == len(right) and all(left.count(each) == right.count(each) for each in right)


def large(name: str, characters: int) -> Change:
    """A change with so much text that does not deflate well."""
    return put_of(name, text="".join(random.Random(name).choices("abcdefghijklmnop", k=characters)))


@given(changes())
def test_unpacking_is_the_inverse_of_packing(change: Change) -> None:
    assert unpacked(list(pack(SHOP, PEER, [change]))) == [change]


@given(st.lists(changes(), max_size=6))
def test_no_change_is_lost_or_doubled(some: list[Change]) -> None:
    assert same(unpacked(list(pack(SHOP, PEER, some))), some)


@given(st.lists(st.integers(0, 3), max_size=8))
def test_changes_of_one_kind_keep_their_order(numbers: list[int]) -> None:
    some = [put_of(str(number), n=at, at=NOW + at) for at, number in enumerate(numbers)]
    assert unpacked(list(pack(SHOP, PEER, some))) == some


def test_no_changes_make_no_message() -> None:
    assert list(pack(SHOP, PEER, [])) == []


def test_an_empty_block_makes_no_message() -> None:
    (block,) = blocks_of([put_of()])
    assert list(pack_blocks(SHOP, PEER, [block.slice(0, 0)])) == []


def test_null_is_not_a_text() -> None:
    some = [put_of("a", v=None), put_of("b", v=""), put_of("c", v="NULL")]
    assert [change.image for change in unpacked(list(pack(SHOP, PEER, some)))] == [
        row("a", v=None),
        row("b", v=""),
        row("c", v="NULL"),
    ]


def test_a_message_holds_a_block_for_each_kind_of_change() -> None:
    other = replace(put_of("c", n=1), table='"public"."lines"')
    some = [put_of("a", n=1), deletion_of("b"), put_of("d", n=2), other, put_of("e", m=1)]
    (text,) = pack(SHOP, PEER, some)
    document = json.loads(text)
    kinds = [(block["table"], sorted(block["columns"]), block["deletes"]) for block in document["blocks"]]
    assert kinds == [
        (TABLE, ["id", "n"], False),
        (TABLE, ["id"], True),
        ('"public"."lines"', ["id", "n"], False),
        (TABLE, ["id", "m"], False),
    ]


def test_messages_of_earlier_releases_are_read_and_made() -> None:
    change = put_of("a", n=1, none=None)
    text = (
        '{"format": 1, "dataset": "shop", "policies": "_k8xwDq2Gmsz", "home": "eu-west-1", "blocks": '
        '[{"table":"\\"public\\".\\"orders\\"","key":["id"],"columns":{"id":["a"],"n":["1"],"none":[null]},'
        '"stamps":["1767225600000000.0000000000000000000000000000000000.eu-west-1 r - - eu-west-1=6474846204000.0"],'
        '"sources":["0/0 1"],"captured_at":1767225600000000,"deletes":false}]}'
    )
    assert list(pack(SHOP, PEER, [change])) == [text.replace('"0/0 1"', json.dumps(change.source))]
    assert unpack(text.replace('"0/0 1"', json.dumps(change.source)), SHOP) == [change]


# --- the limit of a message


@pytest.mark.parametrize("size", [1, 1_000, 100_000, 450_000, 899_000])
def test_every_message_is_under_the_limit(size: int) -> None:
    some = [large(str(n), size) for n in range(3_000_000 // max(size, 3_000))]
    messages = list(pack(SHOP, PEER, some))
    assert max(map(len, messages)) <= LIMIT
    assert unpacked(messages) == some


def test_rows_of_every_size_fill_their_messages() -> None:
    some = [large(str(n), random.Random(n).choice([1, 10, 10_000, 300_000])) for n in range(60)]
    messages = list(pack(SHOP, PEER, some))
    assert len(messages) <= 3 * sum(len(str(change)) for change in some) / LIMIT
    assert max(map(len, messages)) <= LIMIT
    assert unpacked(messages) == some


def test_a_block_larger_than_a_message_travels_in_few_parts() -> None:
    # given: rows alike, of somewhat more than three messages
    (block,) = blocks_of([large(str(n), 10_000) for n in range(300)])
    # when
    parts = [part for message in pack_blocks(SHOP, PEER, [block]) for part in unpack_blocks(message, SHOP)]
    # then
    assert [len(part) for part in parts] == [88, 88, 88, 36]


def test_ten_thousand_changes_make_few_messages() -> None:
    messages = list(pack(SHOP, PEER, [put_of(f"customer-{n}", n=n, mail="x" * 20) for n in range(10_000)]))
    assert len(messages) <= 4


@pytest.mark.parametrize("beyond", range(-3, 5))
def test_a_row_is_deflated_once_its_message_would_reach_the_limit(beyond: int) -> None:
    (least,) = pack(SHOP, PEER, [put_of("a", v="")])
    change = put_of("a", v="x" * (LIMIT - len(least) + beyond))
    (text,) = pack(SHOP, PEER, [change])
    assert text.startswith("deflate:") == (beyond > -1)
    assert len(text) <= LIMIT
    assert unpack(text, SHOP) == [change]


@pytest.mark.parametrize("beyond", range(-3, 5))
def test_two_blocks_share_a_message_while_it_is_under_the_limit(beyond: int) -> None:
    (least,) = pack(SHOP, PEER, [put_of("a", v=""), deletion_of("b")])
    some = [put_of("a", v="x" * (LIMIT - len(least) + beyond)), deletion_of("b")]
    messages = list(pack(SHOP, PEER, some))
    assert max(map(len, messages)) <= LIMIT
    assert unpacked(messages) == some


@pytest.mark.parametrize("text", ["\x01", "漢", "😀", '"', "\\"])
def test_a_row_as_large_as_a_message_goes_deflated_whatever_its_text(text: str) -> None:
    change = put_of("a", v=text * 900_000)
    messages = list(pack(SHOP, PEER, [put_of("b"), change, put_of("c")]))
    assert max(map(len, messages)) <= LIMIT
    assert same(unpacked(messages), [put_of("b"), change, put_of("c")])


def test_a_row_that_fits_no_message_is_refused_by_name() -> None:
    with pytest.raises(ItemTooLarge, match="fits no message"):
        list(pack(SHOP, PEER, [large("a", 4_000_000)]))


# --- parts of blocks


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.data())
def test_slices_joined_are_the_block(numbers: list[int], data: st.DataObject) -> None:
    (block,) = blocks_of([put_of(str(n), v=n) for n in numbers])
    middle = data.draw(st.integers(0, len(numbers)))
    assert joined([block.slice(0, middle), block.slice(middle, len(block))]) == block
    assert block.pick(range(len(block))) == block


def test_a_block_tells_its_rows_apart_by_all_columns_of_the_key() -> None:
    some = [replace(put_of(), key={"a": {"S": a}, "b": {"S": b}}, image=None) for a, b in ("xy", "xz", "zx")]
    (block,) = blocks_of(some)
    assert list(block.rows()) == [("x", "y"), ("x", "z"), ("z", "x")]


@given(st.lists(changes(), min_size=1, max_size=5))
def test_a_block_is_read_back_as_it_was_written(some: list[Change]) -> None:
    for block in blocks_of(some):
        again = block_from(json.loads(json.dumps(block.document())), "shop", PEER, SHOP.regions)
        assert list(again.changes()) == list(block.changes())
        assert again.kind == block.kind


@given(changes(HOME))
def test_what_was_written_elsewhere_than_it_says_is_refused(change: Change) -> None:
    (block,) = blocks_of([change])
    with pytest.raises(MalformedMessage):
        block_from(block.document(), "shop", PEER, [PEER])


def test_a_version_of_the_lowest_time_travels() -> None:
    version = Version(0, 0, PEER)
    change = replace(put_of(), version=version, context=NOTHING_SEEN.including(version))
    assert unpacked(list(pack(SHOP, PEER, [change]))) == [change]


def test_blocks_and_changes_are_two_views_of_a_message() -> None:
    some = [put_of("a", n=1), deletion_of("b"), put_of("c", n=2)]
    (text,) = pack(SHOP, PEER, some)
    blocks: list[Block] = unpack_blocks(text, SHOP)
    assert [change for block in blocks for change in block.changes()] == unpack(text, SHOP)
