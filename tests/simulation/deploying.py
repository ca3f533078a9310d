"""Regions that get policies, or others, one after the other, while applications write and messages are under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from distributary.domain.dataset import Dataset
from distributary.domain.policies import AttributeRule, Policy
from distributary.domain.version import MICROSECONDS
from tests.simulation.choices import Choices
from tests.simulation.merging import MergingWorld, drawn_policies
from tests.simulation.regions import Function, Region
from tests.simulation.setting import Setting
from tests.simulation.streams import StreamRegion
from tests.simulation.world import START, World

SOON = 0.35
"""The chance that a region is deployed after a write."""

BEGIN, IN_TIME = START + 400 * MICROSECONDS, 200 * MICROSECONDS
"""When policies that a table has not had yet begin, and how long before that the last region has to be deployed."""

LONG = (0, 30 * MICROSECONDS, 120 * MICROSECONDS)
"""How much time may pass after a write."""


class Deployments(World):
    """A world whose replicas are deployed one after the other. FUNCTIONS: what a deployment replaces.

    latest: from when on no call begins any more with what is to be replaced, if there is such a time.
    """

    FUNCTIONS: tuple[str, ...] = ("capture", "apply")
    latest: int | None = None
    regions: Sequence[Any]
    earlier: Dataset | None = None

    def due(self) -> tuple[str, ...]:
        """Which functions of a region are to be deployed next."""
        return self.FUNCTIONS

    def _write(self) -> bool:
        written = super()._write()
        if self.choices.chance(SOON):
            self.choices.pick(self.regions).due.update(self.due())
        return written

    def _heal(self) -> None:
        super()._heal()
        for region in self.regions:
            region.due.update(self.FUNCTIONS)

    def _step(self) -> bool:
        for region in self.regions:
            region.deploy()
        return super()._step() or any(region.deploy() for region in self.regions)

    def running_in(self, region: str, functions: set[str]) -> bool:
        """Whether an invocation of such a function is under way there."""
        named = [process.name for process in self.processes if process.name.endswith(f" in {region}")]
        return any(name.split()[0] in functions for name in named)


@dataclass(eq=False)
class Deployed(Region):
    """Such a replica. due: functions to deploy once none of them is running. deployed: those that are."""

    world: Any
    due: set[str] = field(default_factory=set)
    deployed: set[str] = field(default_factory=set)

    def dataset_of(self, function: str) -> Dataset:
        """As the file describes it with which a function was deployed here."""
        described: Dataset = self.world.dataset
        return described if function in self.deployed or self.world.earlier is None else self.world.earlier

    def invoke(self, function: Function) -> bool:
        """See `Region`."""
        replaced = function.value in self.due - self.deployed
        late = self.world.latest is not None and self.world.now > self.world.latest
        return not (replaced and late) and super().invoke(function)

    def deploy(self) -> bool:
        """Deploy if it is time to; whether that was done."""
        new = self.due - self.deployed
        if not new or self.at_work(new):
            return False
        self.deployed |= new
        self.world.note(lambda: f"deployed in {self.name}: {sorted(new)}")
        return True

    def at_work(self, functions: set[str]) -> bool:
        """Whether any of these is at work."""
        running: bool = self.world.running_in(self.name, functions)
        return running


@dataclass(eq=False)
class DeployedRegion(Deployed, StreamRegion):
    """One of DynamoDB."""


class DeployingWorld(Deployments, MergingWorld):
    """Every region begins with rows of which the last write stands; from one instant on the policies hold."""

    latest = BEGIN - IN_TIME

    def region(self, name: str, skew: int) -> DeployedRegion:
        """See `World`."""
        return DeployedRegion(name, skew, self)

    def described(self, dataset: Dataset) -> Dataset:
        """See `World`."""
        self.earlier = dataset
        return replace(super().described(dataset), generation=2, policies_from=BEGIN)

    def _write(self) -> bool:
        written = super()._write()
        self.now += self.choices.pick(LONG)
        return written

    def _pause(self, region: Region) -> None:
        """See `World`; hours may pass once all regions are deployed."""
        if all(len(each.deployed) == len(self.FUNCTIONS) for each in self.regions):
            super()._pause(region)

    def _step(self) -> bool:
        for region in self.regions:
            if self.now > self.latest:
                region.due.update(self.FUNCTIONS)
        return super()._step()


class Changes(Deployments):
    """Every region begins with policies that have a memory, and gets others: for the row, for attributes, or both.

    own: the rules that stay as they were. drawn: draws policies, as the world beneath does.
    """

    base: Policy
    own: Mapping[str, AttributeRule]
    drawn: Callable[[Choices], tuple[Policy, Mapping[str, AttributeRule]]]

    def draws_counting(self, choices: Choices, setting: Setting) -> bool:
        """See the world beneath."""
        del setting
        return choices.chance(0.5)

    def described(self, dataset: Dataset) -> Dataset:
        """See `World`."""
        self.earlier = super().described(dataset)
        before = self.own
        self.base, self.own = type(self).drawn(self.choices)
        later = replace(super().described(dataset), generation=2)
        self.own = {name: rule for name, rule in self.own.items() if name in before}
        return later

    def due(self) -> tuple[str, ...]:
        """What is deployed in one region is replaced one after the other, too."""
        return self.choices.pick((*((each,) for each in self.FUNCTIONS), self.FUNCTIONS))


class ChangingWorld(Changes, MergingWorld):
    """Such a world of DynamoDB."""

    drawn = staticmethod(drawn_policies)

    def region(self, name: str, skew: int) -> DeployedRegion:
        """See `World`."""
        return DeployedRegion(name, skew, self)
