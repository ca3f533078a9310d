"""A conflict in a database that stamps every write is on record before the row shows its outcome, with both rows."""

from __future__ import annotations

import pytest

from distributary.domain.change import Change
from distributary.domain.conflict import Conflict, Resolution
from distributary.domain.image import key_text
from distributary.domain.merge import Effect
from distributary.domain.row import Tombstone
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND
from tests.unit.stamped_sites import TABLE, StampedSite, deletion_of, key, knowing, put_of, row


@pytest.fixture
def site() -> StampedSite:
    return StampedSite(HOME)


def only(site: StampedSite) -> Conflict:
    (conflict,) = site.recorded
    return conflict


OLDER, NEWER = put_of(n=1), put_of(n=2, at=NOW + SECOND, home=FAR)
DELETION = deletion_of(at=NOW + SECOND, home=FAR)


def test_the_row_that_is_replaced_is_on_record_as_the_losing_one(site: StampedSite) -> None:
    site.merge(OLDER)
    assert site.merge(NEWER).conflict
    conflict = only(site)
    assert (conflict.table, conflict.resolution) == (TABLE, Resolution.ARRIVED)
    assert (conflict.arriving.image, conflict.present.image) == (row(n=2), row(n=1))
    assert conflict.losing == conflict.present


def test_a_row_that_arrives_too_late_is_on_record_as_the_losing_one(site: StampedSite) -> None:
    site.merge(NEWER)
    assert site.merge(OLDER).conflict
    assert (only(site).losing, only(site).resolution) == (only(site).arriving, Resolution.KEPT)


def test_it_is_on_record_before_the_row_is_written(site: StampedSite) -> None:
    site.merge(OLDER)
    shown: list[int] = []
    site.interrupt("write", lambda: shown.append(len(site.recorded)))
    site.merge(NEWER)
    assert shown == [1]


def test_what_the_record_shows_is_what_was_replaced(site: StampedSite) -> None:
    # given: an application writes the row between the look and our write
    site.merge(OLDER)
    newest = put_of(n=2, at=NOW + 30 * SECOND, home=FAR)
    site.interrupt("write", lambda: site.put(n=7))
    site.merge(newest)

    # then: the last record of that name shows what the application had written
    assert site.content() == row(n=2)
    assert site.recorded[-1].present.image == row(n=7)
    assert len({each.id for each in site.recorded}) == 1


def test_a_repetition_is_of_the_same_name(site: StampedSite) -> None:
    site.merge(NEWER)
    site.merge(OLDER)
    site.merge(OLDER)
    assert len({each.id for each in site.recorded}) == 1


def test_a_row_that_a_deletion_takes_unseen_is_on_record_with_what_it_was(site: StampedSite) -> None:
    site.merge(OLDER)
    assert site.merge(DELETION).conflict
    assert (only(site).arriving.image, only(site).present.image) == (None, row(n=1))


def test_a_deletion_that_comes_too_late_is_on_record(site: StampedSite) -> None:
    site.merge(NEWER)
    assert site.merge(deletion_of()).effect is Effect.KEPT
    assert (only(site).arriving.image, only(site).losing) == (None, only(site).arriving)


def test_a_row_that_a_deletion_keeps_out_is_on_record(site: StampedSite) -> None:
    site.merge(DELETION)
    site.merge(OLDER)
    assert (only(site).arriving.image, only(site).present.image) == (row(n=1), None)


MEETINGS = pytest.mark.parametrize(
    ("first", "second"),
    [
        (OLDER, NEWER),
        (NEWER, OLDER),
        (OLDER, DELETION),
        (NEWER, deletion_of()),
        (DELETION, OLDER),
        (deletion_of(), NEWER),
    ],
    ids=["replaced", "too late", "deleted", "deleted too late", "kept out", "over a deletion"],
)


@MEETINGS
def test_what_is_on_record_names_the_row(site: StampedSite, first: Change, second: Change) -> None:
    site.merge(first)
    site.merge(second)
    assert only(site).key == key()


@MEETINGS
def test_what_is_on_record_tells_what_both_had_seen(site: StampedSite, first: Change, second: Change) -> None:
    site.merge(first)
    site.merge(second)
    assert (only(site).present.context, only(site).arriving.context) == (first.context, second.context)


@pytest.mark.parametrize(
    ("first", "second", "late"),
    [
        (OLDER, NEWER, False),
        (NEWER, deletion_of(), False),
        (deletion_of(), NEWER, False),
        (OLDER, DELETION, True),
        (DELETION, OLDER, True),
    ],
    ids=["replaced", "deleted too late", "over a deletion", "deleted", "kept out"],
)
def test_what_is_on_record_says_whether_what_arrived_may_have_met_another_state_before(
    site: StampedSite, first: Change, second: Change, *, late: bool
) -> None:
    site.merge(first)
    site.merge(second)
    assert only(site).late is late


def test_a_row_that_a_deletion_had_seen_is_kept_out_and_on_no_record(site: StampedSite) -> None:
    site.merge(knowing(DELETION, OLDER.version))
    assert not site.merge(OLDER).conflict
    assert site.recorded == []


def note_only(site: StampedSite, deletion: Change) -> None:
    """A function that has noted a deletion, and ended before it looked at the row."""
    site.table.tombstones[key_text(key())] = Tombstone(deletion.version, deletion.context)


def test_whoever_removes_what_a_deletion_was_to_remove_puts_it_on_record(site: StampedSite) -> None:
    # given
    site.merge(OLDER)
    note_only(site, DELETION)

    # when: another change of the row comes
    late = put_of(n=9, at=NOW + 2 * SECOND, home=FAR)
    site.merge(knowing(late, DELETION.version))

    # then
    assert site.content() == row(n=9)
    assert (only(site).key, only(site).arriving.image, only(site).present.image) == (key(), None, row(n=1))


def test_an_older_deletion_that_comes_again_removes_what_the_newer_one_was_to_remove(site: StampedSite) -> None:
    # given: a row on top of a deletion, and a newer deletion that knew nothing of the row
    older = deletion_of()
    site.merge(knowing(NEWER, older.version))
    newer = deletion_of(at=NOW + 2 * SECOND, home=PEER)
    note_only(site, newer)

    # when
    merged = site.merge(older)

    # then: the row is gone, and on record whole as what the newer one has taken
    assert (merged.effect, site.content()) == (Effect.DELETED, None)
    assert (only(site).arriving.version, only(site).present.image) == (newer.version, row(n=2))


def test_what_was_made_on_top_of_the_present_row_is_no_conflict_and_looks_once(site: StampedSite) -> None:
    site.merge(OLDER)
    site.accesses.clear()
    site.merge(knowing(NEWER, OLDER.version))
    site.merge(knowing(deletion_of(at=NOW + 2 * SECOND), NEWER.version, OLDER.version))
    assert site.recorded == []
    assert site.accesses.count("look") == 1 + 2
