"""In a database that stamps every write a row is looked at by its stamp alone, and whole only to go on record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import Change
from distributary.domain.dataset import Dataset
from distributary.domain.policies import Policy
from distributary.domain.steps import Look
from distributary.services.deciding import merging_stamped, settling_inserted
from tests.unit.sites import HOME
from tests.unit.stamped_sites import SHOP, TABLE, StampedSite, deletion_of, key, put_of


@pytest.mark.parametrize(
    "dataset", [SHOP, replace(SHOP, conflict=Policy.ATTRIBUTE_MERGE)], ids=["versions", "policies"]
)
@pytest.mark.parametrize("change", [put_of(n=1), deletion_of()], ids=["put", "deletion"])
def test_what_arrives_looks_at_the_stamp_alone_at_first(dataset: Dataset, change: Change) -> None:
    decision = merging_stamped(dataset)(change, StampedSite(HOME).place())
    assert next(decision) == Look(whole=False)


@pytest.mark.parametrize(
    "dataset", [SHOP, replace(SHOP, conflict=Policy.ATTRIBUTE_MERGE)], ids=["versions", "policies"]
)
def test_what_capture_looks_beneath_is_looked_at_by_its_stamp_alone_at_first(dataset: Dataset) -> None:
    decision = settling_inserted(dataset, TABLE)(key(), StampedSite(HOME).place())
    assert next(decision) == Look(whole=False)
