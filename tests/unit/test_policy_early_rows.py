"""Rows from before a table got its policies, as changes and writes of since find them: captured, taken, or copied."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change
from distributary.domain.errors import NotSettled
from distributary.domain.row import Row
from distributary.domain.version import Version
from tests.unit.sites import FAR, HOME, NOW, PEER, SECOND, Site, change_of, item, key, stamp_image
from tests.unit.state_sites import BEGIN, with_policies


def on_top_of(row: Row) -> Change:
    """A change of another region whose writer had seen the row."""
    assert row.version is not None
    change = change_of(n=9, at=row.version.timestamp + SECOND, home=FAR)
    return replace(change, context=row.context.including(change.version))


def test_a_stamping_writers_row_of_before_that_a_change_was_made_on_top_of_is_replaced_at_once() -> None:
    plain = Site(HOME)
    plain.put_stamped(n=1)
    plain.settle_all()
    site = with_policies(plain)
    site.merge(on_top_of(plain.present()))
    assert site.number == "9"


def test_a_stamping_writers_row_of_the_very_instant_is_waited_for() -> None:
    plain = Site(HOME, now=BEGIN)
    plain.put_stamped(timestamp=BEGIN, n=1)
    site = with_policies(plain)
    with pytest.raises(NotSettled):
        site.merge(on_top_of(plain.present()))


def test_a_row_of_before_that_is_taken_as_it_is_is_known_to_have_been_there() -> None:
    # given: a stamp of before over another content
    site, version = with_policies(Site(HOME)), Version(NOW, 1, PEER)
    site.table.write(key(), {**stamp_image(item(n=2), version), "n": {"N": "1"}})

    # when: a change that has not seen it is merged after a while
    site.merge(change_of(n=9, at=NOW + SECOND, home=FAR), take_unsettled=True)

    # then
    assert site.present().context.covers(version)


def test_a_row_of_before_that_is_put_over_a_write_of_since_meets_it_as_another_regions_write() -> None:
    # given: a write on top of a deletion of since, and over it a copy of a peer's row of before
    plain, far, site = Site(PEER), with_policies(Site(FAR)), with_policies(Site(HOME))
    plain.put(n=3)
    plain.settle_all()
    far.now = BEGIN
    far.put(n=1)
    far.settle_all()
    far.delete()
    site.merge(far.change())
    site.now = BEGIN + 10 * SECOND
    site.put(n=2)
    write = site.last()
    site.put_image(plain.present().image)

    # when
    settled = site.settle(write)

    # then
    assert settled.change is not None
    assert site.number == "2"
    (conflict,) = site.conflicts
    assert conflict.arriving.version == settled.change.version
