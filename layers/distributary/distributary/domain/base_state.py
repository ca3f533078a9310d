"""States of a row's attributes that have no policy of their own, together or each by itself, and how two become one.

A `Unit` is one write's attributes as a whole; of two the greater in an order stands. Each order is total, and a write
on top of another is always the greater, so that the join is commutative, associative and idempotent:

    last_writer_wins     (version)
    region_priority      (how often each region wrote, the first of the priority first; version)
    first_writer_wins    (version of the first write of all, the earliest greatest; number of writes; version, likewise)

A region's write raises its own count and keeps those of the others that it had seen. So of writes made without sight
of each other that of the more important region wins, however often the other has written meanwhile, and a write that
has seen another's is above it. Priority and version alone would not do: a region's write on top of a more important
one's would lose. `Registers` keep a version for each attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from distributary.domain.image import AttributeValue, Image, digest_of, same_content
from distributary.domain.policies import Policies, Policy
from distributary.domain.version import Version

Order: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """Attributes that stand or fall together. version: of the write that left them. order: see the module."""

    content: Image
    version: Version
    order: Order = ()

    def key(self, policy: Policy) -> tuple[object, ...]:
        """What is compared. Two contents of one version are possible where the policies have changed: one stands."""
        if policy is Policy.FIRST_WRITER_WINS:
            (at, sequence, writes), version = self.order or (0, 0, 0), self.version
            earliest = -version.timestamp, -version.sequence, version.region
            return -at, -sequence, writes, *earliest, digest_of(self.content)
        return *self.order, self.version, digest_of(self.content)


@dataclass(frozen=True, slots=True)
class Register:
    """One attribute by itself; no value where it was removed."""

    version: Version
    value: AttributeValue | None

    @property
    def key(self) -> tuple[Version, str]:
        """What is compared."""
        return self.version, digest_of({"": self.value} if self.value is not None else {})


@dataclass(frozen=True, slots=True)
class Registers:
    """Attributes of which each is by itself."""

    known: Mapping[str, Register]

    @property
    def content(self) -> Image:
        """Those that are there."""
        return {name: each.value for name, each in self.known.items() if each.value is not None}


Base: TypeAlias = Unit | Registers

Names: TypeAlias = frozenset[str]


def began(content: Image, version: Version, policies: Policies) -> Base:
    """The state of attributes that were there before anything was known of their policy."""
    if policies.base is Policy.ATTRIBUTE_MERGE:
        return Registers({name: Register(version, value) for name, value in content.items()})
    order = _first_order(policies)
    if policies.base is Policy.FIRST_WRITER_WINS:
        order = (version.timestamp, version.sequence, 0)
    return Unit(content, version, order)


def written(base: Base | None, old: Image, new: Image, version: Version, policies: Policies) -> Base:
    """The state after a local write that found `old` and left `new`; the same where it did not touch it."""
    if isinstance(base, Registers):
        touched = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        return Registers({**base.known, **{name: Register(version, new.get(name)) for name in touched}})
    if base is None:
        first = began(new, version, policies)
        return first if isinstance(first, Registers) else Unit(new, version, _raised(first.order, version, policies))
    if same_content(old, new):
        return base
    return Unit(new, version, _raised(base.order, version, policies))


def join(one: Base, other: Base, policies: Policies) -> Base:
    """Both states as one."""
    if isinstance(one, Unit) and isinstance(other, Unit):
        return max(one, other, key=lambda each: each.key(policies.base))
    assert isinstance(one, Registers) and isinstance(other, Registers)  # noqa: S101, PT018 - of one dataset's policies
    known = dict(one.known)
    for name, theirs in other.known.items():
        known[name] = max(theirs, known.get(name, theirs), key=lambda each: each.key)
    return Registers(known)


def overwritten(
    one: Base, other: Base, policies: Policies, has_seen: tuple[Callable[[Version], bool], Callable[[Version], bool]]
) -> tuple[Names, Names]:
    """Of each of two states the attributes whose values their join does not show, though the other had not seen them.

    has_seen: of each state, which versions it has seen. What is older for who knows it is no loss.
    """
    lost: tuple[set[str], set[str]] = (set(), set())
    if isinstance(one, Unit) and isinstance(other, Unit):
        units, loser = (one, other), int(join(one, other, policies) is one)
        if not has_seen[1 - loser](units[loser].version):
            names = one.content.keys() | other.content.keys()
            lost[loser].update(name for name in names if one.content.get(name) != other.content.get(name))
    else:
        assert isinstance(one, Registers) and isinstance(other, Registers)  # noqa: S101, PT018 - as above
        for name in one.known.keys() & other.known.keys():
            pair = one.known[name], other.known[name]
            loser = int(pair[0].key >= pair[1].key)
            if pair[0].value != pair[1].value and not has_seen[1 - loser](pair[loser].version):
                lost[loser].add(name)
    return frozenset(lost[0]), frozenset(lost[1])


def _first_order(policies: Policies) -> Order:
    return (0,) * (len(policies.priority) + 1) if policies.base is Policy.REGION_PRIORITY else ()


def _raised(order: Order, version: Version, policies: Policies) -> Order:
    """The order of a write on top of a state of that order."""
    match policies.base:
        case Policy.REGION_PRIORITY:
            known = order or _first_order(policies)
            place = policies.priority.index(version.region) if version.region in policies.priority else len(known) - 1
            return (*known[:place], known[place] + 1, *known[place + 1 :])
        case Policy.FIRST_WRITER_WINS:
            at, sequence, writes = order or (version.timestamp, version.sequence, 0)
            return at, sequence, writes + 1
    return ()
