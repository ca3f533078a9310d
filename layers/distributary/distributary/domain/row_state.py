"""A row's whole state under policies that keep a memory: all that was ever merged into it, and what readers see of it.

Two states become one by joining their parts. What a state knows beside its values stands in the row's
`replication_state` (`state_documents`).

A deletion removes a row unless it was made on top of it. So of two states made on top of different deletions that of
the newer counts whole, and a row is there if nothing newer than that was deleted.

A row from before its policies has no memory, and regions where these do not hold yet let the newer of two such rows,
or of such a row and a deletion, stand. So its incarnation is its own version. Whatever is written once the policies
have begun is of the incarnation of that instant, above all that was written before, seen or not.

Policies change in one region after the other, so two regions may have decided the same conflict differently, and
neither would hear of it. So where something is decided of a state that was written under earlier policies, the outcome
counts as a write of this region, which has seen all of it: that wins everywhere, by all policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from distributary.domain import base_state
from distributary.domain.base_state import Base, Names
from distributary.domain.crdt import ALWAYS, AttributeLattice, AttributeState, Moment
from distributary.domain.image import Image
from distributary.domain.lattices import lattices_of
from distributary.domain.notation import Notation
from distributary.domain.policies import Policies
from distributary.domain.version import NOTHING_SEEN, Context, Version

BEGUN = "begun"
"""In the place of a region: the instant from which a table has its policies, as an incarnation."""


@dataclass(frozen=True)
class RowState:
    """version: the newest that was merged. context: all that were. incarnation: the deletion beneath, if any.

    from_plain: the incarnation is no deletion, but that of a row from before its policies, or their beginning.
    generation: of the policies under which it was written. disputes: how often something was decided here since it was
    written that other regions may have decided otherwise.
    """

    version: Version
    context: Context
    base: Base
    attributes: Mapping[str, AttributeState]
    incarnation: Version = ALWAYS
    from_plain: bool = False
    generation: int = 1
    disputes: int = 0

    @property
    def plain_born(self) -> bool:
        """Whether nothing was written or merged since before the policies, so that the row's stamp tells all."""
        return self.from_plain and self.version == self.incarnation

    def covers(self, version: Version) -> bool:
        """Whether this state has seen a version; what was there before replication, all have."""
        return version == ALWAYS or self.context.covers(version)


@dataclass(frozen=True)
class StateLattice:
    """The operations on states of the rows of one table."""

    policies: Policies
    notation: Notation

    @cached_property
    def lattices(self) -> Mapping[str, AttributeLattice]:
        """Of the attributes that have a policy of their own."""
        return lattices_of(self.policies, self.notation)

    def visible(self, state: RowState) -> Image:
        """What readers see of a state: the whole row but for our own attributes."""
        own = {name: self.lattices[name].value(each) for name, each in state.attributes.items()}
        return {**state.base.content, **{name: value for name, value in own.items() if value is not None}}

    def began(self, content: Image, version: Version, context: Context = NOTHING_SEEN) -> RowState:
        """The state of a row that was there before its policies. version: ALWAYS where it has none."""
        # A number that replicas know by its version began with it; one that nobody knows began for all alike.
        own = {name: lattice.began(content.get(name), version) for name, lattice in self.lattices.items()}
        base = base_state.began(self.without_own(content), version, self.policies)
        known = {name: each for name, each in own.items() if each is not None}
        return RowState(version, context, base, known, version, from_plain=version != ALWAYS)

    def written(self, known: RowState | None, old: Image, new: Image, at: Moment, incarnation: Version) -> RowState:
        """The state after a local write that found the content `old` (empty: no row) and left `new`."""
        begun = incarnation.region == BEGUN
        alive = known if known is not None and (begun or known.incarnation >= incarnation) else None
        own = dict(alive.attributes) if alive else {}
        for name, lattice in self.lattices.items():
            state = lattice.written(own.get(name), old.get(name), new.get(name), at)
            if state is not None:
                own[name] = state
        base = base_state.written(
            alive.base if alive else None, self.without_own(old), self.without_own(new), at.version, self.policies
        )
        context = (known.context if known else NOTHING_SEEN).including(at.version)
        version = max(at.version, known.version) if known else at.version
        if alive is not None and alive.incarnation >= incarnation:
            incarnation, begun = alive.incarnation, alive.from_plain
        return RowState(version, context, base, own, incarnation, begun, self.policies.generation)

    def rewritten(self, known: RowState, at: Version) -> RowState:
        """The state after a local write that changed nothing: it has all of what is known in it."""
        context = known.context.including(at)
        return replace(known, version=at, context=context, generation=self.policies.generation, disputes=0)

    def join(self, one: RowState, other: RowState) -> RowState:
        """Both states as one: commutative, associative and idempotent, but for the number of disputes."""
        context = one.context.merge(other.context)
        if one.incarnation != other.incarnation:
            later = max(one, other, key=lambda state: state.incarnation)
            # Over a deletion its context stays, too: who knows of that deletion never looks at the earlier state.
            return replace(later, context=context) if later.from_plain else later
        if context == one.context and one.covers(other.version):
            return one  # it has all of the other in it; said by the parts as well, unless those had other policies
        if context == other.context and other.covers(one.version):
            return other
        own = dict(one.attributes)
        for name, theirs in other.attributes.items():
            mine = own.get(name)
            own[name] = self.lattices[name].join(mine, theirs, (one.covers, other.covers)) if mine else theirs
        base = base_state.join(one.base, other.base, self.policies)
        version = max(one.version, other.version)
        from_plain = one.from_plain or other.from_plain
        now = self.policies.generation
        disputes = max(one.disputes, other.disputes) + (min(one.generation, other.generation) < now)
        return RowState(version, context, base, own, one.incarnation, from_plain, now, disputes)

    def overwritten(self, one: RowState, other: RowState) -> tuple[Names, Names]:
        """Of each of two states of one incarnation the attributes that both as one do not show; see `base_state`."""
        return base_state.overwritten(one.base, other.base, self.policies, (one.covers, other.covers))

    def without_own(self, content: Image) -> Image:
        """The attributes that have no policy of their own."""
        return {name: value for name, value in content.items() if name not in self.lattices}
