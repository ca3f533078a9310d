"""How writes of this region are taken into the ledger: by whose version, on top of what, and whose writes they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.errors import NotSettled
from distributary.domain.image import STATE_ATTRIBUTE
from distributary.domain.origin import Origin
from distributary.domain.policies import AttributePolicy, AttributeRule
from distributary.domain.version import Version
from tests.unit.sites import FAR, HOME, NOW, ORDERS, PEER, SECOND, Site, change_of, item, key, stamp_image
from tests.unit.state_changes import LATER, deleted, put
from tests.unit.state_sites import BEGIN, StateSite, with_policies


@pytest.fixture
def site() -> StateSite:
    return StateSite(HOME)


# --- what is shipped


def test_a_change_tells_where_and_when_its_write_was_captured(site: StateSite) -> None:
    site.put(n=1)
    record = site.last()
    site.now += 7 * SECOND
    change = site.change()
    assert (change.dataset, change.table, change.home) == ("orders", "orders", HOME)
    assert (change.source, change.captured_at) == (str(record.sequence), site.now)


def test_a_write_that_is_captured_with_an_echo_before_it_is_shipped(site: StateSite) -> None:
    site.merge(put(PEER, n=1))
    echo = site.last()
    site.update(n=2)
    first, second = site.settle_together([echo, site.last()])
    assert (first.origin, first.change) == (Origin.ECHO, None)
    assert second.change is not None


def test_a_write_before_whose_row_another_was_captured_is_no_beginning(site: StateSite) -> None:
    site.put(n=1)
    site.update(n=3)
    _, second = site.changes()
    assert second.state is not None
    assert second.state["a"] == {"n": {"n": "0", "t": {HOME: ["2", "3"]}}}


# --- on top of what a write was made


def test_a_row_put_on_top_of_a_deletion_has_seen_what_that_had_seen(site: StateSite) -> None:
    first = put(PEER, n=1)
    site.merge(deleted(first))
    site.put(n=2)
    assert site.change().context.covers(first.version)


def test_a_row_put_on_top_of_a_deletion_that_is_captured_late_is_on_top_of_it_all_the_same(site: StateSite) -> None:
    # given
    site.put(n=1)
    site.settle_all()
    site.delete()
    site.put(n=2)

    # when: each is captured long after it was made
    for _ in range(2):
        site.now += 60 * SECOND
        site.settle(site.next())
        site.taken += 1

    # then
    assert site.number == "2"


def test_a_row_put_after_a_deletion_of_a_clock_ahead_is_newer_though_another_deletion_came_since(
    site: StateSite,
) -> None:
    # given: a deletion of a row whose clock was ahead
    site.merge(put(PEER, at=NOW + 40 * SECOND, n=1))
    site.settle_all()
    site.delete()
    deletion = site.change()

    # when: a row is put, and another region's newer deletion comes before that is captured
    site.put(n=2)
    write = site.last()
    site.now += 10 * SECOND
    with pytest.raises(NotSettled):
        site.merge(deleted(put(FAR, n=5), at=NOW + 60 * SECOND))
    change = site.settle(write).change

    # then
    assert change is not None
    assert change.version > deletion.version


def test_what_a_stamp_says_to_have_been_seen_the_next_write_has_seen_though_the_content_is_another(
    site: StateSite,
) -> None:
    # given: a row whose stamp is of another content, and that no ledger knows
    version = Version(NOW, 1, PEER)
    site.table.write(key(), {**stamp_image(item(n=1), version), "n": {"N": "10"}})
    site.table.stream.clear()

    # when
    site.update(n=12)
    change = site.change()

    # then: it is on top of that, and no row from before its policies
    assert change.context.covers(version)
    assert change.state is not None
    assert not {"i", "f"} & change.state.keys()


def test_what_is_written_since_a_table_has_its_policies_is_on_top_of_that_instant() -> None:
    site = with_policies(Site(HOME))
    site.now = BEGIN
    site.put(n=1)
    state = site.change().state
    assert state is not None
    assert state["f"] == f"{BEGIN:x}.0.begun"


# --- whose version it is given


def test_the_version_of_a_stamping_writer_stands(site: StateSite) -> None:
    site.put_stamped(timestamp=NOW + 20 * SECOND, n=1)
    drawn = site.present().version
    assert site.change().version == drawn


def test_the_version_of_a_stamp_that_is_not_of_the_content_does_not_stand(site: StateSite) -> None:
    site.put_stamped(timestamp=NOW + 20 * SECOND, digest="another", n=1)
    drawn = site.present().version
    assert drawn is not None
    assert site.change().version > drawn


# --- whose write it is


def test_a_copy_of_a_row_of_ours_that_is_put_back_after_its_deletion_is_an_applications(site: StateSite) -> None:
    # given: a row that we have inserted, and that an application deletes
    site.merge(put(PEER, n=1))
    site.settle_all()
    copy = site.present().image
    site.delete()
    site.settle_all()

    # when
    site.put_image(copy)

    # then
    assert site.settle(site.last()).origin is Origin.UNSTAMPED


# --- how the row shows it


def test_content_is_replaced_only_over_a_stamp_so_that_it_is_not_taken_for_another_write() -> None:
    # given: an attribute that never shrinks
    most = replace(ORDERS, attributes={"n": AttributeRule(AttributePolicy.MAX)})
    site = StateSite(HOME, dataset=most)
    site.put(n=5)
    site.settle_all()

    # when: an application puts less, in a row without a stamp
    site.put(n=3)
    changes = site.changes()

    # then: the row shows the most, and one change is shipped
    assert site.number == "5"
    assert [change.image for change in changes] == [item(n=5)]


def test_a_row_from_before_the_policies_needs_no_state_beside_its_stamp() -> None:
    site = with_policies(Site(HOME))
    site.merge(change_of(n=1))
    assert STATE_ATTRIBUTE not in site.present().image


def test_the_version_of_a_row_never_goes_back() -> None:
    # given: a write of since, and another region's of before, by a clock ahead, so that it stands
    site = with_policies(Site(HOME))
    site.now = BEGIN + 50 * SECOND
    site.put(n=1)
    site.settle_all()
    version = site.present().version

    # when
    site.merge(change_of(n=2, at=BEGIN + 30 * SECOND))

    # then
    assert site.state() == (item(n=2), version)


def test_a_mark_is_above_the_stamp_that_it_replaces_so_that_nobody_takes_it_for_an_applications(
    site: StateSite,
) -> None:
    # given: a row of a later version than the deletion that takes it
    site.now = LATER + 60 * SECOND
    site.merge(put(PEER, at=LATER + 20 * SECOND, n=1))

    # when
    site.merge(deleted(put(FAR, n=2)))

    # then
    assert {settled.origin for settled in site.settle_all()} == {Origin.ECHO}
