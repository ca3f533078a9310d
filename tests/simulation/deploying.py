"""Regions that get their policies one after the other, while applications write and messages are under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from distributary.domain.dataset import Dataset
from distributary.domain.version import MICROSECONDS
from tests.simulation.choices import Choices
from tests.simulation.merging import MergingWorld
from tests.simulation.regions import Region
from tests.simulation.setting import Setting
from tests.simulation.streams import StreamRegion
from tests.simulation.world import START

SOON = 0.35
"""The chance that a region is deployed after a write."""

BEGIN, IN_TIME = START + 400 * MICROSECONDS, 200 * MICROSECONDS
"""When the policies begin, and how long before that the last region has to be deployed."""

LONG = (0, 30 * MICROSECONDS, 120 * MICROSECONDS)
"""How much time may pass after a write."""


class DeployingWorld(MergingWorld):
    """The world of such replicas: every region begins with rows of which the last write stands."""

    regions: list[DeployingRegion]

    def __init__(self, choices: Choices, setting: Setting, tell: Callable[[str], None] | None = None) -> None:
        self.earlier: Dataset | None = None
        super().__init__(choices, setting, tell)

    def described(self, dataset: Dataset) -> Dataset:
        """See `World`."""
        self.earlier = dataset
        return replace(super().described(dataset), generation=2, policies_from=BEGIN)

    def region(self, name: str, skew: int) -> DeployingRegion:
        """See `World`."""
        return DeployingRegion(name, skew, self)

    def _write(self) -> bool:
        written = super()._write()
        if self.choices.chance(SOON):
            self.choices.pick(self.regions).due = True
        self.now += self.choices.pick(LONG)
        return written

    def _pause(self, region: Region) -> None:
        """See `World`; hours may pass once all regions are deployed."""
        if all(each.deployed for each in self.regions):
            super()._pause(region)

    def _heal(self) -> None:
        super()._heal()
        for region in self.regions:
            region.due = True

    def _step(self) -> bool:
        for region in self.regions:
            region.due = region.due or self.now > BEGIN - IN_TIME
            region.deploy()
        return super()._step() or any(region.deploy() for region in self.regions)

    def running_in(self, region: str) -> bool:
        """Whether an invocation is under way there."""
        return any(process.name.endswith(f" in {region}") for process in self.processes)


@dataclass(eq=False)
class DeployingRegion(StreamRegion):
    """One such replica. due: its functions are to be deployed once none is running. deployed: they are."""

    world: DeployingWorld
    due: bool = False
    deployed: bool = False

    @property
    def dataset(self) -> Dataset:
        """As this region's file describes it."""
        earlier = self.world.earlier
        return self.world.dataset if self.deployed or earlier is None else earlier

    def deploy(self) -> bool:
        """Deploy if it is time to; whether that was done."""
        if self.deployed or not self.due or self.world.running_in(self.name):
            return False
        self.deployed = True
        self.world.note(lambda: f"deployed: {self.name}")
        return True
