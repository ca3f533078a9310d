"""Policies that merge where a region's clock was a year ahead: its ledger and states of that time are not believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from distributary.domain.errors import NotSettled
from distributary.domain.image import Image
from distributary.domain.merge import Effect
from distributary.domain.policies import AttributePolicy, AttributeRule, Policy
from distributary.domain.row import Ledger, Tombstone
from distributary.domain.version import Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, item
from tests.unit.stamped_sites import SHOP, StampedSite, row
from tests.unit.state_sites import STOCK, StateSite

YEAR = 365 * 86_400 * SECOND
BY_PRIORITY = replace(STOCK, conflict=Policy.REGION_PRIORITY, priority=(PEER, HOME, FAR))
COUNTED = replace(SHOP, attributes={"public.orders.n": AttributeRule(AttributePolicy.COUNTER)})


@pytest.fixture
def site() -> StateSite:
    """A region that has put a row while its clock was a year ahead, and whose clock is right now."""
    ahead = StateSite(HOME, now=NOW + YEAR)
    ahead.put(n=3)
    ahead.settle_all()
    ahead.now = NOW
    return ahead


def there(**attributes: Any) -> StateSite:
    """A peer whose application has put the row, and which has captured that."""
    peer = StateSite(PEER, dataset=BY_PRIORITY)
    peer.put(**attributes)
    return peer


@pytest.mark.parametrize("believed", [True, False])
def test_a_ledger_whose_last_version_is_from_the_future_is_none(*, believed: bool) -> None:
    version = Version(NOW + 60 * SECOND + (not believed), 1, HOME)
    ledger = Ledger(1, version, item(n=1))
    assert Tombstone(ledger=ledger).trusting(NOW + 60 * SECOND).ledger == (ledger if believed else None)


def test_what_is_written_after_the_repair_is_of_its_own_time(site: StateSite) -> None:
    # when: an application writes the row again; our own writes are not taken for its, again and again
    site.update(n=5)
    # then
    assert site.change().version == Version(site.now, 3, HOME)
    assert site.present().settled


def test_a_change_of_a_peer_takes_the_place_of_a_row_from_the_future(site: StateSite) -> None:
    # given: a change that waits, since a local write of the row could still be in the stream
    change = there(n=7).change()
    with pytest.raises(NotSettled):
        site.merge(change)
    # when: it has waited for too long; then
    assert site.merge(change, take_unsettled=True).effect is Effect.INSERTED
    assert site.number == "7"


def deleted_and_put_again(site: StateSite, image: Image) -> None:
    site.delete()
    site.put_image(image)


def test_a_row_that_is_deleted_and_put_again_counts_whole_whatever_a_peer_has() -> None:
    # given: a row that the more important region has written, and home with its clock a year ahead
    peer, home = there(n=1, a=1), StateSite(HOME, dataset=BY_PRIORITY)
    home.merge(peer.change())
    home.settle_all()
    home.now += YEAR
    home.update(n=4, a=2)
    home.settle_all()
    # when: the clock is repaired, and home writes the row again after the runbook
    home.now = peer.now + SECOND
    deleted_and_put_again(home, item(n=4, a=2))
    for change in home.changes():
        peer.merge(change)
    # then: what home had seen of the peer is not believed, and need not be
    assert peer.content() == home.content() == item(n=4, a=2)
    assert peer.present().context == home.present().context


def test_a_row_that_is_only_put_again_would_differ() -> None:
    # given: as above
    peer, home = there(n=1, a=1), StateSite(HOME, dataset=BY_PRIORITY)
    home.merge(peer.change())
    home.settle_all()
    home.now += YEAR
    home.update(n=4, a=2)
    home.settle_all()
    # when: home puts the row without a deletion
    home.now = peer.now + SECOND
    home.put(n=4, a=2)
    peer.merge(home.change())
    # then: it counts as home's first write of a row that the more important region has written, and nobody tells home
    assert (peer.content(), home.content()) == (item(n=5, a=1), item(n=4, a=2))


# --- databases that stamp every write themselves


def test_an_update_over_a_state_from_the_future_begins_it_anew_on_top_of_the_tombstone() -> None:
    # given: a row that was deleted, and inserted while the clock was a year ahead
    home = StampedSite(HOME, dataset=COUNTED)
    home.put(n=2)
    home.delete()
    deletion = home.tombstone()
    home.now += YEAR
    home.put(n=3)
    # when: an application updates it after the repair
    home.now -= YEAR
    home.update(n=4)
    # then: the state is of now, on top of the deletion that is believed
    (change,) = home.changes()[3:]
    assert change.version.timestamp == home.now
    assert deletion is not None
    assert deletion.deletion is not None
    assert change.state is not None
    assert change.state["i"].startswith(f"{deletion.deletion.timestamp:x}.")
    assert change.state["a"] == {"n": {"n": "3", "t": {HOME: ["1", "1"]}}}


def test_a_row_that_is_deleted_and_inserted_again_counts_whole() -> None:
    # given: a row with what both regions have added, and home with its clock a year ahead
    home, peer = StampedSite(HOME, dataset=COUNTED), StampedSite(PEER, dataset=COUNTED)
    home.put(n=2)
    peer.merge(home.changes()[0])
    peer.update(n=5)
    home.merge(peer.changes()[0])
    home.now += YEAR
    home.update(n=6)
    # when: the clock is repaired, and home deletes the row and inserts it again
    home.now = peer.now + SECOND
    home.delete()
    home.put(n=6)
    for change in home.changes()[2:]:
        peer.merge(change)
    # then
    assert peer.content() == home.content() == row(n=6)
    assert peer.present().context == home.present().context
