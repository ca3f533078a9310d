"""The record of a removal is our echo only if we did remove the row, as far as mark, tombstone and content tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.domain.change import StreamRecord
from distributary.domain.image import Image
from distributary.domain.origin import Origin, needs_tombstone, origin_of
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import UNKNOWN, Stamp, Writer, stamped
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.sites import HOME, NOW, PEER, item, key

MARK = Version(NOW, 1, PEER)
OTHER_MARK = Version(NOW - 1, 1, PEER)
OUR_REMOVAL = Tombstone(MARK, removing=MARK, removing_names=("n", "pk"))


def marked(content: Image, *, writer: Writer = Writer.REPLICATION_DELETES) -> Image:
    """A row that we have marked when it held n=1, and what has become of it since."""
    return stamped(content, Stamp(MARK, NOTHING_SEEN.including(MARK), writer, Row(item(n=1)).digest, UNKNOWN))


def removal(image: Image) -> StreamRecord:
    return StreamRecord(key(), Row(image), None, 7, NOW)


def test_a_row_as_marked_was_removed_by_us_whatever_the_tombstone_says() -> None:
    record = removal(marked(item(n=1)))
    assert not needs_tombstone(record, HOME)
    assert origin_of(record, HOME, None) is Origin.ECHO


def test_a_row_with_an_attribute_that_we_had_not_seen_was_removed_by_us_if_the_tombstone_says_so() -> None:
    record = removal(marked(item(n=1, more=2)))
    assert needs_tombstone(record, HOME)
    assert origin_of(record, HOME, OUR_REMOVAL) is Origin.ECHO


@pytest.mark.parametrize(
    "tombstone",
    [
        None,
        Tombstone(MARK),
        replace(OUR_REMOVAL, removing=OTHER_MARK),
        replace(OUR_REMOVAL, removing_names=("more", "n", "pk")),
        replace(OUR_REMOVAL, removing_names=()),
    ],
    ids=["no tombstone", "no removal noted", "removal under another mark", "attribute seen", "nothing seen"],
)
def test_a_row_with_an_attribute_added_was_removed_by_the_application_otherwise(tombstone: Tombstone | None) -> None:
    assert origin_of(removal(marked(item(n=1, more=2))), HOME, tombstone) is Origin.DELETED


def test_a_row_whose_attribute_was_changed_after_the_mark_was_removed_by_the_application() -> None:
    assert origin_of(removal(marked(item(n=2))), HOME, OUR_REMOVAL) is Origin.DELETED


def test_a_row_without_a_mark_was_removed_by_the_application() -> None:
    record = removal(marked(item(n=1), writer=Writer.REPLICATION))
    assert not needs_tombstone(record, HOME)
    assert origin_of(record, HOME, OUR_REMOVAL) is Origin.DELETED


def test_a_row_without_a_stamp_was_removed_by_the_application() -> None:
    record = removal(item(n=1))
    assert not needs_tombstone(record, HOME)
    assert origin_of(record, HOME, OUR_REMOVAL) is Origin.DELETED
