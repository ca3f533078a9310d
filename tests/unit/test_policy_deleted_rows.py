"""A local write that is settled under policies with memory, and deletions of other regions that are known by then."""

from __future__ import annotations

import pytest

from distributary.domain.errors import Unavailable
from tests.unit.sites import FAR, HOME, PEER, SECOND, item, key
from tests.unit.state_changes import LATER, deleted, put, reborn
from tests.unit.state_sites import StateSite


@pytest.fixture
def site() -> StateSite:
    return StateSite(HOME)


def updated_beneath_a_mark(site: StateSite) -> None:
    """Another region's deletion has marked the row; an application writes it before it is removed."""
    first = put(n=1)
    site.merge(first)
    site.settle_all()
    deletion = deleted(first)
    site.now = LATER + SECOND
    site.interrupt("write", lambda: None, lambda: site.update(n=5))
    site.merge(deletion)
    assert site.present().marked


def test_a_write_of_a_marked_row_is_lost_to_the_deletion_at_once(site: StateSite) -> None:
    # given
    updated_beneath_a_mark(site)
    unmarked: list[bool] = []
    site.interrupt("written", *[lambda: unmarked.append((row := site.row()) is not None and not row.marked)] * 9)

    # when
    settled = site.settle(site.last())

    # then: the row is gone, and never was there without its mark
    assert site.row() is None
    assert not any(unmarked)
    assert not settled.conflict


def test_a_marked_row_that_was_written_twice_is_left_to_the_second_record(site: StateSite) -> None:
    # given
    updated_beneath_a_mark(site)
    first = site.last()
    site.update(n=6)
    written = site.present()

    # when
    site.settle(first)

    # then
    assert site.present() == written


def test_a_write_that_a_deletion_has_taken_leaves_a_row_on_top_of_that_deletion_alone(site: StateSite) -> None:
    # given: a write, then its row's deletion, both not captured; another region's row on top of one of its own
    first = put(n=1)
    site.merge(first)
    site.settle_all()
    deletion = deleted(first)
    site.update(n=9)
    write = site.last()
    site.delete()
    site.merge(deletion)
    site.merge(reborn(deletion, n=2))
    there = site.present()

    # when
    site.settle(write)

    # then
    assert site.present() == there


def test_a_write_on_top_of_a_deletion_is_no_conflict_with_it(site: StateSite) -> None:
    # given: a row on top of a deletion, written again before the first write is captured
    site.merge(deleted(put(n=1)))
    site.put(n=2)
    write = site.last()
    site.update(n=3)

    # when
    site.settle(write)

    # then
    assert site.conflicts == []


def test_a_copy_of_a_row_that_a_deletion_has_not_seen_put_over_a_later_write_is_taken_away_on_record(
    site: StateSite,
) -> None:
    # given: a deletion, and another region's row that it has not seen
    there, first = StateSite(PEER), put(n=1)
    there.merge(first)
    there.settle_all()
    there.update(n=3)
    unseen = there.change()
    site.merge(deleted(first))

    # when: a row is put on top of the deletion, that copy is put over it, and the first of both writes is captured
    site.now = LATER + SECOND
    site.put(n=2)
    write = site.last()
    site.put_image(there.present().image)
    site.settle(write)

    # then: the row shows the write, and the copy is on record as what the deletion has taken
    assert site.number == "2"
    (conflict,) = site.conflicts
    assert (conflict.key, conflict.arriving.version) == (key(), unseen.version)


def test_a_row_that_we_took_for_one_from_before_a_deletion_is_put_back(site: StateSite) -> None:
    # given: a copy of a deleted row that an application has put back, and that a repeated deletion has removed
    first = put(n=1)
    deletion = deleted(first)
    site.merge(first)
    site.settle_all()
    copy = site.present().image
    site.merge(deletion)
    site.settle_all()
    site.now += 600 * SECOND
    site.put_image(copy)
    put_back = site.last()
    site.merge(deletion)
    assert site.row() is None

    # when
    settled = site.settle(put_back)

    # then
    assert settled.change is not None
    assert site.state() == (item(n=1), settled.change.version)
    assert not settled.conflict


def test_an_insert_of_ours_that_a_deletion_overtook_is_removed_when_its_record_comes(site: StateSite) -> None:
    # given: a deletion that comes after a call has looked and before it inserts; that call then ends
    deletion = deleted(put(FAR, n=1))
    site.interrupt("write", lambda: site.merge(deletion))
    site.fail("written", Unavailable("gone"))
    change = put(PEER, n=3)
    with pytest.raises(Unavailable):
        site.merge(change)
    assert site.row() is not None

    # when
    site.settle(site.last())

    # then
    assert site.row() is None
    (conflict,) = site.conflicts
    assert (conflict.key, conflict.arriving.version) == (key(), change.version)
