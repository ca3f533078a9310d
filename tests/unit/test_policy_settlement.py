"""A local write is taken into the ledger once, whatever becomes of the row, which then shows all that is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.conflict import Resolution
from distributary.domain.errors import NotSettled
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE, Image, key_text
from distributary.domain.origin import Origin
from distributary.domain.row import Tombstone
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, item, key
from tests.unit.state_sites import StateSite


@pytest.fixture
def site() -> StateSite:
    return StateSite(HOME)


def crash() -> None:
    """What ends a function in the middle."""
    raise KeyboardInterrupt


def test_a_write_is_shipped_with_all_that_its_region_has_added_so_far(site: StateSite) -> None:
    site.put(n=1)
    site.settle_all()
    site.update(n=4)
    change = site.change()
    assert change.image == item(n=4)
    assert change.state is not None
    assert change.state["a"] == {"n": {"n": "0", "t": {HOME: ["3", "4"]}}}


def test_a_put_that_drops_the_state_loses_nothing_that_was_merged(site: StateSite) -> None:
    # given: a counter to which another region has added 5
    there = StateSite(PEER)
    there.put(n=5)
    site.merge(there.change())
    site.settle_all()
    # when: an application puts the row without what replication keeps in it, with 2 more
    site.put(n=7)
    # then
    change = site.change()
    assert site.number == "7"
    assert change.state is not None
    assert change.state["a"]["n"]["t"] == {HOME: ["2", "2"], PEER: ["1", "5"]}


def test_a_put_of_a_stale_copy_counts_as_what_it_changes(site: StateSite) -> None:
    site.put(n=1)
    site.settle_all()
    stale = site.present().image
    site.update(n=5)
    site.settle_all()
    site.put_image(stale)
    change = site.change()
    assert change.image == site.content() == item(n=1)
    assert site.present().version == change.version


def test_a_change_that_found_itself_in_a_row_copied_from_its_region_is_not_lost(site: StateSite) -> None:
    # given: a row that both regions know, and a write in the other region
    there = StateSite(PEER)
    there.put(a=1)
    site.merge(there.change())
    site.settle_all()
    there.update(n=5)
    change = there.change()
    # when: an application copies the row from there, the change meets the copy, and the copy is captured
    site.put_image(there.present().image)
    site.merge(change)
    site.settle_all()
    # then: what the other region has added is known here
    assert change.state is not None
    state = site.present().image[STATE_ATTRIBUTE]["M"]["a"]["M"]["n"]["M"]["t"]["M"]
    assert PEER in state


@pytest.mark.parametrize("access", ["remembered", "write", "written"])
def test_a_retry_after_a_crash_mints_the_same_and_counts_once(site: StateSite, access: str) -> None:
    site.put(n=3)
    record = site.last()
    site.interrupt(access, crash)
    with pytest.raises(KeyboardInterrupt):
        site.settle(record)
    first, again = site.settle(record).change, site.settle(record).change
    assert first is not None
    assert again == first
    assert first.state == {"a": {"n": {"n": "0", "t": {HOME: ["1", "3"]}}}}


def test_a_record_that_a_later_one_has_overtaken_has_nothing_left_to_do(site: StateSite) -> None:
    site.put(n=1)
    overtaken = site.last()
    site.settle_all()
    site.update(n=2)
    site.settle_all()
    before = site.present().image
    assert site.settle(overtaken).change is None
    assert site.present().image == before


def test_two_writes_before_the_first_is_captured_are_both_counted(site: StateSite) -> None:
    site.put(n=1)
    site.update(n=3)
    first, second = site.changes()
    assert (first.image, second.image) == (item(n=1), item(n=3))
    assert site.present().settled


def test_a_write_in_the_very_moment_of_settling_is_left_to_its_own_record(site: StateSite) -> None:
    site.put(n=1)
    site.interrupt("write", lambda: site.update(n=2))
    assert [change.image for change in site.changes()] == [item(n=1), item(n=2)]
    assert site.number == "2"


def test_an_attribute_that_the_condition_could_not_see_comes_back_with_its_own_record(site: StateSite) -> None:
    # given: a settled row, and a change of another region that is about to replace it
    site.put(a=1)
    site.settle_all()
    there = StateSite(PEER)
    there.put(a=2)
    # when: the application adds an attribute just before our write, which cannot see it
    site.interrupt("write", lambda: site.update(b=3))
    site.merge(there.change())
    # then: the row shows exactly what its stamp says, until the record of the addition is captured
    assert site.present().settled
    site.settle_all()
    assert (site.content() or {}).get("b") == {"N": "3"}


def test_a_row_from_before_replication_begins_with_what_it_holds(site: StateSite) -> None:
    # given: a row that was there before there was a stream
    site.table.write(key(), item(n=10))
    site.table.stream.clear()
    # when
    site.update(n=12)
    # then: its beginning is nobody's, so that it counts once however many regions had it
    state = site.change().state
    assert state is not None
    assert state["a"] == {"n": {"n": "10", "t": {HOME: ["1", "2"]}}}


def test_a_deletion_is_in_the_ledger_and_in_the_tombstone(site: StateSite) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete()
    deletion = site.change()
    tombstone = site.tombstone()
    assert tombstone is not None
    assert tombstone.ledger is not None
    assert (tombstone.deletion, tombstone.ledger.image) == (deletion.version, None)


def test_a_row_that_is_put_again_counts_from_nothing_on_top_of_its_deletion(site: StateSite) -> None:
    site.put(n=5)
    site.settle_all()
    site.delete()
    deletion = site.change()
    site.put(n=2)
    again = site.change()
    assert again.version > deletion.version
    assert again.state is not None
    assert again.state["a"] == {"n": {"n": "0", "t": {HOME: ["4", "2"]}}}
    assert again.state["i"].endswith(HOME)
    assert site.number == "2"


def test_a_deletion_by_the_time_to_live_stays_where_that_is_wanted(site: StateSite) -> None:
    site.put(n=1)
    site.settle_all()
    site.delete(expired=True)
    settled = site.settle(site.last(), ignore_expired=True)
    assert (settled.origin, settled.change) == (Origin.EXPIRED, None)


def test_another_regions_change_that_took_the_place_of_a_pending_write_is_joined_with_it(site: StateSite) -> None:
    # given: a row that nobody has settled, which was waited for too long, and a change that took its place
    site.put(n=1)
    record = site.last()
    there = StateSite(FAR, now=NOW)
    there.put(n=5)
    site.merge(there.change(), take_unsettled=True)
    assert site.number == "5"
    # when: its record is captured at last
    settled = site.settle(record)
    # then: nothing is lost, and that they met is on record
    assert site.number == "6"
    assert settled.conflict
    (conflict,) = site.conflicts
    assert (conflict.arriving.version.region, conflict.present.version.region) == (HOME, FAR)


def test_of_attributes_without_a_policy_what_such_a_meeting_loses_is_on_record(site: StateSite) -> None:
    # given
    site.put(n=1, a=1)
    record = site.last()
    there = StateSite(FAR, now=NOW)
    there.put(n=5, a=2)
    site.merge(there.change(), take_unsettled=True)
    # when
    site.settle(record)
    # then: of the two numbers the sum, and of the others the one that stands
    assert site.content() == item(n=6, a=1)
    (conflict,) = site.conflicts
    assert (sorted(conflict.arriving.lost), sorted(conflict.present.lost)) == ([], ["a"])
    assert conflict.resolution is Resolution.PARTLY


def test_the_same_content_put_back_over_what_was_merged_is_not_what_an_earlier_record_shows(site: StateSite) -> None:
    # given: a write that was settled, over which another region's change was merged, and was on record
    site.put(a=1)
    record = site.last()
    site.settle_all()
    there = StateSite(PEER)
    there.put(n=5)
    change = there.change()
    site.merge(change)
    (told,) = site.conflicts
    site.settle_all()
    # when: the application takes away just what came, and the first record is captured again
    site.put_image({name: value for name, value in site.present().image.items() if name != "n"})
    put_back = site.present().image
    site.settle(record)
    # then: it is left to the record of its own, and shows what it knows of the other region until then
    assert site.present().image == put_back
    site.settle_all()
    site.merge(change)
    assert site.conflicts == [told]


def test_a_copy_that_is_put_again_in_the_very_moment_is_what_its_first_record_shows(site: StateSite) -> None:
    # given: a row that both regions know, and that the other has written again
    there = StateSite(PEER)
    there.put(a=1)
    site.merge(there.change())
    site.settle_all()
    there.update(n=5)
    there.settle_all()
    # when: an application puts what it has read there, changed, with all that replication keeps in it; and changes it
    # and puts it once more while that is captured
    copy: Image = {**there.present().image, "a": {"N": "2"}}
    site.put_image(copy)
    site.interrupt("write", lambda: site.update(a=3))
    site.interrupt("look", lambda: site.put_image(copy))
    change = site.settle(site.last()).change
    # then: the row shows the write, as it travels
    assert change is not None
    assert (site.present().settled, site.present().version) == (True, change.version)
    assert site.content() == change.image


def test_the_content_of_a_write_beneath_a_stamp_from_elsewhere_alone_is_what_its_record_shows(site: StateSite) -> None:
    # given: a write, and a row of another region that nobody knows here
    site.put(a=2)
    there = StateSite(PEER)
    there.put(a=1)
    there.settle_all()
    stamp = there.present().image[STAMP_ATTRIBUTE]
    # when: it is changed, and put again beneath that row's stamp without its state, while it is captured
    site.interrupt("write", lambda: site.update(a=3))
    site.interrupt("look", lambda: site.put_image({**item(a=2), STAMP_ATTRIBUTE: stamp}))
    change = site.settle(site.table.stream[0]).change
    # then
    assert change is not None
    assert (site.present().settled, site.present().version) == (True, change.version)


def test_but_beneath_a_newer_stamp_from_elsewhere_it_is_left_to_its_own_record(site: StateSite) -> None:
    # given
    site.put(a=2)
    there = StateSite(PEER, now=NOW + 30 * SECOND)
    there.put(a=1)
    there.settle_all()
    copy: Image = {**item(a=2), STAMP_ATTRIBUTE: there.present().image[STAMP_ATTRIBUTE]}
    # when
    site.interrupt("write", lambda: site.update(a=3))
    site.interrupt("look", lambda: site.put_image(copy))
    site.settle(site.table.stream[0])
    # then
    assert site.present().image == copy


def test_a_record_that_two_functions_have_in_hand_is_taken_in_once(site: StateSite) -> None:
    site.put(n=2)
    record = site.last()
    site.interrupt("remember", lambda: site.settle(record))
    site.settle(record)
    assert site.number == "2"


def test_a_ledger_that_never_holds_still_is_left_to_a_later_delivery(site: StateSite) -> None:
    site.put(n=0)

    def rival() -> None:
        row = key_text(key())
        site.replica.tombstones[row] = replace(site.tombstone() or Tombstone(), arrived_at=len(site.accesses))

    site.interrupt("remember", *[rival] * 50)
    with pytest.raises(NotSettled, match="again and again"):
        site.settle(site.last())


def test_our_own_attributes_are_not_shipped(site: StateSite) -> None:
    site.put(n=1)
    site.settle_all()
    site.update(n=2)
    image = site.change().image
    assert image is not None
    assert not {STAMP_ATTRIBUTE, STATE_ATTRIBUTE} & image.keys()
