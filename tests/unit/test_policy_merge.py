"""A change of another region is joined into the row: nothing of either is lost, and no order of arrival matters."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from distributary.domain.conflict import Resolution
from distributary.domain.errors import MalformedMessage, NotSettled, Unavailable
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.merge import Effect, Merged
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, item, key
from tests.unit.state_changes import LATER, after, deleted, put, reborn
from tests.unit.state_sites import StateSite


@pytest.fixture
def site() -> StateSite:
    return StateSite(HOME)


def test_a_row_that_is_absent_is_inserted(site: StateSite) -> None:
    change = put(n=1)
    assert site.merge(change) == Merged(Effect.INSERTED)
    assert site.state() == (change.image, change.version)


def test_what_two_regions_have_added_is_added_up(site: StateSite) -> None:
    site.merge(put(PEER, n=3))
    site.merge(put(FAR, n=4))
    assert site.number == "7"
    assert site.present().settled


def test_of_the_attributes_without_a_policy_of_their_own_the_newer_write_stands(site: StateSite) -> None:
    site.merge(put(PEER, at=LATER, n=3, a=1))
    site.merge(put(FAR, at=NOW, n=4, b=2))
    assert site.content() == item(n=7, a=1)


def test_a_change_that_comes_again_changes_nothing(site: StateSite) -> None:
    change = put(n=1)
    site.merge(change)
    before = dict(site.table.rows)
    assert site.merge(change) == Merged(Effect.DUPLICATE)
    assert site.table.rows == before


def test_an_older_change_of_a_region_whose_newer_one_is_known_changes_nothing(site: StateSite) -> None:
    there = StateSite(PEER)
    there.put(n=1)
    first = there.change()
    there.update(n=3)
    site.merge(there.change())
    assert site.merge(first) == Merged(Effect.DUPLICATE)
    assert site.number == "3"


def test_states_that_know_nothing_of_each_other_are_a_conflict_on_record(site: StateSite) -> None:
    site.merge(put(PEER, n=3))
    assert site.merge(put(FAR, n=4)).conflict
    (conflict,) = site.conflicts
    assert (conflict.arriving.image, conflict.present.image) == (item(n=4), item(n=3))
    assert conflict.resolution is Resolution.MERGED


def test_a_state_that_its_writer_had_seen_is_no_conflict(site: StateSite) -> None:
    first = put(PEER, n=3)
    site.merge(first)
    assert not site.merge(after(first, n=4)).conflict
    assert site.conflicts == []


def test_a_conflict_is_on_record_before_the_row_shows_what_became_of_it(site: StateSite) -> None:
    site.merge(put(PEER, n=3))

    def crash() -> None:
        raise KeyboardInterrupt

    site.interrupt("write", crash)
    with pytest.raises(KeyboardInterrupt):
        site.merge(put(FAR, n=4))
    assert (site.number, len(site.conflicts)) == ("3", 1)


def test_a_local_write_that_is_not_captured_yet_is_waited_for(site: StateSite) -> None:
    site.put(n=1)
    with pytest.raises(NotSettled, match="still in the change stream"):
        site.merge(put(n=2))
    assert site.content() == item(n=1)


def test_a_local_write_in_the_very_moment_is_not_overwritten(site: StateSite) -> None:
    site.merge(put(n=3))
    site.settle_all()
    site.interrupt("write", lambda: site.update(n=4))
    with pytest.raises(NotSettled):
        site.merge(put(FAR, n=10))
    site.settle_all()
    site.merge(put(FAR, n=10))
    assert site.number == "14"


def test_a_row_that_nobody_has_settled_is_taken_as_it_is_when_it_was_waited_for_too_long(site: StateSite) -> None:
    site.table.write(key(), item(n=1, a=1))
    site.table.stream.clear()
    assert site.merge(put(n=2), take_unsettled=True).effect is Effect.INSERTED
    assert site.content() == item(n=2)
    assert site.present().settled


def test_a_row_that_nobody_has_settled_is_deleted_when_it_was_waited_for_too_long(site: StateSite) -> None:
    site.table.write(key(), item(n=1, a=1))
    site.table.stream.clear()
    deletion = deleted(put(n=2))
    with pytest.raises(NotSettled):
        site.merge(deletion)
    assert site.merge(deletion, take_unsettled=True).effect is Effect.DELETED
    assert site.row() is None


@pytest.mark.parametrize("value", [{"S": "nonsense"}, {"N": "5"}])
def test_a_row_with_an_unreadable_stamp_is_waited_for_however_long(site: StateSite, value: dict[str, str]) -> None:
    site.put_image({**item(n=1), STAMP_ATTRIBUTE: value})
    with pytest.raises(NotSettled):
        site.merge(put(n=2), take_unsettled=True)


def test_a_row_with_a_malformed_state_is_waited_for(site: StateSite) -> None:
    site.merge(put(n=1))
    site.put_image({**site.present().image, STATE_ATTRIBUTE: {"S": "nonsense"}})
    with pytest.raises(NotSettled):
        site.merge(put(FAR, n=2))


def test_a_change_with_a_malformed_state_is_refused(site: StateSite) -> None:
    with pytest.raises(MalformedMessage):
        site.merge(replace(put(n=1), state={"i": "nonsense"}))


def test_a_deletion_removes_what_its_writer_had_seen(site: StateSite) -> None:
    change = put(n=1)
    site.merge(change)
    assert site.merge(deleted(change)) == Merged(Effect.DELETED)
    assert site.row() is None


def test_a_deletion_removes_what_its_writer_had_not_seen_and_tells_of_it(site: StateSite) -> None:
    first = put(n=1)
    site.merge(first)
    site.merge(after(first, at=LATER + SECOND, n=2))
    assert site.merge(deleted(first, region=PEER, at=LATER)) == Merged(Effect.DELETED, conflict=True)
    assert site.row() is None
    (conflict,) = site.conflicts
    assert conflict.present.image == item(n=2)


def test_a_change_that_arrives_after_a_deletion_it_was_not_made_on_top_of_stays_away(site: StateSite) -> None:
    first = put(n=1)
    site.merge(deleted(first))
    assert site.merge(after(first, at=LATER + 60 * SECOND, n=2)).effect is Effect.KEPT
    assert site.row() is None


def test_a_row_that_was_put_on_top_of_a_deletion_comes_back_as_new(site: StateSite) -> None:
    first = put(n=5)
    deletion = deleted(first)
    for change in (first, deletion, reborn(deletion, n=2)):
        site.merge(change)
    assert site.number == "2"


def test_a_row_put_on_top_of_a_deletion_that_has_not_arrived_brings_the_deletion_along(site: StateSite) -> None:
    first = put(n=5)
    deletion = deleted(first)
    site.merge(first)
    site.merge(reborn(deletion, n=2))
    tombstone = site.tombstone()
    assert site.number == "2"
    assert tombstone is not None
    assert tombstone.deletion == deletion.version
    assert site.merge(deletion).effect is Effect.KEPT


def test_a_deletion_that_is_brought_along_claims_nothing_that_was_written_on_top_of_it(site: StateSite) -> None:
    """With all that the row had seen in its context, an insert over the tombstone passed for one that had seen it."""
    # given: a function that noted the deletion beneath a row, and ended
    again = reborn(deleted(put(n=5)), n=2)
    site.fail("remembered", Unavailable("gone"))
    with pytest.raises(Unavailable):
        site.merge(again)

    # when: an application puts the row over that tombstone before the change comes again
    site.now = again.version.timestamp + SECOND
    site.put(n=3)
    site.settle_all()
    site.merge(again)

    # then: nothing that either has added is lost
    assert site.number == "5"


def test_no_order_of_deliveries_matters() -> None:
    first = put(n=5, a=1)
    more = after(first, n=7)
    deletion = deleted(first, at=LATER)
    again = reborn(deletion, n=2)
    blind = put(FAR, at=LATER + 5 * SECOND, n=9)
    states = set()
    for order in permutations([first, more, deletion, again, blind]):
        site = StateSite(HOME)
        for change in order:
            site.merge(change)
        states.add(str((site.content(), site.present().image.get(STATE_ATTRIBUTE))))
    assert len(states) == 1


@pytest.mark.parametrize("access", ["look", "look_back", "write", "written", "remember", "remembered"])
@pytest.mark.parametrize("place", range(4))
def test_an_insert_and_a_deletion_that_race_leave_no_row(site: StateSite, access: str, place: int) -> None:
    change = put(n=1)
    deletion = deleted(change)
    site.interrupt(access, *[lambda: None] * place, lambda: site.merge(deletion))
    site.merge(change)
    site.merge(deletion)
    assert site.row() is None


def test_an_insert_and_a_deletion_that_race_are_a_conflict_on_record_with_the_row(site: StateSite) -> None:
    # given: a deletion that is noted after a call has looked and before it inserts
    deletion = deleted(put(FAR, n=1))
    site.interrupt("write", lambda: site.merge(deletion))

    # when: the row is inserted
    site.merge(put(PEER, n=3))

    # then: it is gone again, and on record as the losing state
    (conflict,) = site.conflicts
    assert conflict.losing == conflict.arriving
    assert (conflict.arriving.image, conflict.present.image) == (item(n=3), None)


def test_an_element_that_is_put_in_while_it_is_taken_out_elsewhere_stays(site: StateSite) -> None:
    there, far = StateSite(PEER), StateSite(FAR, now=LATER)
    there.tag("x", "y")
    first = there.change()
    far.merge(first)
    far.settle_all()
    far.tag("y")
    there.put_image({**there.present().image, "tags": {"SS": ["y"]}})
    there.settle_all()
    there.tag("x", "y")
    for change in (first, far.changes()[-1], there.changes()[-1]):
        site.merge(change)
    assert site.tags == ["x", "y"]
