"""In a database that stamps every write a row is looked at by its stamp alone, and whole only to go on record."""

from __future__ import annotations

import pytest

from distributary.domain.change import Change
from distributary.domain.stamped_merge import merge_stamped
from distributary.domain.steps import Look
from tests.unit.sites import HOME
from tests.unit.stamped_sites import StampedSite, deletion_of, put_of


@pytest.mark.parametrize("change", [put_of(n=1), deletion_of()], ids=["put", "deletion"])
def test_what_arrives_looks_at_the_stamp_alone_at_first(change: Change) -> None:
    assert next(merge_stamped(change, StampedSite(HOME).place())) == Look(whole=False)
