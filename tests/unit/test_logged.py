"""Of the writes of a row the last one travels, as a new row if any of them made it one, and the order of rows stays."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.block import blocks_of
from distributary.domain.logged import Logged, LoggedBlock, Portion, last_states
from tests.unit.capture_world import World

WORLD = World()
write = WORLD.write

writes = st.builds(
    lambda key, value, inserted, missing: write(key, value, inserted=inserted, missing=missing),
    st.integers(0, 3),
    st.none() | st.just("x"),
    st.booleans(),
    st.sampled_from([(), ("big",)]),
)


def row_of(logged: Logged) -> tuple[str, str]:
    return logged.change.table, logged.change.row


def test_no_writes_have_no_last_states() -> None:
    assert last_states([]) == []


def test_writes_of_different_rows_all_stay_in_their_order() -> None:
    some = [write(2), write(1), write(3, None)]
    assert last_states(some) == some


def test_the_last_write_of_a_row_stays_where_it_is() -> None:
    first, other, last = write(1, "a"), write(2), write(1, "b")
    assert last_states([first, other, last]) == [other, last]


def test_a_row_that_was_inserted_and_updated_is_still_a_new_one() -> None:
    first, last = write(1, "a", inserted=True), write(1, "b")
    assert last_states([first, last]) == [replace(last, inserted=True)]


def test_a_row_that_was_deleted_and_inserted_again_is_a_new_one() -> None:
    deletion, again = write(1, None), write(1, "b", inserted=True)
    assert last_states([write(1), deletion, again]) == [again]


def test_a_row_that_was_inserted_and_deleted_travels_as_its_deletion() -> None:
    (last,) = last_states([write(1, inserted=True), write(1, None)])
    assert last.change.image is None


def test_an_update_of_an_old_row_makes_no_new_one() -> None:
    (last,) = last_states([write(1, "a"), write(1, "b")])
    assert not last.inserted


def test_columns_that_the_last_write_leaves_out_are_looked_for_whatever_an_earlier_one_told() -> None:
    (last,) = last_states([write(1, "a", inserted=True), write(1, "b", missing=("big",))])
    assert (last.missing, last.inserted) == (("big",), True)


def test_one_key_in_two_tables_is_two_rows() -> None:
    here = write(1)
    there = replace(here, change=replace(here.change, table='"public"."lines"'))
    assert last_states([here, there]) == [here, there]


def test_keys_of_several_columns_are_one_row_in_whatever_order_they_are_told() -> None:
    key = {"a": {"S": "1"}, "b": {"S": "2"}}
    first, last = (replace(each, change=replace(each.change, key=key)) for each in (write(1), write(1)))
    turned = replace(last, change=replace(last.change, key=dict(reversed(key.items()))))
    assert last_states([first, turned]) == [turned]


def test_keys_whose_texts_run_together_are_two_rows() -> None:
    left, right = {"a": {"S": "1"}, "b": {"S": "12"}}, {"a": {"S": "11"}, "b": {"S": "2"}}
    some = [replace(write(1), change=replace(write(1).change, key=key)) for key in (left, right)]
    assert last_states(some) == some


@given(st.lists(writes, max_size=12))
def test_each_row_has_one_last_state(some: list[Logged]) -> None:
    last = {row_of(each): each for each in some}
    kept = last_states(some)
    assert {row_of(each): each.change for each in kept} == {row: each.change for row, each in last.items()}
    assert len(kept) == len(last)
    for each in kept:
        assert each.inserted == any(other.inserted for other in some if row_of(other) == row_of(each))


@given(st.lists(writes, max_size=12))
def test_last_states_keep_the_order_of_the_log(some: list[Logged]) -> None:
    versions = [each.change.version for each in last_states(some)]
    assert versions == sorted(versions)


@given(st.lists(writes, max_size=12))
def test_last_states_are_their_own_last_states(some: list[Logged]) -> None:
    kept = last_states(some)
    assert last_states(kept) == kept


def test_the_writes_of_a_block_are_those_that_it_was_made_of() -> None:
    some = [write(1), write(2, inserted=True), write(3)]
    (block,) = blocks_of(each.change for each in some)
    stamped = [replace(each, stamp=stamp) for each, stamp in zip(some, block.stamps, strict=True)]
    assert list(LoggedBlock(block, inserted=(1,)).writes()) == stamped


def test_a_portion_of_nothing_tells_of_nothing() -> None:
    assert Portion() == Portion((), 0, (), (), None, "")
