"""What other regions ship of a row with a counter, where the database stamps every write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from distributary.domain.change import Change
from distributary.domain.image import key_text
from distributary.domain.policies import AttributePolicy, AttributeRule
from distributary.domain.row import Tombstone
from tests.unit.sites import HOME, NOW, SECOND
from tests.unit.stamped_sites import SHOP, StampedSite, key

COUNTED = replace(SHOP, attributes={"public.orders.n": AttributeRule(AttributePolicy.COUNTER)})


def site(region: str = HOME, at: int = NOW) -> StampedSite:
    """A replica of that table."""
    return StampedSite(region, at, dataset=COUNTED)


def put(region: str, at: int = NOW, **columns: Any) -> Change:
    """What another region ships after an application has put the row there."""
    there = site(region, at)
    there.put(**columns)
    return there.changes()[-1]


def deleted(change: Change, region: str, at: int = NOW + 10 * SECOND) -> Change:
    """What a region ships after it has deleted a row that it knew from a change."""
    there = site(region, at)
    there.merge(change)
    there.delete()
    return there.changes()[-1]


def reborn(deletion: Change, region: str, at: int = NOW + 20 * SECOND, **columns: Any) -> Change:
    """What a region ships after it has put a row on top of a deletion."""
    there = site(region, at)
    there.merge(deletion)
    there.put(**columns)
    return there.changes()[-1]


def note_only(home: StampedSite, deletion: Change) -> None:
    """A function that has noted a deletion, and ended before it looked at the row."""
    home.table.tombstones[key_text(key())] = Tombstone(deletion.version, deletion.context)
