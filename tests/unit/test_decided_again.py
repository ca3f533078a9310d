"""What is decided once more under later policies counts as a write that changes nothing, whatever brings it about."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from distributary.domain.dataset import Dataset
from distributary.domain.origin import Origin
from distributary.domain.policies import AttributePolicy, AttributeRule, Policy
from tests.unit.sites import HOME, ORDERS, PEER, SECOND, item
from tests.unit.state_sites import StateSite

COUNTED: Dataset = replace(ORDERS, attributes={"n": AttributeRule(AttributePolicy.COUNTER)})
LATER: Dataset = replace(COUNTED, conflict=Policy.FIRST_WRITER_WINS, generation=2)


@pytest.fixture
def site() -> StateSite:
    """A region that has got later policies, and another region's write of the earlier ones, in dispute with its own."""
    site, peer = StateSite(HOME, dataset=COUNTED), StateSite(PEER, dataset=COUNTED)
    site.put(n=1)
    site.settle_all()
    peer.put(n=2)
    site.dataset = LATER
    site.merge(peer.change())
    return site


def test_its_record_adds_nothing_to_a_counter(site: StateSite) -> None:
    (settled, *_) = site.settle_all()
    assert settled.origin is Origin.REWRITTEN
    assert site.number == "3"


def test_a_copy_of_what_is_in_dispute_is_an_applications_write(site: StateSite) -> None:
    # given
    disputed = site.present().image
    site.settle_all()

    # when
    site.put_image(disputed)

    # then
    assert site.settle(site.last()).origin is Origin.UNSTAMPED


def test_what_is_decided_against_the_ledger_of_a_row_that_is_gone_is_such_a_write_too() -> None:
    # given: a row of the earlier policies that an application has deleted, which is not captured
    site, peer = StateSite(HOME, dataset=COUNTED), StateSite(PEER, dataset=COUNTED)
    site.put(n=1)
    site.settle_all()
    site.delete()
    site.dataset = LATER

    # when: another region's row takes its place
    peer.now += SECOND
    peer.put(n=2)
    site.merge(peer.change())

    # then
    assert site.settle(site.last()).origin is Origin.REWRITTEN


def test_a_row_that_came_on_top_of_a_deletion_stays_though_it_shows_what_was_decided_before() -> None:
    # given: another region's row, of later policies, which wins over ours; its deletion; and the same row put again
    site, peer = StateSite(HOME, dataset=COUNTED), StateSite(PEER, dataset=LATER)
    site.put(m=5)
    site.settle_all()
    site.dataset = LATER
    site.now += 10 * SECOND
    peer.now -= 10 * SECOND
    shipped = []
    for act in (partial(peer.put, m=1), peer.delete, partial(peer.put, m=1)):
        act()
        shipped += peer.changes()
    for change in shipped:
        site.merge(change)
    assert site.content() == item(m=1)

    # when: what was decided before the deletion is captured
    origins = [each.origin for each in site.settle_all()]

    # then
    assert Origin.REWRITTEN in origins
    assert site.content() == item(m=1)
