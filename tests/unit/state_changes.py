"""What other regions ship of a row under policies with memory."""

from __future__ import annotations

from typing import Any

from distributary.domain.change import Change
from tests.unit.sites import FAR, NOW, PEER, SECOND
from tests.unit.state_sites import StateSite

LATER = NOW + 30 * SECOND


def put(region: str = PEER, at: int = NOW, **attributes: Any) -> Change:
    """What another region ships after an application has put the row there."""
    there = StateSite(region, now=at)
    there.put(**attributes)
    return there.change()


def after(change: Change, region: str = FAR, at: int = LATER, **attributes: Any) -> Change:
    """What a region ships after an update on top of a change."""
    there = StateSite(region, now=at)
    there.merge(change)
    there.settle_all()
    there.update(**attributes)
    return there.change()


def deleted(change: Change, region: str = FAR, at: int = LATER) -> Change:
    """What a region ships after it has deleted a row that it knew from a change."""
    there = StateSite(region, now=at)
    there.merge(change)
    there.settle_all()
    there.delete()
    return there.change()


def reborn(deletion: Change, region: str = PEER, at: int = LATER + SECOND, **attributes: Any) -> Change:
    """What a region ships after it has put a row on top of a deletion."""
    there = StateSite(region, now=at)
    there.merge(deletion)
    there.put(**attributes)
    return there.change()
