"""Which decisions a dataset takes: by versions alone, or with the memory that its policies need."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from distributary.domain.dataset import Dataset
from distributary.domain.merge import Merged, merge
from distributary.domain.notation import Notation
from distributary.domain.policy_merge import merge_states
from distributary.domain.policy_settlement import settle_states
from distributary.domain.row_state import StateLattice
from distributary.domain.settlement import Settled, settle
from distributary.domain.steps import Decision


def settling(dataset: Dataset) -> Callable[..., Decision[Settled]]:
    """The decision of capture, for a dataset of DynamoDB."""
    policies = dataset.policies_of()
    return settle if policies.plain else partial(settle_states, lattice=StateLattice(policies, Notation.DYNAMODB))


def merging(dataset: Dataset) -> Callable[..., Decision[Merged]]:
    """The decision of apply, for a dataset of DynamoDB."""
    policies = dataset.policies_of()
    return merge if policies.plain else partial(merge_states, lattice=StateLattice(policies, Notation.DYNAMODB))
