"""What an operator and the application do, after the runbook, when a region's clock was a year ahead."""

from __future__ import annotations

from distributary.adapters.memory.queues import MemoryOutbox, MemoryParked
from distributary.domain.errors import ClockDrift
from distributary.services.redrive import Redrive
from tests.simulation.setting import YEAR
from tests.simulation.world import World


def recover(world: World) -> bool:
    """Repair the clock, discard what came from the future, send the rest again, and write the rows again at home.

    False when the world does not come to rest in between.
    """
    assert world.setting.ahead is not None
    home = world.regions[world.setting.ahead]
    home.shift(-YEAR)
    for region in world.regions:
        future = [parcel for parcel in region.parking.parcels if parcel.reason == ClockDrift.__name__]
        region.parking.parcels[:] = [parcel for parcel in region.parking.parcels if parcel not in future]
        held = MemoryOutbox(region.outbox)
        Redrive(region.name, MemoryParked(region.parking), held).run(1000, lambda _: True)
    if not world.run():
        return False
    world.writers.restate(home)
    return world.run()
