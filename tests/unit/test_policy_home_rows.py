"""What a local write finds in its home row when it is settled under policies with memory, and what it leaves there."""

from __future__ import annotations

import pytest

from distributary.domain.errors import Unavailable
from distributary.domain.notation import Notation
from distributary.domain.origin import Origin
from distributary.domain.policy_settlement import settle_states
from distributary.domain.row_state import StateLattice
from distributary.domain.settlement import Settled
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, item, key
from tests.unit.state_changes import LATER, deleted, put, reborn
from tests.unit.state_sites import STOCK, StateSite


@pytest.fixture
def site() -> StateSite:
    return StateSite(HOME)


# --- the row is as the record says


def test_a_row_that_is_as_in_its_record_is_settled_without_a_look(site: StateSite) -> None:
    site.put(n=1)
    site.settle(site.last())
    assert "look" not in site.accesses


def test_a_write_that_met_nothing_is_told_as_it_is(site: StateSite) -> None:
    site.put(n=1)
    settled = site.settle(site.last())
    assert settled == Settled(Origin.UNSTAMPED, settled.change, conflict=False)


def test_a_record_that_comes_again_is_told_of_in_the_same_words(site: StateSite) -> None:
    site.put(n=1)
    record = site.last()
    assert site.settle(record) == site.settle(record)


def test_an_attribute_that_is_added_in_the_very_moment_stays_where_the_stamp_alone_is_written(site: StateSite) -> None:
    site.put(a=1)
    site.interrupt("write", lambda: site.update(b=2))
    site.settle(site.last())
    assert site.content() == item(a=1, b=2)


def test_a_version_that_was_believed_as_it_was_merged_is_believed_when_its_row_is_written(site: StateSite) -> None:
    # given: a version as far ahead as is borne at the end of a second, of which records tell only the beginning
    ahead = put(PEER, at=NOW + 59 * SECOND, n=1)
    site.now = NOW + SECOND - 1
    site.merge(ahead)
    site.settle_all()

    # when: an application writes the row in that second
    site.table.write(key(), {**site.present().image, "n": {"N": "2"}})

    # then
    change = site.change()
    assert site.last().created_at == NOW
    assert change.version > ahead.version


def test_deletions_by_the_time_to_live_are_shipped_unless_they_are_to_stay(site: StateSite) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete(expired=True)
    lattice = StateLattice(STOCK.policies_of(), Notation.DYNAMODB)
    (settled,) = site._decided(key(), settle_states([site.last()], site.place(), lattice))
    assert settled.change is not None


# --- the application has written the row again


def test_a_row_that_was_written_again_is_left_to_its_own_record(site: StateSite) -> None:
    # given
    site.put(n=1)
    first = site.last()
    site.update(n=2)
    written = site.present()

    # when
    settled = site.settle(first)

    # then
    assert (site.present(), settled.conflict) == (written, False)


def test_a_row_that_was_written_again_on_top_of_a_newer_change_is_left_alone_though_it_looks_the_same(
    site: StateSite,
) -> None:
    # given: a write, another region's change that took its place, and the content of the first once more
    site.put(n=1)
    first = site.last()
    site.merge(put(FAR, at=NOW + 10 * SECOND, n=5), take_unsettled=True)
    site.update(n=1)
    written = site.present()

    # when
    site.settle(first)

    # then
    assert site.present() == written


def test_a_row_that_was_put_again_with_a_stale_stamp_shows_the_state(site: StateSite) -> None:
    # given: the same content, beneath a stamping writer's stamp that is older than the write
    site.put(a=1)
    first = site.last()
    site.put_stamped(timestamp=NOW - SECOND, a=1)

    # when: and an attribute is added as the row is written
    site.interrupt("write", lambda: None, lambda: site.update(b=2))
    settled = site.settle(first)

    # then
    assert settled.change is not None
    assert (site.present().version, site.content()) == (settled.change.version, item(a=1, b=2))
    assert not settled.conflict


def test_a_stale_copy_that_was_put_over_a_write_is_no_conflict_with_it(site: StateSite) -> None:
    # given
    site.put(n=1)
    site.settle_all()
    stale = site.present().image
    site.update(n=5)
    update = site.last()
    site.put_image(stale)

    # when
    settled = site.settle(update)

    # then
    assert (settled.conflict, site.conflicts) == (False, [])


def test_a_copy_of_another_regions_mark_is_no_reason_to_remove_the_row(site: StateSite) -> None:
    # given: a row that another region has marked for removal, copied over a write of this one
    there = StateSite(FAR)
    first = put(PEER, n=5)
    there.merge(first)
    there.fail("written", Unavailable("gone"))
    with pytest.raises(Unavailable):
        there.merge(deleted(first, PEER, at=NOW))
    site.now = LATER
    site.put(n=1)
    write = site.last()
    site.put_image(there.present().image)

    # when
    site.settle(write)

    # then
    assert site.number == "1"


def test_a_copy_of_a_row_on_top_of_a_deletion_that_is_not_known_here_gives_way_to_a_newer_write(
    site: StateSite,
) -> None:
    # given
    there = StateSite(FAR)
    there.merge(reborn(deleted(put(n=5)), n=7))
    site.now = LATER + 10 * SECOND
    site.put(n=1)
    write = site.last()
    site.put_image(there.present().image)

    # when
    site.settle(write)

    # then
    assert site.number == "1"
