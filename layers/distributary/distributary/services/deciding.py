"""Which decisions a dataset takes: by versions alone, or with the memory that its policies need.

Of a database that stamps every write itself each table has policies of its own, so it is chosen for each change anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from distributary.domain.change import Change, StreamRecord
from distributary.domain.dataset import Dataset
from distributary.domain.image import Image
from distributary.domain.merge import Merged, merge
from distributary.domain.notation import Notation
from distributary.domain.origin import Origin
from distributary.domain.place import Place
from distributary.domain.policy_begin import settle_from
from distributary.domain.policy_merge import merge_states
from distributary.domain.policy_settlement import settle_states
from distributary.domain.row_state import StateLattice
from distributary.domain.settlement import Settled, settle
from distributary.domain.stamped_merge import merge_stamped, settle_inserted
from distributary.domain.stamped_states import merge_stamped_states, settle_inserted_states
from distributary.domain.steps import Decision
from distributary.domain.unjoined import show_joined

TABLES = 1_000
"""Whose policies are remembered; messages may name any number of them."""


@dataclass(frozen=True)
class Settling:
    """How capture settles records. decide: of records of one row, in their order.

    together: of all that there are; else of one, and those before it that it has overwritten.
    """

    decide: Callable[..., Decision[list[Settled]]]
    together: bool


def _settle_last(records: Sequence[StreamRecord], place: Place, *, ignore_expired: bool) -> Decision[list[Settled]]:
    *overwritten, last = records
    settled = yield from settle(last, place, ignore_expired=ignore_expired)
    return [*(Settled(Origin.UNSTAMPED) for _ in overwritten), settled]


ONE_BY_ONE = Settling(_settle_last, together=False)


def settling(dataset: Dataset) -> Settling:
    """The decisions of capture, for a dataset of DynamoDB."""
    policies = dataset.policies_of()
    if policies.plain:
        return ONE_BY_ONE
    lattice = StateLattice(policies, Notation.DYNAMODB)
    if dataset.policies_from:
        return Settling(partial(settle_from, lattice=lattice, since=dataset.policies_from), together=True)
    return Settling(partial(settle_states, lattice=lattice), together=True)


def merging(dataset: Dataset) -> Callable[..., Decision[Merged]]:
    """The decision of apply, for a dataset of DynamoDB."""
    policies = dataset.policies_of()
    if policies.plain:
        return merge
    return partial(merge_states, lattice=StateLattice(policies, Notation.DYNAMODB), since=dataset.policies_from)


def merging_stamped(dataset: Dataset) -> Callable[..., Decision[Merged]]:
    """The decision of apply, for a dataset whose database stamps every write itself."""
    known = lru_cache(maxsize=TABLES)(partial(stamped_lattice, dataset))

    def decide(change: Change, place: Place, *, take_unsettled: bool = False) -> Decision[Merged]:
        lattice = known(change.table)
        if lattice is None:
            return (yield from merge_stamped(change, place, take_unsettled=take_unsettled))
        if change.home == place.region and change.image is not None:  # capture could not show it, see `joining`
            yield from show_joined(change, place, lattice)
        return (yield from merge_stamped_states(change, place, lattice, take_unsettled=take_unsettled))

    return decide


def settling_inserted(dataset: Dataset, table: str) -> Callable[[Image, Place], Decision[bool]]:
    """The decision of capture on a row of such a database that is told to be new. table: as a change says it."""
    lattice = stamped_lattice(dataset, table)
    return settle_inserted if lattice is None else partial(settle_inserted_states, lattice=lattice)


def stamped_lattice(dataset: Dataset, table: str) -> StateLattice | None:
    """The operations on states of a table's rows; none where its rows need no memory. table: as a change says it."""
    policies = dataset.policies_of(table)
    return None if policies.plain else StateLattice(policies, Notation.POSTGRESQL)
