"""A deletion wins over what is older and loses against what is newer, in whatever order they meet a row."""

from __future__ import annotations

import pytest

from distributary.domain.errors import NotSettled
from distributary.domain.merge import Effect, Merged
from distributary.domain.origin import Origin
from tests.unit.sites import FAR, HOME, NOW, SECOND, Site, change_of, deletion_of, item, knowing

LATER = NOW + 30 * SECOND


@pytest.fixture
def site() -> Site:
    return Site(HOME)


def crash() -> None:
    """What ends a function in the middle."""
    raise KeyboardInterrupt


# --- of the application here


def test_a_local_deletion_leaves_a_tombstone_and_ships(site: Site) -> None:
    site.put(n=1)
    put = site.change()
    site.delete()
    change = site.change()
    tombstone = site.tombstone()
    assert (change.image, change.context.covers(put.version)) == (None, True)
    assert change.version > put.version
    assert tombstone is not None
    assert tombstone.deletion == change.version


def test_a_local_deletion_removes_an_older_row_that_arrived_meanwhile(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    record = site.last()
    site.merge(change_of(n=2, at=NOW + SECOND + 1))
    assert site.content() == item(n=2)
    site.settle(record)
    assert site.row() is None


def test_a_local_deletion_leaves_a_newer_row_that_arrived_meanwhile(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    record = site.last()
    site.merge(change_of(n=2, at=LATER))
    assert site.settle(record).change is not None
    assert site.content() == item(n=2)


def test_a_local_deletion_leaves_a_row_that_the_application_put_meanwhile(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    record = site.last()
    site.put(n=2)
    assert site.settle(record).change is not None
    assert site.content() == item(n=2)


def test_a_row_that_arrives_in_the_very_moment_of_a_local_deletion_is_removed(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    site.interrupt("remember", lambda: site.merge(change_of(n=2, at=NOW + SECOND + 1)))
    site.settle_all()
    assert site.row() is None


def test_expired_rows_stay_in_their_region_where_that_is_wanted(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete(expired=True)
    settled = site.settle(site.last(), ignore_expired=True)
    assert (settled.origin, settled.change, site.tombstone()) == (Origin.EXPIRED, None, None)


def test_expired_rows_are_deletions_where_that_is_wanted(site: Site) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete(expired=True)
    change = site.settle(site.last()).change
    assert change is not None
    assert change.image is None


# --- of another region


def test_a_deletion_removes_an_older_row(site: Site) -> None:
    put, deletion = change_of(n=1), deletion_of(at=NOW + 1)
    site.merge(put)
    assert site.merge(knowing(deletion, put.version)) == Merged(Effect.DELETED)
    assert site.row() is None


def test_a_deletion_is_remembered_where_no_row_is(site: Site) -> None:
    assert site.merge(deletion_of()).effect is Effect.DELETED
    assert site.merge(change_of(n=1, at=NOW - 1)).effect is Effect.KEPT
    assert site.row() is None


def test_a_deletion_loses_against_a_newer_row(site: Site) -> None:
    site.merge(change_of(n=1, at=LATER))
    assert site.merge(deletion_of(home=FAR)) == Merged(Effect.KEPT, conflict=True)
    assert site.content() == item(n=1)


def test_of_two_deletions_the_newer_is_remembered(site: Site) -> None:
    older, newer = deletion_of(at=NOW), deletion_of(at=NOW + 5)
    for deletion in (newer, older):
        site.merge(deletion)
    tombstone = site.tombstone()
    assert tombstone is not None
    assert tombstone.deletion == newer.version


def test_an_older_deletion_does_not_move_the_time_of_arrival(site: Site) -> None:
    site.merge(deletion_of(at=NOW + 5))
    site.now += SECOND
    site.merge(deletion_of(at=NOW))
    tombstone = site.tombstone()
    assert tombstone is not None
    assert tombstone.arrived_at == NOW


def test_an_insert_on_top_of_a_deletion_comes_back(site: Site) -> None:
    deletion = deletion_of(at=NOW)
    site.merge(deletion)
    assert site.merge(knowing(change_of(n=1, at=NOW + 1), deletion.version)).effect is Effect.INSERTED
    assert site.content() == item(n=1)


def test_a_deletion_waits_for_a_local_write(site: Site) -> None:
    site.put(n=1)
    with pytest.raises(NotSettled):
        site.merge(deletion_of(at=LATER))
    assert site.content() == item(n=1)


def test_a_deletion_that_races_with_a_local_write_loses_nothing(site: Site) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.interrupt("write", lambda: site.update(n=1))
    with pytest.raises(NotSettled):
        site.merge(deletion_of(at=NOW + 1))
    assert site.content() == item(n=1)


@pytest.mark.parametrize("moment", ["written", "remember", "remembered"])
@pytest.mark.parametrize("what", ["again", "older deletion", "newer row"])
def test_whoever_meets_a_mark_finishes_the_deletion(site: Site, moment: str, what: str) -> None:
    changes = {
        "again": deletion_of(at=NOW + 1),
        "older deletion": deletion_of(at=NOW, home=FAR),
        "newer row": change_of(n=5, at=NOW + 2),
    }
    site.merge(change_of(n=0))
    site.interrupt(moment, *([lambda: None] if moment != "written" else []), crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(deletion_of(at=NOW + 1))
    assert site.present().marked
    site.merge(changes[what])
    assert site.content() == changes[what].image


def test_a_mark_that_an_application_has_written_over_is_not_finished(site: Site) -> None:
    site.merge(change_of(n=0))
    site.interrupt("written", crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(deletion_of(at=NOW + 1))
    site.update(n=1)
    with pytest.raises(NotSettled, match="after its deletion had been announced"):
        site.merge(change_of(n=5, at=NOW + 2))
    assert site.content() == item(n=1)


@pytest.mark.xfail(reason="an attribute added unseen, then deleted by the application, looks as if we had deleted both")
def test_a_row_that_was_added_to_after_its_mark_and_deleted_stays_deleted(site: Site) -> None:
    site.merge(change_of(n=1))

    def add_and_delete() -> None:
        site.update(more=2)
        site.delete()

    site.interrupt("remembered", lambda: None, add_and_delete)
    site.merge(deletion_of(at=NOW + 1))
    site.settle_all()
    assert site.row() is None


# --- racing functions


@pytest.mark.parametrize("access", ["look", "look_back", "write", "written", "remember", "remembered"])
@pytest.mark.parametrize("place", range(4))
def test_an_insert_and_a_newer_deletion_that_race_leave_no_row(site: Site, access: str, place: int) -> None:
    site.interrupt(access, *[lambda: None] * place, lambda: site.merge(deletion_of(at=NOW + 1)))
    site.merge(change_of(n=1))
    if site.tombstone() is None:
        site.merge(deletion_of(at=NOW + 1))
    assert site.row() is None


@pytest.mark.parametrize("access", ["look", "look_back", "write", "written", "remember", "remembered"])
@pytest.mark.parametrize("place", range(4))
def test_a_deletion_and_a_newer_insert_that_race_leave_the_row(site: Site, access: str, place: int) -> None:
    site.merge(change_of(n=0))
    newer = change_of(n=1, at=NOW + 2, home=FAR)
    site.interrupt(access, *[lambda: None] * place, lambda: site.merge(newer))
    site.merge(deletion_of(at=NOW + 1))
    site.merge(newer)
    assert site.state() == (newer.image, newer.version)


@pytest.mark.parametrize("access", ["look", "look_back", "write", "written", "remember", "remembered"])
@pytest.mark.parametrize("place", range(4))
def test_a_deletion_that_an_application_writes_into_loses_no_write(site: Site, access: str, place: int) -> None:
    site.merge(change_of(n=0))
    site.settle_all()
    site.interrupt(access, *[lambda: None] * place, lambda: site.update(n=1))
    try:
        site.merge(deletion_of(at=NOW + 1))
    except NotSettled:
        assert site.content() == item(n=1)
    changes = site.changes()
    assert (site.content() == item(n=1)) == any(change.image == item(n=1) for change in changes)


# --- that ended before they were done


@pytest.mark.parametrize("again", ["the row that was to go", "an older one"])
def test_a_message_that_comes_again_finishes_the_deletion_that_was_begun(site: Site, again: str) -> None:
    # given: a change that lands under a newer deletion, and whose removal ends between its note and its deletion
    change = change_of(n=1, at=NOW)
    older = change_of(n=2, at=NOW - SECOND)
    site.interrupt("look_back", lambda: site.merge(deletion_of(at=LATER)))
    site.interrupt("remembered", lambda: None, crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(change)
    assert site.present().marked
    # when: a message comes again
    site.merge(change if again == "the row that was to go" else older)
    # then
    assert site.row() is None


def test_the_record_of_an_insert_finishes_the_deletion_that_was_begun(site: Site) -> None:
    # given: our own insert under a newer deletion, whose removal ended before it was done
    site.interrupt("look_back", lambda: site.merge(deletion_of(at=LATER)))
    site.interrupt("remembered", lambda: None, crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(change_of(n=1, at=NOW))
    assert site.present().marked
    # when: the record of the insert is captured
    site.settle_all()
    # then
    assert site.row() is None
