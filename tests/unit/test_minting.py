"""A local write is given the same version however often it is captured, above all that it was made on top of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change, StreamRecord
from distributary.domain.memory import deleted_before
from distributary.domain.merge import Effect
from distributary.domain.origin import Origin
from distributary.domain.row import Row, State, Tombstone
from distributary.domain.settlement import Settled
from distributary.domain.version import STAMPING_SEQUENCE, Context, Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, deletion_of, item, knowing, stamp_image


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def shipped(site: Site, index: int) -> Change:
    """What capture ships for one record of the stream."""
    change = site.settle(site.table.stream[index]).change
    assert change is not None
    return change


def test_a_write_has_its_records_time_sequence_and_region(site: Site) -> None:
    site.put(n=1)
    record = site.last()
    assert shipped(site, 0).version == Version(record.created_at, record.sequence, HOME)


def test_a_retry_mints_the_same_version(site: Site) -> None:
    site.put(n=1)
    first = shipped(site, 0)
    site.now += 3600 * SECOND
    assert replace(shipped(site, 0), captured_at=first.captured_at) == first


@pytest.mark.parametrize("moment", ["written", "look", "write"])
def test_a_retry_mints_the_same_version_if_the_first_try_ended_in_the_middle(site: Site, moment: str) -> None:
    site.merge(change_of(n=0, at=NOW + 60 * SECOND - 1))
    site.settle_all()
    site.update(n=1)
    record = site.last()
    before = len(site.table.stream)

    def crash() -> None:
        raise KeyboardInterrupt

    site.interrupt(moment, crash)
    versions = []
    for _ in range(3):
        try:
            settled = site.settle(record)
        except KeyboardInterrupt:
            continue
        versions.append(settled.change.version if settled.change else None)
    assert len(set(versions)) == 1
    assert versions[0] is not None
    assert len(site.table.stream) <= before + 1


@pytest.mark.parametrize("later", ["put", "update", "delete"])
def test_a_retry_mints_the_same_version_after_the_row_was_written_again(site: Site, later: str) -> None:
    site.put(n=1)
    first = shipped(site, 0)
    match later:
        case "put":
            site.put(n=2)
        case "update":
            site.update(n=2)
        case _:
            site.delete()
    assert shipped(site, 0).version == first.version


def test_a_retry_mints_the_same_version_after_another_region_replaced_the_row(site: Site) -> None:
    site.put(n=1)
    first = shipped(site, 0)
    site.merge(change_of(n=2, at=NOW + 30 * SECOND))
    assert shipped(site, 0).version == first.version


def test_a_retry_mints_the_same_version_after_another_region_deleted_the_row(site: Site) -> None:
    site.put(n=1)
    first = shipped(site, 0)
    site.merge(deletion_of(at=NOW + 30 * SECOND))
    assert site.row() is None
    assert shipped(site, 0).version == first.version


def test_a_retry_of_a_deletion_mints_the_same_version(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    index = len(site.table.stream) - 1
    first = shipped(site, index)
    site.put(n=2)
    assert shipped(site, index).version == first.version


def test_a_record_that_a_later_one_has_overtaken_ships_nothing(site: Site) -> None:
    site.put(n=1)
    site.put(n=2)
    shipped(site, 1)
    assert site.settle(site.table.stream[0]) == Settled(Origin.UNSTAMPED)
    assert site.content() == item(n=2)


def test_a_write_on_top_of_a_newer_clock_is_above_it(site: Site) -> None:
    ahead = change_of(n=1, at=NOW + 50 * SECOND)
    site.merge(ahead)
    site.update(n=2)
    (change,) = site.changes()
    assert change.version > ahead.version
    assert change.context.covers(ahead.version)


def test_an_insert_on_top_of_a_tombstone_is_above_it(site: Site) -> None:
    deletion = deletion_of(at=NOW + 50 * SECOND)
    site.merge(deletion)
    site.put(n=1)
    change = site.change()
    assert change.version > deletion.version
    assert change.context.covers(deletion.version)
    assert site.content() == item(n=1)


def test_an_insert_before_a_tombstone_arrived_is_not_above_it(site: Site) -> None:
    site.put(n=1)
    site.now += 10 * SECOND
    deletion = deletion_of(at=NOW + 50 * SECOND)
    away = Site(HOME, now=site.now)  # the same region, before the insert could be seen
    away.merge(deletion)
    site.replica.tombstones.update(away.replica.tombstones)
    change = site.change()
    assert change.version < deletion.version
    assert site.row() is None


def test_an_insert_on_top_of_this_regions_own_deletion_is_above_it_though_the_seconds_are_equal(site: Site) -> None:
    site.put(n=1)
    site.table.granularity = 3600 * SECOND
    site.delete()
    site.put(n=2)
    versions = [change.version for change in site.changes()]
    assert versions == sorted(versions)
    assert site.content() == item(n=2)


def test_an_insert_on_top_of_its_own_regions_deletion_has_seen_what_that_had_though_it_was_noted_late(
    site: Site,
) -> None:
    # given: a deletion of another region, and a row on top of it that is deleted and put again
    theirs = deletion_of(at=NOW - SECOND)
    site.merge(theirs)
    site.put(n=1)
    site.settle_all()
    site.delete()
    site.put(n=2)
    # when: the deletion is captured long after
    site.now += 60 * SECOND
    change = site.changes()[-1]
    # then
    assert change.context.covers(theirs.version)


def test_a_retry_says_what_an_update_was_made_on_top_of_though_nothing_had_a_stamp_then(site: Site) -> None:
    # given: another region's row, put anew without its stamp and updated before that was captured
    theirs = change_of(n=0, at=NOW - SECOND)
    site.merge(theirs)
    site.settle_all()
    site.put(n=1)
    site.update(n=2)
    put, update = site.table.stream[-2:]
    site.settle(put)
    # when
    first, again = site.settle(update).change, site.settle(update).change
    # then
    assert first is not None
    assert first.context.covers(theirs.version)
    assert again == first


def test_an_update_has_not_seen_a_row_of_elsewhere_that_was_put_over_it_since(site: Site) -> None:
    # given: an update that nothing had a stamp before, and a changed copy of another region's row over it
    site.put(n=1)
    site.update(n=2)
    theirs = change_of(n=0, at=NOW - SECOND)
    there = Site(FAR)
    there.merge(theirs)
    there.settle_all()
    site.put_image({**there.present().image, "n": {"N": "3"}})
    # when
    _, update, _ = site.table.stream
    change = site.settle(update).change
    # then
    assert change is not None
    assert not change.context.covers(theirs.version)


def test_an_update_has_not_seen_the_row_that_the_put_before_it_was_shown_over(site: Site) -> None:
    # given: a put, its update and deletion, and another region's older row that comes before they are captured
    site.put(n=1)
    site.update(n=2)
    site.delete()
    theirs = change_of(n=0, at=NOW - SECOND)
    site.merge(theirs)
    put, update = site.table.stream[:2]
    # when: the put is shown over that
    site.settle(put)
    assert site.present().context.covers(theirs.version)
    change = site.settle(update).change
    # then
    assert change is not None
    assert not change.context.covers(theirs.version)


def test_a_record_that_a_deletion_overtakes_as_it_is_settled_ships_nothing(site: Site) -> None:
    site.put(n=1)
    put = site.last()

    def overtake() -> None:
        site.delete()
        site.settle(site.last())

    site.interrupt("written", overtake)
    assert site.settle(put).change is None


def test_writes_within_one_second_keep_their_order(site: Site) -> None:
    site.table.granularity = 3600 * SECOND
    for n in range(5):
        site.put(n=n)
        site.delete() if n % 2 else site.update(m=n)
    versions = [change.version for change in site.changes()]
    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions) == 10


def test_writes_within_one_second_share_its_time(site: Site) -> None:
    site.table.granularity = 3600 * SECOND
    site.put(n=1)
    site.update(n=2)
    site.put(n=3)
    assert len({change.version.timestamp for change in site.changes()}) == 1


def test_a_put_that_drops_the_stamp_was_made_in_sight_of_it(site: Site) -> None:
    seen = change_of(n=0)
    site.merge(seen)
    site.settle_all()
    site.put(n=1)
    assert site.change().context.covers(seen.version)


def test_a_write_is_above_what_only_the_tombstone_remembers_though_its_row_is_there_again(site: Site) -> None:
    site.merge(change_of(n=0, at=NOW + 50 * SECOND))
    site.settle_all()
    site.put(n=1)
    first = site.last()
    site.put(n=2)
    second = site.last()
    site.delete()
    noted = site.settle(first).change
    site.put(n=2)
    change = site.settle(second).change
    assert noted is not None
    assert change is not None
    assert change.version > noted.version


def test_a_retry_mints_what_only_the_tombstone_remembers_though_its_row_is_there_again(site: Site) -> None:
    # given: two writes above a clock that is ahead, captured after their row was deleted
    site.merge(change_of(n=0, at=NOW + 50 * SECOND))
    site.settle_all()
    site.put(n=1)
    first = site.last()
    site.put(n=2)
    second = site.last()
    site.delete()
    site.settle(first)
    noted = site.settle(second).change
    # when: the second is captured again, over a row that looks as it left it
    site.put(n=2)
    again = site.settle(second).change
    assert noted is not None
    assert again is not None
    assert again.version == noted.version


def test_a_write_is_above_what_its_own_stamp_has_seen_of_this_region(site: Site) -> None:
    seen = Version(NOW + 30 * SECOND, 0, HOME)
    site.put_image(stamp_image(item(n=1), Version(NOW, 1, PEER), Context().including(seen)))
    assert site.change().version > seen


@pytest.mark.parametrize(("ticks", "extra", "first"), [(-9, 0, True), (0, 0, True), (1, 0, True), (1, 1, False)])
def test_a_tombstone_was_there_first_if_it_came_before_the_end_of_the_inserts_tick(
    ticks: int, extra: int, first: bool
) -> None:
    record = StreamRecord(item(), None, Row(item(n=1)), 7, NOW)
    tombstone = Tombstone(deletion_of().version, arrived_at=NOW + ticks * SECOND + extra)
    assert (deleted_before(record, State(record.new, tombstone), HOME) is tombstone) is first


# --- stamping writers


def test_a_stamping_writers_version_is_above_a_stream_record_of_the_same_microsecond(site: Site) -> None:
    site.put_stamped(n=1, timestamp=NOW + SECOND)
    assert site.change().version.sequence >= STAMPING_SEQUENCE


@pytest.mark.parametrize("stamping", [False, True])
@pytest.mark.parametrize("writes", [1, 2])
def test_a_write_that_the_row_still_shows_was_not_overtaken_by_a_higher_version(
    site: Site, *, stamping: bool, writes: int
) -> None:
    # given: a stamping writer's row that a peer has deleted, and a clock that steps back
    site.put_stamped(n=0, timestamp=NOW + 20 * SECOND)
    before = site.change()
    site.merge(knowing(deletion_of(at=NOW + 20 * SECOND + 1), before.version))
    site.settle_all()
    site.now -= 10 * SECOND
    # when: an application puts the row
    for n in range(1, 1 + writes):
        if stamping:
            site.put_stamped(n=n)
        else:
            site.put(n=n)
    record = site.last()
    shipped_ones = site.changes()
    # then: it is shipped, above what was there before, and under the same version when it is captured again
    assert shipped_ones[-1].image == item(n=writes)
    assert shipped_ones[-1].version > before.version
    again = site.settle(record).change
    assert again is None or again.version == shipped_ones[-1].version


def test_an_insert_that_is_captured_again_after_its_deletion_looks_like_a_copy_that_was_put_over_that() -> None:
    # given: twice, a stamping writer's row, and a deletion that has seen it, noted in the second in which it was put
    again, copied = Site(HOME), Site(HOME)
    for site in (again, copied):
        site.put_stamped(n=1, timestamp=NOW)
        site.merge(knowing(deletion_of(at=NOW + 1), site.change().version))
    (insert, *_), deletion = again.table.stream, deletion_of(at=NOW + 1)
    assert again.tombstone() == copied.tombstone()
    # when: the insert is captured again here, and there an application puts the row back as it had read it
    first = again.settle(insert).change
    assert insert.new is not None
    copied.put_image(insert.new.image)
    second = copied.change()
    # then: the copy is not lost, at the price that the row comes back here
    assert first is not None
    assert min(first.version, second.version) > deletion.version
    assert again.content() == copied.content() == item(n=1)


def test_a_stamping_writer_whose_clock_stepped_back_counts_as_unstamped(site: Site) -> None:
    site.put(n=1)
    first = site.change()
    site.put_image(item(n=0))
    site.put_stamped(n=2, timestamp=NOW - 3600 * SECOND)
    changes = site.changes()
    assert changes[-1].version > first.version
    assert changes[-1].image == item(n=2)
    assert site.content() == item(n=2)


def test_a_stamped_insert_on_top_of_a_newer_deletion_counts_as_unstamped(site: Site) -> None:
    deletion = deletion_of(at=NOW + 50 * SECOND)
    site.merge(deletion)
    site.put_stamped(n=1)
    assert site.change().version > deletion.version
    assert site.content() == item(n=1)


def test_a_put_on_top_of_a_stamping_write_is_above_it_though_its_second_is_floored(site: Site) -> None:
    site.put_stamped(n=1, timestamp=NOW + SECOND + 900_000)
    first = site.change()
    site.now -= SECOND
    site.update(n=2)
    assert site.change().version > first.version


def test_a_record_that_a_stamping_writer_has_overtaken_loses_nothing(site: Site) -> None:
    site.put(n=1)
    site.put_stamped(n=2)
    changes = site.changes()
    assert changes[-1].image == item(n=2)
    assert max(changes, key=lambda change: change.version).image == item(n=2)


def test_a_record_that_a_stamping_writer_has_overtaken_ships_nothing_though_its_content_is_there_again(
    site: Site,
) -> None:
    # given: a write, a stamping writer's over it, and an update that brings the first content back
    site.put(n=1)
    first = site.last()
    site.put_stamped(n=2)
    second = site.last()
    site.update(n=1)
    # when: the first record comes after the second has been captured
    site.settle(second)
    assert site.settle(first) == Settled(Origin.UNSTAMPED)
    # then: the content is shipped once, as what the update made it
    assert [change.image for change in site.changes()][-1] == item(n=1)
    assert site.present().settled


def test_ties_end_in_the_region_of_the_version() -> None:
    home, peer = Site(HOME), Site(PEER)
    for site in (home, peer):
        site.put(n=len(site.region))
    one, other = home.change(), peer.change()
    assert one.version[:2] == other.version[:2]
    home.merge(other)
    peer.merge(one)
    assert home.state() == peer.state()
    assert home.content() == item(n=len(HOME))


def test_an_update_of_a_row_that_was_there_for_a_moment_is_above_the_deletion_that_its_region_had_made(
    site: Site,
) -> None:
    # given: a deletion made here, on top of a peer's write from half a minute ahead
    site.merge(change_of(n=1, at=NOW + 30 * SECOND, home=PEER))
    site.settle_all()
    site.delete()
    # given: an older change, inserted by a call that had looked before that deletion was captured
    site.interrupt("write", site.settle_all)
    # when: the application updates the row before that call looks again
    site.interrupt("look_back", lambda: site.update(n=5))
    assert site.merge(change_of(n=2, at=NOW, home=FAR)).effect is Effect.INSERTED
    site.settle_all()
    # then: the update stays, although its own time is below the deletion's version
    assert site.content() == item(n=5)
