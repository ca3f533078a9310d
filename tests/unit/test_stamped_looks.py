"""In a database that stamps every write a row is looked at by its stamp alone, and whole only to go on record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.policies import Policy
from distributary.domain.steps import Look
from distributary.services.deciding import merging_stamped
from tests.unit.sites import HOME
from tests.unit.stamped_sites import SHOP, StampedSite, deletion_of, put_of


@pytest.mark.parametrize(
    "dataset", [SHOP, replace(SHOP, conflict=Policy.ATTRIBUTE_MERGE)], ids=["versions", "policies"]
)
@pytest.mark.parametrize("change", [put_of(n=1), deletion_of()], ids=["put", "deletion"])
def test_what_arrives_looks_at_the_stamp_alone_at_first(dataset: Dataset, change: Change) -> None:
    decision = merging_stamped(dataset)(change, StampedSite(HOME).place())
    assert next(decision) == Look(whole=False)
