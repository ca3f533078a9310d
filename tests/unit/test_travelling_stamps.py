"""The stamp that a trigger wrote travels as replication's: all else the same, and no other stamp does."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from distributary.domain.stamp import Stamp, Writer, is_plain_stamp, is_stamp, travelling
from distributary.domain.version import NOTHING_SEEN, STAMPING_SEQUENCE, Context, Instant, Version
from tests.unit import strategies
from tests.unit.sites import HOME, NOW, PEER

ALONE = Version(NOW, 0, HOME)
VERSIONS = st.builds(Version, st.integers(0, 10**16 - 1), st.integers(0, STAMPING_SEQUENCE - 1), st.just(HOME))


def by(writer: Writer, version: Version = ALONE, seen: Context = NOTHING_SEEN) -> str:
    return Stamp(version, seen.including(version), writer).text()


@given(VERSIONS)
def test_a_stamp_of_one_region_alone_travels_as_replications(version: Version) -> None:
    assert travelling(by(Writer.APPLICATION, version), HOME) == by(Writer.REPLICATION, version)


def test_what_a_write_had_seen_of_other_regions_travels_with_it() -> None:
    # given
    seen = Context({PEER: Instant(NOW - 5, 7)})
    # when
    told = travelling(by(Writer.APPLICATION, ALONE, seen), HOME)
    # then
    assert told == by(Writer.REPLICATION, ALONE, seen)


@given(strategies.stamps())
def test_what_travels_is_a_stamp_of_replication(stamp: Stamp) -> None:
    told = travelling(stamp.text(), stamp.version.region)
    assert told is None or is_stamp(told, Writer.REPLICATION, (stamp.version.region,))


@pytest.mark.parametrize("writer", [Writer.REPLICATION, Writer.REPLICATION_DELETES])
def test_what_replication_wrote_does_not_travel_again(writer: Writer) -> None:
    assert travelling(by(writer), HOME) is None


def test_a_stamp_of_another_region_does_not_travel_from_here() -> None:
    assert travelling(by(Writer.APPLICATION), PEER) is None


@given(VERSIONS)
@example(ALONE)
def test_a_stamp_of_one_region_alone_is_plain(version: Version) -> None:
    assert is_plain_stamp(by(Writer.REPLICATION, version), HOME)


@given(VERSIONS, st.data())
def test_a_damaged_stamp_is_not_taken_for_a_plain_one(version: Version, data: st.DataObject) -> None:
    # given: a character of it is another one
    text = by(Writer.REPLICATION, version)
    at, character = data.draw(st.integers(0, len(text) - 1)), data.draw(st.sampled_from("0123456789abcdefx .-_+=,٣"))
    assume(text[at] != character)
    damaged = text[:at] + character + text[at + 1 :]
    # when
    plain = is_plain_stamp(damaged, HOME)
    # then: the slower reading says the same
    assert plain <= is_stamp(damaged, Writer.REPLICATION, (HOME,))


@pytest.mark.parametrize("number", ["+" + "0" * 33, "0x" + "0" * 32, "1_" + "0" * 32, "0" * 33 + "A"])
def test_a_sequence_that_nobody_writes_so_is_none(number: str) -> None:
    moment, _, rest = by(Writer.REPLICATION).split(".", 2)
    assert not is_plain_stamp(f"{moment}.{number}.{rest}", HOME)


def test_a_sequence_that_no_trigger_draws_is_not_plain() -> None:
    assert not is_plain_stamp(by(Writer.REPLICATION, Version(NOW, STAMPING_SEQUENCE, HOME)), HOME)


def test_an_entry_of_its_region_must_be_the_version_itself() -> None:
    # given: the context knows an earlier write only
    text = by(Writer.REPLICATION).replace(f"{HOME}={NOW:x}", f"{HOME}={NOW - 1:x}")
    # then
    assert not is_plain_stamp(text, HOME)
