"""Changes packed into messages are the changes that come out, and every message fits the queue."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.change import Change
from distributary.domain.dataset import Dataset, KeySchema, KeyType
from distributary.domain.errors import ItemTooLarge, PoliciesAhead, PoliciesDiffer
from distributary.domain.message import LIMIT, pack, unpack
from distributary.domain.policies import Policy
from tests.unit import strategies
from tests.unit.sites import HOME, ORDERS, PEER, change_of

QUEUE_LIMIT = 1_048_576
FIRST = Policy.FIRST_WRITER_WINS


def large(pk: str, characters: int, alphabet: str = "x") -> Change:
    """A change with so much text that does not deflate well, unless the alphabet is one letter."""
    if len(alphabet) == 1:
        return change_of(pk, text=alphabet * characters)
    return change_of(pk, text="".join(random.Random(pk).choices(alphabet, k=characters)))


def unpacked(messages: list[str], dataset: Dataset = ORDERS) -> list[Change]:
    return [change for text in messages for change in unpack(text, dataset)]


@given(strategies.changes())
def test_unpacking_is_the_inverse_of_packing(change: Change) -> None:
    assert unpacked(list(pack(ORDERS, change.home, [change]))) == [change]


def test_what_policies_remember_travels_with_a_row() -> None:
    change = replace(change_of(n=1), state={"a": {"n": {"n": "0", "t": {HOME: ["1", "1"]}}}})
    (text,) = pack(ORDERS, change.home, [change])
    assert json.loads(text)["changes"][0]["state"] == change.state
    assert unpacked([text]) == [change]


@given(st.lists(strategies.changes(HOME), max_size=4))
def test_changes_keep_their_order(changes: list[Change]) -> None:
    assert unpacked(list(pack(ORDERS, HOME, changes))) == changes


def test_no_changes_make_no_message() -> None:
    assert list(pack(ORDERS, HOME, [])) == []


@pytest.mark.parametrize("size", [1, 10_000, 200_000, 399_000])
def test_every_message_is_under_the_limit(size: int) -> None:
    changes = [large(str(n), size) for n in range(5_000_000 // max(size, 1000) % 997)]
    messages = list(pack(ORDERS, PEER, changes))
    assert max(len(text.encode()) for text in messages) <= LIMIT < QUEUE_LIMIT
    assert unpacked(messages) == changes


def test_ten_thousand_changes_make_few_messages() -> None:
    messages = list(pack(ORDERS, PEER, [change_of(f"customer-{n}", n=n, name="x" * 20) for n in range(10_000)]))
    assert len(messages) <= 5


@pytest.mark.parametrize("alphabet", ["\x01", "\x01\x02\x03\x04", "éüñøßæåçþð", "漢字仮名交文"])
def test_a_row_of_the_largest_size_fits_a_message_whatever_its_text(alphabet: str) -> None:
    change = large("a", 400 * 1024 // len(alphabet[0].encode()), alphabet)
    messages = list(pack(ORDERS, PEER, [change]))
    assert max(len(text.encode()) for text in messages) <= LIMIT
    assert unpacked(messages) == [change]


def test_only_a_single_change_over_the_limit_is_deflated() -> None:
    small, big = change_of("s", n=1), large("b", 400 * 1024, "\x01\x02\x03\x04")
    messages = list(pack(ORDERS, PEER, [small, big, small]))
    assert [text.startswith("deflate:") for text in messages] == [False, True, False]
    assert unpacked(messages) == [small, big, small]


def test_a_change_that_fits_no_message_is_refused_by_name() -> None:
    change = large("a", 800_000, "".join(map(chr, range(0x100, 0x400))))
    with pytest.raises(ItemTooLarge, match="fits no message"):
        list(pack(ORDERS, PEER, [change]))


def test_a_message_says_what_it_is() -> None:
    (text,) = pack(ORDERS, PEER, [change_of()])
    document = json.loads(text)
    told = {name: document[name] for name in ("format", "dataset", "policies", "home")}
    assert told == {"format": 1, "dataset": "orders", "policies": ORDERS.policies, "home": PEER}


def test_a_message_tells_its_generation_unless_it_is_the_first() -> None:
    (first,) = pack(ORDERS, PEER, [change_of()])
    (second,) = pack(replace(ORDERS, generation=2), PEER, [change_of()])
    assert "generation" not in json.loads(first)
    assert json.loads(second) == {**json.loads(first), "generation": 2}


@pytest.mark.parametrize(
    ("theirs", "ours", "error"),
    [
        # the same policies: the generation says nothing
        (ORDERS, replace(ORDERS, generation=2), None),
        (replace(ORDERS, generation=2), ORDERS, None),
        # other policies: those of the higher generation hold
        (ORDERS, replace(ORDERS, conflict=FIRST, generation=2), None),
        (replace(ORDERS, generation=2), replace(ORDERS, conflict=FIRST, generation=4), None),
        (replace(ORDERS, conflict=FIRST, generation=2), ORDERS, PoliciesAhead),
        (replace(ORDERS, conflict=FIRST, generation=4), replace(ORDERS, generation=2), PoliciesAhead),
        # other policies, and nothing tells which are to hold
        (ORDERS, replace(ORDERS, conflict=FIRST), PoliciesDiffer),
        (replace(ORDERS, generation=3), replace(ORDERS, conflict=FIRST, generation=3), PoliciesDiffer),
    ],
)
def test_the_policies_of_the_higher_generation_hold(
    theirs: Dataset, ours: Dataset, error: type[Exception] | None
) -> None:
    # given: a region that has made a message under its policies
    change = change_of("a", n=1)
    (text,) = pack(theirs, PEER, [change])

    # when / then: another one takes it under its own, lets it wait, or parks it
    if error is None:
        assert unpack(text, ours) == [change]
        return
    with pytest.raises(error):
        unpack(text, ours)


def test_messages_of_earlier_releases_are_read_and_made() -> None:
    change = change_of("a", n=1)
    text = (
        '{"format": 1, "dataset": "orders", "policies": "_k8xwDq2Gmsz", "home": "eu-west-1", "changes": '
        '[{"table":"orders","key":{"pk":{"S":"a"}},"image":{"pk":{"S":"a"},"n":{"N":"1"}},'
        '"version":"1767225600000000.0000000000000000000000000000000001.eu-west-1",'
        '"context":{"eu-west-1":"6474846204000.1"},"source":"1","captured_at":1767225600000000}]}'
    )
    assert list(pack(ORDERS, PEER, [change])) == [text]
    assert unpack(text, ORDERS) == [change]


@pytest.mark.parametrize("before", [[], [800_000], [1_000_000]], ids=["nothing", "a full message", "a deflated one"])
@pytest.mark.parametrize(("beyond", "messages"), [(-1, 1), (1, 2), (2, 2), (3, 2)])
def test_changes_share_a_message_while_it_is_under_the_limit(before: list[int], beyond: int, messages: int) -> None:
    first = [large("first", characters) for characters in before]
    one, other = large("one", 400_000), change_of("other", text="")
    (together,) = pack(ORDERS, PEER, [one, other])
    other = large("other", LIMIT + beyond - len(together))
    packed = list(pack(ORDERS, PEER, [*first, one, other]))
    assert len(packed) == len(first) + messages
    assert max(map(len, packed)) <= LIMIT


def test_composite_keys_travel() -> None:
    dataset = replace(ORDERS, key=KeySchema("pk", KeyType.STRING, "sk", KeyType.BINARY))
    change = change_of("a", n=1)
    key = {**change.key, "sk": {"B": "AP8="}}
    change = replace(change, key=key, image={**(change.image or {}), **key})
    assert unpacked(list(pack(dataset, PEER, [change])), dataset) == [change]
