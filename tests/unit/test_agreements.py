"""What README promises, or other regions, releases and parts of the stack rely on: numbers, names and defaults."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from distributary.domain.change import TOMBSTONE_AGE, TRUSTED_AGE, StreamRecord
from distributary.domain.conflict import Resolution
from distributary.domain.dataset import Dataset, Engine, KeySchema, KeyType, ReplicaSite, TtlDeletes
from distributary.domain.delivery import Received
from distributary.domain.errors import Throttled
from distributary.domain.facts import ApplyReport, CaptureReport, ForwardReport, RedriveReport
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.message import LIMIT
from distributary.domain.origin import LONGEST_CALL, Origin
from distributary.domain.patience import pause_before
from distributary.domain.policies import Policy
from distributary.domain.row import State, Tombstone
from distributary.domain.settlement import Settled
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, STAMPING_SEQUENCE, Context, Version
from tests.unit.sites import HOME, NOW, key


def microseconds(time: timedelta) -> int:
    return time // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("constant", "time"),
    [
        (MICROSECONDS, timedelta(seconds=1)),
        (TRUSTED_AGE, timedelta(days=28)),
        (TOMBSTONE_AGE, timedelta(days=45)),
        (LONGEST_CALL, timedelta(minutes=2)),
    ],
    ids=["a second", "a change under way", "a tombstone", "a call under way"],
)
def test_times_are_as_promised(constant: int, time: timedelta) -> None:
    assert constant == microseconds(time)


def test_the_longest_pause_is_half_an_hour() -> None:
    assert pause_before(Throttled("x"), 1000) == timedelta(minutes=30).total_seconds()


def test_a_message_is_filled_up_to_900_kibibytes() -> None:
    assert LIMIT == 900 * 2**10


def test_rows_keep_what_earlier_releases_wrote_into_them() -> None:
    assert (STAMP_ATTRIBUTE, STATE_ATTRIBUTE) == ("replication_stamp", "replication_state")
    assert {writer: writer.value for writer in Writer} == {
        Writer.APPLICATION: "a",
        Writer.REPLICATION: "r",
        Writer.REPLICATION_DELETES: "x",
    }
    assert STAMPING_SEQUENCE == 2**134


def test_journals_and_events_tell_how_a_conflict_was_resolved_as_earlier_releases_did() -> None:
    assert {resolution: resolution.value for resolution in Resolution} == {
        Resolution.ARRIVED: "arrived",
        Resolution.KEPT: "kept",
        Resolution.MERGED: "merged",
        Resolution.PARTLY: "partly",
    }


def test_key_types_are_called_as_in_dynamodb() -> None:
    assert [kind.value for kind in KeyType] == ["S", "N", "B"]


def test_a_dataset_that_says_nothing_else_has_the_defaults_of_the_readme() -> None:
    plain = Dataset("orders", Engine.DYNAMODB, (ReplicaSite(HOME),))
    assert plain == Dataset(
        name="orders",
        engine=Engine.DYNAMODB,
        replicas=(ReplicaSite(HOME, None),),
        conflict=Policy.LAST_WRITER_WINS,
        ttl_deletes=TtlDeletes.REPLICATE,
        key=KeySchema("pk", KeyType.STRING, None, KeyType.STRING),
        max_clock_drift=microseconds(timedelta(seconds=60)),
    )


def test_nothing_known_is_nothing_remembered() -> None:
    assert Tombstone() == Tombstone(None, Context({}), 0, None, (), "-")
    assert State() == State(row=None, tombstone=None, stored=None)
    assert Stamp(Version(NOW, 1, HOME), NOTHING_SEEN, Writer.REPLICATION).text().endswith(" r - - ")


def test_what_capture_says_nothing_of_is_neither_change_nor_conflict() -> None:
    assert Settled(Origin.DELETED) == Settled(Origin.DELETED, None, conflict=False)


def test_a_record_is_of_whole_seconds_and_not_expired_unless_it_says_so() -> None:
    record = StreamRecord(key(), None, None, 1, NOW)
    assert (record.granularity, record.expired) == (MICROSECONDS, False)


def test_a_message_without_attributes_has_none() -> None:
    assert Received("id", "receipt", "body", 1, NOW).attributes == {}


def test_a_report_of_nothing_tells_of_nothing() -> None:
    nothing: Counter[str] = Counter()
    assert CaptureReport() == CaptureReport(0, Counter(), 0, nothing, {}, [], None)
    assert ApplyReport() == ApplyReport(0, Counter(), nothing, nothing, [], [], {}, 0, 0, 0)
    assert ForwardReport() == ForwardReport(0, nothing, [], {}, 0, 0)
    assert RedriveReport() == RedriveReport(nothing, nothing)
