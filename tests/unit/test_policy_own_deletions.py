"""A deletion of this region under policies with memory: what it takes from its home row, and when it is shipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change
from distributary.domain.errors import Unavailable
from distributary.domain.origin import Origin
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, item, key
from tests.unit.state_changes import LATER, deleted, put, reborn
from tests.unit.state_sites import StateSite


@pytest.fixture
def site() -> StateSite:
    """A settled row that an application has deleted; the deletion is not captured yet."""
    site = StateSite(HOME)
    site.put(n=1)
    site.settle_all()
    site.delete()
    return site


def test_another_regions_row_that_came_before_it_was_captured_is_taken_on_record(site: StateSite) -> None:
    # given
    deletion, row = site.last(), put(FAR, at=LATER, n=4)
    site.merge(row)

    # when
    settled = site.settle(deletion)

    # then
    assert site.row() is None
    assert settled.change is not None
    (conflict,) = site.conflicts
    assert conflict.key == key()
    assert (conflict.arriving.version, conflict.present.version) == (row.version, settled.change.version)


def test_a_row_that_was_put_again_since_is_left_to_its_own_record(site: StateSite) -> None:
    deletion = site.last()
    site.put(n=2)
    site.settle(deletion)
    assert site.content() == item(n=2)


def test_a_row_on_top_of_it_stays_when_it_is_captured_again(site: StateSite) -> None:
    # given: another region's row on top of it
    record = site.last()
    deletion = site.change()
    site.merge(reborn(deletion, n=4))

    # when
    site.settle(record)

    # then
    assert site.content() == item(n=4)


def marked_by_another(site: StateSite) -> None:
    """Another region's row came before the deletion was captured; a call has marked it for removal, and ended."""
    row = put(FAR, n=4)
    site.merge(row)
    site.fail("written", Unavailable("gone"))
    with pytest.raises(Unavailable):
        site.merge(deleted(row))
    assert site.present().marked


def test_a_row_that_is_marked_is_removed(site: StateSite) -> None:
    deletion = site.last()
    marked_by_another(site)
    site.settle(deletion)
    assert site.row() is None


def test_a_row_that_was_written_since_it_was_marked_is_left_to_its_own_record(site: StateSite) -> None:
    deletion = site.last()
    marked_by_another(site)
    site.update(n=9)
    site.settle(deletion)
    assert site.content() == item(n=9)


# --- with a row on top of it


def put_again(site: StateSite) -> tuple[Change, Change]:
    """What is shipped of the deletion and of a row on top of it, each captured by itself."""
    site.put(n=2)
    deletion, again = site.changes()
    return deletion, again


def test_it_is_shipped_also_where_it_is_captured_with_the_row_that_was_put_on_top_of_it(site: StateSite) -> None:
    # given: the same history twice
    twin = StateSite(HOME)
    twin.put(n=1)
    twin.settle_all()
    twin.delete()
    expected = put_again(twin)

    # when: here both are captured at once
    deletion = site.last()
    site.put(n=2)
    together = site.settle_together([deletion, site.last()])

    # then
    assert tuple(each.change for each in together) == expected
    assert together[0].origin is Origin.DELETED


def test_it_is_shipped_again_where_it_is_captured_again_after_the_row_that_was_put_on_top_of_it(
    site: StateSite,
) -> None:
    record = site.last()
    deletion, _ = put_again(site)
    assert site.settle(record).change == deletion


def test_it_is_not_taken_for_a_deletion_of_another_region_that_has_the_number_of_its_record(site: StateSite) -> None:
    # given: a newer deletion, of another region's record of the same number
    record = site.last()
    site.settle_all()
    there = StateSite(PEER, now=NOW + 50 * SECOND)
    there.put(n=1)
    there.settle_all()
    there.delete()
    (*_, other) = there.changes()
    site.merge(other)
    site.put(n=2)
    site.settle_all()
    assert other.version.sequence == record.sequence

    # when, then
    assert site.settle(record).change is None


@pytest.mark.parametrize("lag", [0, 5 * SECOND])
def test_it_is_shipped_and_takes_an_unseen_row_though_its_own_version_is_beyond_what_the_clock_bears(lag: int) -> None:
    # given: a row of a version as far ahead as is borne, deleted, and another region's row in its place
    site = StateSite(HOME)
    version = Version(site.now + site.dataset.max_clock_drift, 1, PEER)
    site.merge(replace(put(PEER, a=1), version=version, context=NOTHING_SEEN.including(version)))
    site.settle_all()
    site.table.write(key(), None)
    deletion = site.last()
    site.merge(put(FAR, at=LATER, a=2))

    # when: it is captured by a clock that is as far behind the stream's
    site.now -= lag
    change = site.settle(deletion).change

    # then
    assert change is not None
    assert change.version > version
    assert site.row() is None
