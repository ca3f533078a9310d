"""Which decisions a dataset takes: by versions alone, or with the memory that its policies need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from distributary.domain.change import StreamRecord
from distributary.domain.dataset import Dataset
from distributary.domain.merge import Merged, merge
from distributary.domain.notation import Notation
from distributary.domain.place import Place
from distributary.domain.policy_begin import settle_from
from distributary.domain.policy_merge import merge_states
from distributary.domain.policy_settlement import settle_states
from distributary.domain.row_state import StateLattice
from distributary.domain.settlement import Settled, settle
from distributary.domain.steps import Decision


@dataclass(frozen=True)
class Settling:
    """How capture settles records. decide: of records of one row, in their order. together: of all that there are."""

    decide: Callable[..., Decision[list[Settled]]]
    together: bool


def _settle_one(records: Sequence[StreamRecord], place: Place, *, ignore_expired: bool) -> Decision[list[Settled]]:
    (record,) = records
    return [(yield from settle(record, place, ignore_expired=ignore_expired))]


ONE_BY_ONE = Settling(_settle_one, together=False)


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
