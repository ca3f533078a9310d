"""What an operator and the application do, after the runbook, when a region's clock was a year ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from distributary.adapters.memory.queues import MemoryOutbox, MemoryParked
from distributary.domain.errors import ClockDrift
from distributary.domain.image import Image, content_of
from distributary.services.redrive import Redrive
from tests.simulation.setting import YEAR
from tests.simulation.witness import Fault
from tests.simulation.world import World

NEVER_AT_REST: Fault = ("never at rest",)


def at_the_end(world: World, meanwhile: Callable[[], Fault | None] = lambda: None) -> Fault | None:
    """Play until nothing is left to do, with the recovery where a clock was ahead. None: all came to rest.

    meanwhile: says what is broken before the rows are written again.
    """
    if not world.run():
        return NEVER_AT_REST
    return _recover(world, meanwhile) if world.setting.ahead is not None else None


def _recover(world: World, meanwhile: Callable[[], Fault | None]) -> Fault | None:
    """Repair the clock, discard what came from the future, send the rest again, and write the rows again at home.

    In the end all regions show what was written then.
    """
    assert world.setting.ahead is not None
    home: Any = world.regions[world.setting.ahead]
    home.shift(-YEAR if world.ahead is home else 0)
    world.repaired = home
    world.now += world.dataset.max_clock_drift  # what home has seen and does not believe any more is then in the past
    for region in world.regions:
        future = [parcel for parcel in region.parking.parcels if parcel.reason == ClockDrift.__name__]
        region.parking.parcels[:] = [parcel for parcel in region.parking.parcels if parcel not in future]
        held = MemoryOutbox(region.outbox)
        Redrive(region.name, MemoryParked(region.parking), held).run(1000, lambda _: True)
    if not world.run():
        return NEVER_AT_REST
    broken = meanwhile()
    if broken is not None:
        return broken
    world.writes = world.choices.pick((0, 0, 1, 2, 4))  # applications do not wait for the operator
    if not world.run():
        return NEVER_AT_REST
    world.writers.restate(home)
    written = [_content(home.table.get(key)) for key in world.writers.keys]
    if not world.run():
        return NEVER_AT_REST
    regions: Sequence[Any] = world.regions
    for region in regions:
        shown = [_content(region.table.get(key)) for key in world.writers.keys]
        if shown != written:
            return "not what was written again", region.name, shown, written
    return None


def _content(image: Image | None) -> Image | None:
    return content_of(image) if image is not None else None
