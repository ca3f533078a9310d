"""A record is our echo only if we did make the write, as far as stamp, mark, tombstone and content tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from distributary.domain.change import StreamRecord
from distributary.domain.image import Image
from distributary.domain.origin import LONGEST_CALL, Origin, needs_tombstone, origin_of, overwritten
from distributary.domain.row import Row, Tombstone
from distributary.domain.stamp import Stamp, Writer, link_of_insert, link_of_mark, link_to, stamped
from distributary.domain.version import NOTHING_SEEN, Version
from tests.unit.sites import HOME, NOW, PEER, Site, item, key, stamp_image

MARK = Version(NOW, 1, PEER)
OTHER_MARK = Version(NOW - 1, 1, PEER)
OUR_REMOVAL = Tombstone(MARK, removing=MARK, removing_names=("n", "pk"))


def marked(content: Image, *, writer: Writer = Writer.REPLICATION_DELETES) -> Image:
    """A row that we have marked when it held n=1, and what has become of it since."""
    link = link_of_mark(item(n=1), HOME)
    return stamped(content, Stamp(MARK, NOTHING_SEEN.including(MARK), writer, Row(item(n=1)).digest, link))


def removal(image: Image) -> StreamRecord:
    return StreamRecord(key(), Row(image), None, 7, NOW)


# --- removals


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


def test_a_row_with_the_mark_of_another_region_was_removed_by_the_application_that_had_put_a_copy() -> None:
    """The copy's insert was shipped, its deletion was not: it stayed everywhere else for ever."""
    there = Stamp(
        MARK, NOTHING_SEEN.including(MARK), Writer.REPLICATION_DELETES, Row(item(n=1)).digest,
        link_of_mark(item(n=1), PEER),
    )  # fmt: skip
    assert origin_of(removal(stamped(item(n=1), there)), HOME, OUR_REMOVAL) is Origin.DELETED


def test_a_row_without_a_mark_was_removed_by_the_application() -> None:
    record = removal(marked(item(n=1), writer=Writer.REPLICATION))
    assert not needs_tombstone(record, HOME)
    assert origin_of(record, HOME, OUR_REMOVAL) is Origin.DELETED


def test_a_row_without_a_stamp_was_removed_by_the_application() -> None:
    record = removal(item(n=1))
    assert not needs_tombstone(record, HOME)
    assert origin_of(record, HOME, OUR_REMOVAL) is Origin.DELETED


# --- inserts

VERSION = Version(NOW, 1, PEER)
OURS = stamp_image(item(n=1), VERSION, link=link_of_insert(HOME, "unique"))


def insert(image: Image, created_at: int = NOW) -> StreamRecord:
    return StreamRecord(key(), None, Row(image), 7, created_at)


def test_only_an_insert_that_may_be_ours_needs_the_tombstone() -> None:
    assert needs_tombstone(insert(OURS), HOME)
    assert not needs_tombstone(insert(item(n=1)), HOME)
    assert not needs_tombstone(StreamRecord(key(), Row(item(n=0)), Row(OURS), 7, NOW), HOME)


def test_an_insert_of_ours_whose_content_was_changed_is_local() -> None:
    changed = {**OURS, "n": {"N": "2"}}
    assert not needs_tombstone(insert(changed), HOME)
    assert origin_of(insert(changed), HOME, None) is Origin.UNSTAMPED


@pytest.mark.parametrize(
    "tombstone",
    [None, Tombstone(), Tombstone(VERSION, arrived_at=NOW), Tombstone(VERSION, arrived_at=NOW, removed="other")],
    ids=["no tombstone", "no deletion", "deletion just now", "another state deleted here"],
)
def test_an_insert_of_ours_is_an_echo(tombstone: Tombstone | None) -> None:
    assert origin_of(insert(OURS), HOME, tombstone) is Origin.ECHO


def test_an_insert_of_the_very_row_that_was_deleted_here_is_local() -> None:
    assert origin_of(insert(OURS), HOME, Tombstone(removed=link_to(OURS, HOME))) is Origin.UNSTAMPED


@pytest.mark.parametrize(("later", "origin"), [(0, Origin.ECHO), (1, Origin.UNSTAMPED)])
def test_an_insert_beneath_a_deletion_is_local_once_our_calls_have_ended(later: int, origin: Origin) -> None:
    record = insert(OURS, NOW + LONGEST_CALL + later)
    assert origin_of(record, HOME, Tombstone(VERSION, arrived_at=NOW)) is origin


def test_an_insert_above_a_deletion_is_an_echo_however_long_ago_that_was() -> None:
    older = VERSION._replace(timestamp=NOW - 1)
    assert origin_of(insert(OURS, NOW + 10 * LONGEST_CALL), HOME, Tombstone(older, arrived_at=NOW)) is Origin.ECHO


# --- stamping writers


def test_a_stamp_of_this_regions_stamping_writer_stands_only_above_the_old_one() -> None:
    site = Site(HOME)
    site.put_stamped(n=1, timestamp=NOW)
    site.put_stamped(n=2, timestamp=NOW - 1)
    site.put_stamped(n=3, timestamp=NOW)
    kinds = [origin_of(record, HOME, None) for record in site.table.stream]
    assert kinds == [Origin.STAMPED, Origin.UNSTAMPED, Origin.STAMPED]


def test_content_that_is_changed_and_changed_back_under_a_kept_stamp_is_not_what_its_writer_wrote() -> None:
    site = Site(HOME)
    site.put_stamped(n=1)
    site.update(n=2)
    site.update(n=1)
    kinds = [origin_of(record, HOME, None) for record in site.table.stream]
    assert kinds == [Origin.STAMPED, Origin.UNSTAMPED, Origin.UNSTAMPED]


# --- updates that are overwritten

FOUND = stamp_image(item(n=0), Version(NOW, 1, PEER))


def update(old: Image | None, new: Image | None) -> StreamRecord:
    return StreamRecord(key(), Row(old) if old else None, Row(new) if new else None, 7, NOW)


def updated(**values: Any) -> Image:
    """The row with its stamp left as it was."""
    return {**FOUND, **item(**values)}


def test_an_update_that_the_next_one_has_overwritten_says_nothing_more() -> None:
    assert overwritten(update(FOUND, updated(n=1)), update(updated(n=1), updated(n=2)))
    assert overwritten(update(item(n=0), item(n=1)), update(item(n=1), item(n=2)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((None, item(n=1)), (item(n=1), item(n=2))),
        ((FOUND, updated(n=1)), (updated(n=1), None)),
        ((FOUND, None), (None, item(n=1))),
        ((FOUND, item(n=1)), (item(n=1), item(n=2))),
        ((FOUND, updated(n=1)), (updated(n=1), item(n=2))),
        ((FOUND, updated(n=1)), (updated(n=1), stamp_image(item(n=1), Version(NOW, 2, HOME)))),
        ((FOUND, updated(n=1)), (updated(n=3), updated(n=4))),
        (
            (marked(item(n=0)), {**marked(item(n=0)), **item(n=1)}),
            ({**marked(item(n=0)), **item(n=1)}, marked(item(n=0))),
        ),
    ],
    ids=["insert", "deleted", "deletion", "put", "put on top", "settled", "unreadable between", "marked"],
)
def test_what_says_more_than_the_next_record_is_settled_by_itself(
    first: tuple[Image | None, Image | None], second: tuple[Image | None, Image | None]
) -> None:
    assert not overwritten(update(*first), update(*second))
