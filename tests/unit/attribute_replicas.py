"""One attribute with a policy of its own in two regions that write it and hear of each other."""

from __future__ import annotations

from distributary.domain.crdt import ALWAYS, AttributeLattice, AttributeState, Moment
from distributary.domain.image import AttributeValue
from distributary.domain.lattices import lattices_of
from distributary.domain.notation import Notation
from distributary.domain.policies import AttributePolicy, AttributeRule, Policies
from distributary.domain.version import NOTHING_SEEN, Context, Version

HERE, THERE, FAR = "eu", "us", "ap"


def lattice(policy: AttributePolicy, notation: Notation = Notation.DYNAMODB) -> AttributeLattice:
    return lattices_of(Policies(rules={"x": AttributeRule(policy)}), notation)["x"]


class Replica:
    """One attribute in one region: its state, what it shows, and what was seen."""

    def __init__(self, region: str, operations: AttributeLattice, at: int = 0) -> None:
        self.region, self.lattice, self.at = region, operations, at
        self.state: AttributeState | None = None
        self.context: Context = NOTHING_SEEN

    @property
    def shown(self) -> AttributeValue | None:
        return self.lattice.value(self.state) if self.state is not None else None

    def write(self, new: AttributeValue | None) -> Replica:
        self.at += 1
        version = Version(self.at, self.at, self.region)
        self.state = self.lattice.written(self.state, self.shown, new, Moment(version, self.at))
        self.context = self.context.including(version)
        return self

    def covers(self, version: Version) -> bool:
        """As of a row's state: what was there before replication, all have seen."""
        return version == ALWAYS or self.context.covers(version)

    def hear(self, other: Replica) -> Replica:
        if other.state is not None:
            covers = (self.covers, other.covers)
            self.state = self.lattice.join(self.state, other.state, covers) if self.state else other.state
        self.context = self.context.merge(other.context)
        self.at = max(self.at, other.at)
        return self


def replicas(policy: AttributePolicy, notation: Notation = Notation.DYNAMODB) -> tuple[Replica, Replica]:
    operations = lattice(policy, notation)
    return Replica(HERE, operations), Replica(THERE, operations)


def n(text: str | int) -> AttributeValue:
    return {"N": str(text)}


def ss(*elements: str) -> AttributeValue:
    return {"SS": sorted(elements)}


def met(one: Replica, other: Replica) -> AttributeValue | None:
    """What both show once each has heard of the other; they have to agree."""
    before = Replica(other.region, other.lattice)
    before.state, before.context = other.state, other.context
    other.hear(one)
    one.hear(before)
    assert one.state == other.state
    return one.shown
