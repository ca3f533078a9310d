"""A tombstone that is written down is read back as it was, by this release and by the next."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.errors import MalformedStamp
from distributary.domain.row import Ledger, Tombstone, tombstone_from
from distributary.domain.version import Context, Instant, Version
from tests.unit import strategies

ledgers = st.builds(
    Ledger,
    sequence=strategies.sequences,
    version=strategies.versions,
    image=st.none() | st.just({"pk": {"S": "a"}}),
    context=strategies.contexts,
)
tombstones = st.builds(
    Tombstone,
    deletion=st.none() | strategies.versions,
    context=strategies.contexts,
    arrived_at=strategies.timestamps,
    removing=st.none() | strategies.versions,
    removing_names=st.lists(strategies.names, max_size=3).map(tuple),
    removed=strategies.fingerprints,
    ledger=st.none() | ledgers,
)

FULL = Tombstone(
    deletion=Version(1_767_225_600_000_000, 21, "eu-west-1"),
    context=Context({"us-east-1": Instant(255, 16), "eu-west-1": Instant(1_767_225_600_000_000, 21)}),
    arrived_at=1_767_225_601_000_000,
    removing=Version(1_767_225_599_000_000, 10, "us-east-1"),
    removing_names=("n", "pk"),
    removed="Ab-_0123",
)
STORED = {
    "deletion": "1767225600000000.0000000000000000000000000000000015.eu-west-1",
    "context": {"eu-west-1": "6474846204000.15", "us-east-1": "ff.10"},
    "arrived_at": 1_767_225_601_000_000,
    "removing": "1767225599000000.000000000000000000000000000000000a.us-east-1",
    "removing_names": ["n", "pk"],
    "removed": "Ab-_0123",
}
WRITTEN = Ledger(
    26, Version(1_767_225_600_000_000, 21, "eu-west-1"), {"n": {"N": "1"}}, Context({"ap": Instant(255, 16)})
)
STORED_LEDGER = {
    "sequence": "1a",
    "version": "1767225600000000.0000000000000000000000000000000015.eu-west-1",
    "image": {"n": {"N": "1"}},
    "context": {"ap": "ff.10"},
}


@given(tombstones)
def test_reading_is_the_inverse_of_writing(tombstone: Tombstone) -> None:
    assert tombstone_from(json.loads(json.dumps(tombstone.document()))) == tombstone


def test_what_earlier_releases_have_stored_keeps_its_form() -> None:
    assert FULL.document() == STORED
    assert tombstone_from(STORED) == FULL


def test_a_ledger_keeps_its_form_too() -> None:
    assert replace(FULL, ledger=WRITTEN).document() == {**STORED, "ledger": STORED_LEDGER}
    assert tombstone_from({**STORED, "ledger": STORED_LEDGER}) == replace(FULL, ledger=WRITTEN)


def test_nothing_remembered_is_written_as_nothing() -> None:
    document = Tombstone().document()
    assert (document["deletion"], document["removing"]) == (None, None)
    assert tombstone_from(document) == Tombstone()


def test_numbers_may_come_as_a_database_tells_them() -> None:
    assert tombstone_from({**STORED, "arrived_at": Decimal(7)}).arrived_at == 7


@pytest.mark.parametrize("name", STORED)
def test_a_tombstone_that_lacks_a_part_is_malformed(name: str) -> None:
    with pytest.raises(MalformedStamp):
        tombstone_from({other: value for other, value in STORED.items() if other != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deletion", "yesterday"),
        ("deletion", 5),
        ("context", []),
        ("context", {"eu-west-1": "x"}),
        ("arrived_at", "noon"),
        ("arrived_at", None),
        ("removing", "yesterday"),
        ("removing_names", 5),
    ],
)
def test_a_tombstone_with_a_garbled_part_is_malformed(name: str, value: Any) -> None:
    with pytest.raises(MalformedStamp):
        tombstone_from({**STORED, name: value})


@pytest.mark.parametrize(("older", "stays"), [(1, True), (0, True), (-1, False)])
def test_a_state_stays_deleted_if_it_is_not_newer_than_the_deletion(older: int, stays: bool) -> None:
    deletion = Version(100, 5, "eu-west-1")
    assert Tombstone(deletion).covers(deletion._replace(timestamp=100 - older)) is stays


def test_a_tombstone_without_a_deletion_covers_nothing() -> None:
    assert not Tombstone().covers(Version(0, 0, "eu-west-1"))


def test_a_tombstone_is_believed_up_to_the_latest_time_that_can_be() -> None:
    deletion, removing = 1_767_225_600_000_000, 1_767_225_599_000_000
    without_deletion = replace(FULL, deletion=None, context=Context({"us-east-1": Instant(255, 16)}))
    assert FULL.trusting(deletion) == FULL
    assert FULL.trusting(deletion - 1) == FULL.trusting(removing) == without_deletion
    assert FULL.trusting(removing - 1) == replace(without_deletion, removing=None)


def test_a_tombstone_without_a_deletion_is_believed_at_any_time() -> None:
    assert Tombstone(arrived_at=5).trusting(0) == Tombstone(arrived_at=5)
