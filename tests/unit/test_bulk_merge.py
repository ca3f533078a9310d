"""What is plain in many messages goes in at once, and a message that must not go in keeps none of the others back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from distributary.domain.block import Block, Taken, blocks_of
from distributary.domain.change import TRUSTED_AGE, Change
from distributary.domain.errors import DistributaryError, Unavailable, UnknownTable
from distributary.domain.facts import ApplyReport
from distributary.domain.merge import Effect
from distributary.services.bulk_merge import SIZE, BulkMerge
from tests.unit.sites import FAR, NOW, PEER, SECOND
from tests.unit.stamped_sites import deletion_of, put_of

DRIFT = 60 * SECOND
LATER = NOW + SECOND


@dataclass
class Rows:
    """`ports.Bulk` of a table where everything is plain, but for some places; trouble: what every call meets."""

    left: tuple[int, ...] = ()
    trouble: DistributaryError | None = None
    blocks: list[Block] = field(default_factory=list)

    def take(self, block: Block) -> Taken:
        if self.trouble is not None:
            raise self.trouble
        self.blocks.append(block)
        left = [at for at in self.left if at < len(block)]
        return Taken(inserted=len(block) - len(left), left=left)

    def outlived(self, block: Block) -> tuple[int, ...]:
        del block
        return ()

    @property
    def taken(self) -> list[Change]:
        return [change for block in self.blocks for change in block.changes()]


def merge(
    rows: Rows, *messages: list[Change], enough_time: bool = True
) -> tuple[list[tuple[int, Change]], ApplyReport]:
    """Merge messages: what is left, each with its message, and the report."""
    report = ApplyReport()
    opened = [(at, block) for at, changes in enumerate(messages) for block in blocks_of(changes)]
    bulk = BulkMerge(lambda _: rows, lambda: LATER, DRIFT)
    return list(bulk.run(opened, lambda: enough_time, report)), report


def test_blocks_of_many_messages_are_one_statement() -> None:
    rows = Rows()
    left, report = merge(rows, [put_of("a")], [put_of("b"), put_of("c")])
    assert (left, [len(block) for block in rows.blocks]) == ([], [3])
    assert report.effects == {Effect.INSERTED: 3}
    assert report.homes == {PEER: 3}
    assert report.lags == [SECOND] * 3


def test_of_states_of_a_row_the_one_on_top_of_the_newer_deletion_is_merged_whatever_the_versions_say() -> None:
    """An insert that could not see the deletion of its key leaves no trace, and the clock may step back after that."""
    rows = Rows()
    unseeing = replace(put_of("a", n=1, at=NOW + 5), state={})
    again = replace(put_of("a", n=2, at=NOW + 3), state={"i": f"{NOW:x}.0.{PEER}"})
    for messages in ([unseeing, again], [again, unseeing]):
        merge(rows, *([each] for each in messages))
    assert rows.taken == [again, again]


@pytest.mark.parametrize(("generation", "taken"), [(1, 0), (2, 1), (3, 1)])
def test_rows_of_later_policies_are_left_to_those_who_know_that_they_have_to_wait(generation: int, taken: int) -> None:
    rows, changes = Rows(), [replace(put_of("a"), state={"g": "2"})]
    bulk = BulkMerge(lambda _: rows, lambda: LATER, DRIFT, generation)
    left = list(bulk.run([(0, block) for block in blocks_of(changes)], lambda: True, ApplyReport()))
    assert (len(rows.taken), len(left)) == (taken, 1 - taken)


def test_what_is_left_comes_back_with_its_message() -> None:
    b, c = put_of("b", at=NOW - SECOND), put_of("c", at=NOW - SECOND)
    left, report = merge(Rows(left=(1, 2)), [put_of("a"), b], [c, put_of("d")])
    assert left == [(0, b), (1, c)]
    assert (report.homes, report.lags) == ({PEER: 2}, [SECOND, SECOND])


def test_of_a_row_that_came_twice_the_later_state_is_merged() -> None:
    rows = Rows()
    newer, older = put_of("a", n=2, at=NOW + 1), put_of("a", n=1)
    _, report = merge(rows, [newer], [put_of("b", n=1), older])
    assert sorted(change.version for change in rows.taken) == [put_of("b").version, newer.version]
    assert report.effects == {Effect.INSERTED: 2, Effect.KEPT: 1}


def test_puts_and_deletions_and_tables_and_homes_go_apart() -> None:
    rows = Rows()
    other = replace(put_of("a"), table='"public"."lines"')
    merge(rows, [put_of("a"), deletion_of("b"), other], [put_of("a", home=FAR)])
    assert [len(block) for block in rows.blocks] == [1, 1, 1, 1]


def test_a_large_batch_goes_in_parts() -> None:
    rows = Rows()
    left, _ = merge(rows, [put_of(str(n)) for n in range(SIZE + 1)])
    assert ([len(block) for block in rows.blocks], left) == ([SIZE, 1], [])


@pytest.mark.parametrize("trouble", [Unavailable("no answer"), UnknownTable("t")], ids=repr)
def test_trouble_leaves_each_change_to_its_decision(trouble: DistributaryError) -> None:
    left, report = merge(Rows(trouble=trouble), [put_of("a"), put_of("b")])
    assert left == [(0, put_of("a")), (0, put_of("b"))]
    assert report == ApplyReport()


def test_without_time_each_change_is_left() -> None:
    rows = Rows()
    left, _ = merge(rows, [put_of("a")], [put_of("b")], enough_time=False)
    assert (left, rows.blocks) == ([(0, put_of("a")), (1, put_of("b"))], [])


def test_a_block_of_nothing_asks_for_nothing() -> None:
    rows, report = Rows(), ApplyReport()
    (block,) = blocks_of([put_of()])
    bulk = BulkMerge(lambda _: rows, lambda: LATER, DRIFT)
    assert list(bulk.run([(0, block.slice(0, 0))], lambda: True, report)) == []
    assert rows.blocks == []


# --- changes that no statement may take


def test_changes_under_way_for_too_long_are_left() -> None:
    rows = Rows()
    stale = replace(put_of("a"), captured_at=LATER - TRUSTED_AGE - 1)
    left, _ = merge(rows, [stale])
    assert (left, rows.blocks) == ([(0, stale)], [])


def test_beside_an_old_message_every_change_keeps_its_own_age() -> None:
    stale = replace(put_of("a"), captured_at=LATER - TRUSTED_AGE - 1)
    left, _ = merge(Rows(), [put_of("b")], [stale], [put_of("c")])
    assert left == [(0, put_of("b")), (1, stale), (2, put_of("c"))]


def test_what_is_left_keeps_the_age_of_its_message() -> None:
    older = replace(put_of("a"), captured_at=NOW - SECOND)
    left, _ = merge(Rows(left=(0, 1)), [put_of("b")], [older])
    assert left == [(0, put_of("b")), (1, older)]


def test_a_change_just_young_enough_is_merged() -> None:
    rows = Rows()
    left, _ = merge(rows, [replace(put_of("a"), captured_at=LATER - TRUSTED_AGE)])
    assert (left, len(rows.taken)) == ([], 1)


def test_a_version_from_the_future_is_left() -> None:
    rows = Rows()
    left, _ = merge(rows, [put_of("a", at=LATER + DRIFT + 1)])
    assert (left, rows.blocks) == ([(0, put_of("a", at=LATER + DRIFT + 1))], [])


def test_a_version_just_within_the_drift_is_merged() -> None:
    rows = Rows()
    left, report = merge(rows, [put_of("a", at=LATER + DRIFT)])
    assert (left, report.lags) == ([], [0])
