"""A row gets no stamp but one that replication may have written: whatever else arrives makes its message malformed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.domain.errors import MalformedMessage
from distributary.domain.message import unpack
from distributary.domain.stamp import Stamp, Writer, parse
from distributary.domain.version import NOTHING_SEEN, STAMPING_SEQUENCE, Version
from tests.unit import strategies
from tests.unit.sites import FAR, NOW, PEER
from tests.unit.stamped_sites import SHOP
from tests.unit.test_hostile_blocks import GOOD, VERSION, block

ELSEWHERE = Version(NOW, 0, FAR)


def stamped(text: Any) -> str:
    """A good message but for the stamp of the first row."""
    return block(stamps=[text, GOOD.text()])


def stamp_of(version: Version, *seen: Version, writer: Writer = Writer.REPLICATION) -> str:
    context = NOTHING_SEEN.including(version)
    for each in seen:
        context = context.including(each)
    return Stamp(version, context, writer).text()


BAD_STAMPS = {
    "missing": None,
    "number": 5,
    "empty": "",
    "words": "yesterday",
    "of an application": stamp_of(VERSION, writer=Writer.APPLICATION),
    "that announces a deletion": stamp_of(VERSION, writer=Writer.REPLICATION_DELETES),
    "of no replica": stamp_of(Version(NOW, 0, "eu-north-1")),
    "of a region that begins as a replica's": stamp_of(Version(NOW, 0, f"{PEER}0")),
    "without its context": GOOD.text().rpartition(" ")[0],
    "whose context is another region's": GOOD.text().replace(f" {PEER}=", " us-east-1="),
    "whose context is older": GOOD.text().replace(f"{NOW:x}", f"{NOW - 1:x}"),
    "whose context is newer": GOOD.text().replace(f"{NOW:x}", f"{NOW + 1:x}"),
    "whose context is out of order": stamp_of(VERSION, Version(NOW, 0, "us-east-1")).replace(
        f"{PEER}={NOW:x}.0,us-east-1={NOW:x}.0", f"us-east-1={NOW:x}.0,{PEER}={NOW:x}.0"
    ),
    "whose context names a region twice": GOOD.text() + f",{PEER}={NOW:x}.0",
    "with something behind it": GOOD.text() + " ",
    "with a line behind it": GOOD.text() + "\n",
    "with quotes in it": GOOD.text().replace(" - - ", " ' - "),
    "with the character zero": GOOD.text() + "\x00",
    "with a sign": "-" + GOOD.text()[1:],
    "with underscores": GOOD.text()[0] + "_" + GOOD.text()[2:],
    "with digits of another script": GOOD.text().replace("1", "\u0661"),
    "with a time too long": "1" + GOOD.text(),
    "with a sequence beyond all": GOOD.text().replace(".0000", ".f000", 1),
    "with capitals": GOOD.text().replace(".0000", ".00A0", 1),
}


def test_the_message_that_all_others_here_are_made_from_is_good() -> None:
    assert [change.version for change in unpack(stamped(GOOD.text()), SHOP)] == [VERSION, VERSION]


@pytest.mark.parametrize("text", BAD_STAMPS.values(), ids=BAD_STAMPS.keys())
def test_a_stamp_that_is_not_of_replication_is_malformed(text: Any) -> None:
    with pytest.raises(MalformedMessage):
        unpack(stamped(text), SHOP)


@pytest.mark.parametrize(
    "version",
    [
        Version(0, 0, PEER),
        Version(10**16 - 1, 0, PEER),
        Version(NOW, 1, PEER),
        Version(NOW, (STAMPING_SEQUENCE << 1) - 1, PEER),
        Version(NOW, 0, "us-east-1"),
    ],
    ids=str,
)
def test_a_version_of_any_replica_and_time_is_read(version: Version) -> None:
    first, _ = unpack(stamped(stamp_of(version, ELSEWHERE)), SHOP)
    assert first.version == version
    assert first.context.covers(version)


@given(strategies.stamps())
def test_a_stamp_is_taken_as_it_reads_or_refused(stamp: Stamp) -> None:
    text = stamp.text()
    try:
        first, _ = unpack(stamped(text), SHOP)
    except MalformedMessage:
        newest = stamp.context.of(stamp.version.region) == stamp.version.instant
        assert stamp.writer is not Writer.REPLICATION or stamp.version.region not in SHOP.regions or not newest
    else:
        known = parse(text)
        assert (first.version, first.context) == (known.version, known.context)


@given(st.data())
def test_a_stamp_with_one_character_changed_is_refused_or_reads_as_another(data: st.DataObject) -> None:
    text = GOOD.text()
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(exclude_categories=["Cs"])) + text[at + 1 :]
    try:
        first, _ = unpack(stamped(changed), SHOP)
    except MalformedMessage:
        return
    assert (first.version == VERSION) == (changed.partition(" ")[0] == text.partition(" ")[0])
