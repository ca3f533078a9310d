"""In databases that stamp every write, what met without sight of each other is on record, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict, Resolution
from distributary.domain.dataset import Dataset
from distributary.domain.image import key_text
from distributary.domain.merge import Effect, Merged
from distributary.domain.row import Tombstone
from distributary.domain.state_texts import document_of_row
from distributary.domain.version import Context, Instant
from tests.unit.conflicts import conflict
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.stamped_sites import SHOP, TABLE, StampedSite, deletion_of, key, knowing, put_of, row
from tests.unit.test_stamped_states import COUNTED, last

DELETION = deletion_of(at=NOW, home=FAR)
PUT = put_of(n=1, at=NOW + SECOND, home=PEER)


@pytest.fixture
def site() -> StampedSite:
    return StampedSite(HOME)


def only(site: StampedSite) -> Conflict:
    (conflict,) = site.recorded
    return conflict


def note(site: StampedSite, deletion: Change) -> None:
    """What a function does that notes a deletion and finds no row."""
    site.table.tombstones[key_text(key())] = Tombstone(deletion.version, deletion.context)


# --- an insert over a deletion: history 28


def test_an_older_deletion_that_an_insert_goes_over_is_on_record_as_lost(site: StampedSite) -> None:
    site.merge(DELETION)
    assert site.merge(PUT) == Merged(Effect.INSERTED, conflict=True)
    assert (only(site).arriving.image, only(site).present.image) == (row(n=1), None)
    assert only(site).resolution is Resolution.ARRIVED


def test_it_is_on_record_before_the_row_is_there(site: StampedSite) -> None:
    site.merge(DELETION)
    shown: list[int] = []
    site.interrupt("write", lambda: shown.append(len(site.recorded)))
    site.merge(PUT)
    assert shown == [1]


def test_an_insert_on_top_of_the_deletion_is_on_no_record(site: StampedSite) -> None:
    site.merge(DELETION)
    assert site.merge(knowing(PUT, DELETION.version)) == Merged(Effect.INSERTED)
    assert site.recorded == []


def test_a_deletion_that_was_noted_while_the_row_was_inserted_is_on_record(site: StampedSite) -> None:
    site.interrupt("write", lambda: note(site, DELETION))
    assert site.merge(PUT) == Merged(Effect.INSERTED, conflict=True)
    assert (only(site).arriving.image, only(site).losing) == (None, only(site).arriving)


def test_it_is_on_record_with_what_both_had_seen(site: StampedSite) -> None:
    site.interrupt("write", lambda: note(site, DELETION))
    site.merge(PUT)
    assert (only(site).arriving.context, only(site).present.context) == (DELETION.context, PUT.context)


def test_so_it_is_where_the_function_ended_before_it_looked_back(site: StampedSite) -> None:
    # given: a row that a function has inserted, and a deletion that was noted before anybody saw that
    site.merge(PUT)
    note(site, DELETION)

    # when: the change comes again, and then the deletion
    assert site.merge(PUT) == Merged(Effect.DUPLICATE, conflict=True)
    site.merge(DELETION)

    # then: that is one conflict
    assert len({each.id for each in site.recorded}) == 1


# --- two writes of one region: history 29


@pytest.mark.parametrize("dataset", [SHOP, COUNTED], ids=["versions", "policies"])
def test_an_insert_that_capture_removes_is_on_record(dataset: Dataset) -> None:
    site = StampedSite(HOME, dataset=dataset)
    insert = site.putting(n=5)
    deletion = replace(DELETION, version=DELETION.version._replace(timestamp=site.now + SECOND))
    site.merge(deletion)
    insert.commit()
    assert site.settle_inserted()
    assert (only(site).key, only(site).present.image) == (key(), row(n=5))
    assert (only(site).arriving.version, only(site).arriving.context) == (deletion.version, deletion.context)


def test_a_row_that_may_show_several_writes_is_on_record_with_all_that_it_shows() -> None:
    site = StampedSite(HOME, dataset=COUNTED)
    insert = site.putting(n=5)
    site.merge(replace(DELETION, version=DELETION.version._replace(timestamp=site.now + SECOND)))
    insert.commit()
    site.settle_inserted()
    assert (only(site).late, only(site).state) == (True, only(site).present.context)


def test_so_it_is_with_a_deletion_that_it_comes_too_late_for() -> None:
    site = StampedSite(HOME, dataset=COUNTED)
    site.merge(replace(DELETION, version=DELETION.version._replace(timestamp=NOW + 5 * SECOND)))
    site.merge(PUT)
    assert (only(site).late, only(site).state) == (True, PUT.context.including(PUT.version))


def behind_its_deletion(dataset: Dataset) -> tuple[StampedSite, Change]:
    """A region, and its deletion of a row that an insert which could not see it has put back."""
    site = StampedSite(HOME, dataset=dataset)
    # the insert began by a clock that was set back, and waited for the deletion
    site.put(n=1)
    site.deleting()
    site.now -= 10 * SECOND
    site.putting(n=5).commit()
    _, deletion, insert = site.changes()
    assert deletion.context.covers(insert.version)  # so no other region can tell
    return site, deletion


@pytest.mark.parametrize("dataset", [SHOP, COUNTED], ids=["versions", "policies"])
def test_an_insert_that_could_not_see_a_deletion_of_its_own_region_is_on_record_where_it_is_removed(
    dataset: Dataset,
) -> None:
    # given
    site, deletion = behind_its_deletion(dataset)

    # when: capture looks at the tombstone
    assert site.settle_inserted()

    # then
    assert (only(site).arriving.version, only(site).present.image) == (deletion.version, row(n=5))


@pytest.mark.parametrize("dataset", [SHOP, COUNTED], ids=["versions", "policies"])
def test_so_it_is_where_that_deletion_comes_back_through_the_inbox_of_its_own_region(dataset: Dataset) -> None:
    # given
    site, deletion = behind_its_deletion(dataset)

    # when
    assert site.merge(deletion).effect is Effect.DELETED

    # then
    assert (only(site).arriving.version, only(site).present.image) == (deletion.version, row(n=5))


@pytest.mark.parametrize("dataset", [SHOP, COUNTED], ids=["versions", "policies"])
def test_what_goes_on_record_there_is_counted_as_a_conflict(dataset: Dataset) -> None:
    site, deletion = behind_its_deletion(dataset)
    assert site.merge(deletion) == Merged(Effect.DELETED, conflict=True)


def test_a_row_that_a_deletion_of_its_own_region_had_seen_is_removed_elsewhere_without_a_record() -> None:
    home, peer = StampedSite(HOME), StampedSite(PEER)
    home.put(n=1)
    home.delete()
    for change in home.changes():
        peer.merge(change)
    assert (peer.content(), peer.recorded) == (None, [])


# --- what a deletion takes: histories 30 and 31


def resurrected() -> StampedSite:
    """A region where a peer's row came back over a deletion, and an application updated it before it was removed."""
    home, far = StampedSite(HOME, dataset=COUNTED), StampedSite(FAR, dataset=COUNTED)
    far.put(n=1)

    def deleted() -> None:
        home.put(n=9)
        home.delete()

    home.interrupt("write", deleted)
    home.interrupt("look_back", lambda: home.update(n=5))
    home.merge(last(far))
    return home


def test_the_update_of_a_row_that_came_back_over_a_deletion_is_on_record_at_home() -> None:
    home = resurrected()
    assert home.content() is None
    taken, kept_out = home.recorded
    assert (taken.arriving.image, taken.present.image) == (None, row(n=5))
    assert (kept_out.arriving.image, kept_out.present.image) == (row(n=1), None)


def test_and_elsewhere_though_its_context_names_the_deletion() -> None:
    # given: the update, which is told after the deletion
    _, deletion, update = resurrected().changes()
    assert update.context.covers(deletion.version)

    # when: it comes first
    peer = StampedSite(PEER, dataset=COUNTED)
    peer.merge(update)
    assert peer.merge(deletion) == Merged(Effect.DELETED, conflict=True)

    # then
    assert (only(peer).arriving.image, only(peer).present.image) == (None, row(n=5))


def test_what_a_deletion_keeps_out_is_on_record_though_the_row_on_top_of_it_has_seen_it() -> None:
    # given: a region's row, a deletion that has not seen it, and the row that the region puts on top of that
    home, far = StampedSite(HOME, dataset=COUNTED), StampedSite(FAR, dataset=COUNTED)
    deletion = deletion_of(at=NOW + 5 * SECOND, home=PEER)
    far.put(n=1)
    first = last(far)
    far.merge(deletion)
    far.put(n=2)

    # when: another region gets the first of the three last
    for change in (deletion, last(far), first):
        home.merge(change)

    # then
    assert (only(home).arriving.image, only(home).present.version) == (row(n=1), deletion.version)


# --- rows that show several writes: history 32


def joined_before_it_travelled() -> tuple[StampedSite, Change]:
    """A third region, and a row of home's that shows a peer's newer write, too, which both of them have."""
    home, peer, far = (StampedSite(region, dataset=COUNTED) for region in (HOME, PEER, FAR))
    home.put(n=1)
    peer.merge(last(home))
    far.merge(last(home))
    home.update(n=2)
    peer.now += 10 * SECOND
    peer.update(n=4)
    home.merge(last(peer))
    far.merge(last(peer))
    shown = home.present()
    assert shown.version == last(peer).version
    joined = Change(
        SHOP.name, TABLE, key(), shown.content, last(peer).version, shown.context, HOME, "0/0 1", NOW,
        document_of_row(shown.image),
    )  # fmt: skip
    return far, joined


def test_what_a_joined_row_brings_is_on_record_though_its_last_write_is_known() -> None:
    far, joined = joined_before_it_travelled()
    far.update(n=9)
    there = far.content()
    assert far.merge(joined).conflict
    assert (only(far).arriving.image, only(far).present.image) == (joined.image, there)


def test_a_joined_row_that_has_all_that_is_there_is_on_no_record() -> None:
    far, joined = joined_before_it_travelled()
    assert far.merge(joined) == Merged(Effect.REPLACED)
    assert far.recorded == []


# --- one name, one conflict: history 33


def test_what_a_change_has_replaced_stays_on_record_when_a_deletion_keeps_the_change_out(site: StampedSite) -> None:
    # given: a change that has replaced another, and a deletion that took it
    site.merge(put_of(n=7, home=FAR))
    site.merge(PUT)
    site.merge(deletion_of(at=NOW + 2 * SECOND, home="ap-south-1"))

    # when: the change comes again
    site.merge(PUT)

    # then
    kept = {each.id: each for each in site.recorded}
    assert row(n=7) in [each.present.image for each in kept.values()]


def test_two_rows_that_one_deletion_takes_are_two_conflicts(site: StampedSite) -> None:
    # given
    deletion = deletion_of(at=NOW + 5 * SECOND, home=FAR)
    site.merge(put_of(n=1))
    site.merge(deletion)

    # when: a function that had looked before inserts another row, and the deletion comes again
    late = StampedSite(HOME)
    late.merge(put_of(n=2, home="ap-south-1"))
    site.table.rows |= late.table.rows
    site.merge(deletion)

    # then
    kept = {each.id: each for each in site.recorded}
    assert [each.present.image for each in kept.values()] == [row(n=1), row(n=2)]


def test_two_states_of_one_version_are_of_two_names() -> None:
    one, two = (conflict(state=Context({FAR: Instant(at, 0)})) for at in (1, 2))
    assert one.id == replace(one, at=one.at + 1).id
    assert len({one.id, two.id, conflict().id}) == 3
