"""Rows that are told alike are split together, into just the values that each of them has by itself."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from distributary.adapters.aurora.alike import HEAD, MANY, columns_of, columns_together, values_of
from distributary.adapters.aurora.messages import Column, Insert, NoText, Relation, ReplicaIdentity, Value
from tests.unit.pgoutput_bytes import encoded

WIDTH = 4
COLUMNS = tuple(Column(name, 25, -1, is_key=False) for name in "abcd")
TABLE = Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, COLUMNS)

texts = st.text(st.sampled_from("ntuIN\x01\x05é"), max_size=4)
"""What stands in messages beside values, too."""

whole_rows = st.tuples(texts, *[texts | st.just(NoText.NULL)] * (WIDTH - 1))


def row(*values: Value) -> bytes:
    return encoded(Insert(None, TABLE, values))


@st.composite
def rows(draw: st.DrawFn) -> list[bytes]:
    """Rows of which most have the same columns, and one may be damaged or cut."""
    values = draw(whole_rows)
    others = draw(st.lists(whole_rows | st.tuples(*[texts | st.sampled_from(NoText)] * WIDTH), max_size=3))
    messages = draw(st.permutations([row(*values), row(*values), *(row(*each) for each in others)]))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(messages) - 1))
        damaged = bytearray(messages[at])
        damaged[draw(st.integers(HEAD, len(damaged) - 1))] = draw(st.sampled_from(b"\0\1\5ntu") | st.integers(0, 255))
        messages[at] = bytes(damaged[: draw(st.integers(HEAD, len(damaged)) | st.just(len(damaged)))])
    return messages


def one_by_one(messages: Sequence[bytes]) -> list[list[bytes | None] | None]:
    return [values_of(each, WIDTH) for each in messages]


NULL = NoText.NULL
ROW = row("a", "b", "c", "d")


@given(rows())
@example([row("a", NULL, "b", "c"), row("an", "b", NULL, "c")])
@example([row("a", NULL, "b", "c"), row("a", "bn", NULL, "c")])
@example([row("a", NULL, "b", "c"), row("a", NoText.UNCHANGED, "b", "c")])
@example([ROW, ROW + b"\0" + ROW])
@example([ROW, ROW[:HEAD] + b"x", ROW + b"\0" + ROW])
def test_what_is_split_together_is_what_each_row_has(messages: list[bytes]) -> None:
    # given: that all are told to be like the first
    first = values_of(messages[0], WIDTH) or [b""] * WIDTH
    present = tuple(value is not None for value in first)
    # when
    columns = columns_together(messages, present) if any(present) else None
    # then
    assert columns is None or list(map(list, zip(*columns, strict=True))) == one_by_one(messages)


@given(st.lists(st.tuples(*[texts] * WIDTH), min_size=1), st.tuples(*[st.booleans()] * WIDTH).filter(any))
@example([("0123456789", "", "", "")], (True,) * WIDTH)  # a length is no character, although ten is the end of a line
def test_rows_that_are_alike_are_split_together(told: list[tuple[str, ...]], present: tuple[bool, ...]) -> None:
    # given
    values = [[text if there else NULL for text, there in zip(each, present, strict=True)] for each in told]
    messages = [row(*each) for each in values]
    # when
    columns = columns_together(messages, present)
    # then
    assert columns is not None
    assert list(map(list, zip(*columns, strict=True))) == one_by_one(messages)


@given(rows(), st.sampled_from([1, MANY]))
def test_columns_are_those_of_all_rows_or_none(messages: list[bytes], times: int) -> None:
    # given
    told = one_by_one(messages * times)
    # when
    columns = columns_of(messages * times, WIDTH)
    # then
    if None in told:
        assert columns is None
    else:
        assert columns is not None
        assert list(map(list, zip(*columns, strict=True))) == told
