"""The stamp is a text that a database can compare, and that nobody but us can have written."""

from __future__ import annotations

import pytest
from hypothesis import given

from distributary.domain.errors import MalformedStamp
from distributary.domain.image import STAMP_ATTRIBUTE, Image
from distributary.domain.row import Row
from distributary.domain.stamp import (
    Stamp,
    Writer,
    is_by_replication,
    is_link_made_in,
    link_of_insert,
    link_to,
    parse,
    parse_version,
    stamp_of,
    stamped,
    version_text,
    with_lowest_stamp,
)
from distributary.domain.version import STAMPING_SEQUENCE, Version
from tests.unit import strategies
from tests.unit.sites import HOME, NOW, PEER, item, stamp_image, stamp_text

TEXT = stamp_text(stamp_image(item(n=1), Version(NOW, 5, HOME), link="l1nk"))


@given(strategies.stamps())
def test_reading_a_stamp_is_the_inverse_of_writing_it(stamp: Stamp) -> None:
    assert parse(stamp.text()) == stamp


@given(strategies.versions)
def test_reading_a_version_is_the_inverse_of_writing_it(version: Version) -> None:
    assert parse_version(version_text(version)) == version


@given(strategies.stamps(), strategies.stamps())
def test_byte_order_of_stamps_is_the_order_of_their_versions(one: Stamp, other: Stamp) -> None:
    if one.version != other.version:
        assert (one.text().encode() < other.text().encode()) == (one.version < other.version)


@given(strategies.versions, strategies.versions)
def test_byte_order_of_versions_is_their_order(one: Version, other: Version) -> None:
    assert (version_text(one).encode() < version_text(other).encode()) == (one < other)


@given(strategies.stamps())
def test_a_stamp_is_ascii_without_line_ends(stamp: Stamp) -> None:
    assert stamp.text().isascii()
    assert stamp.text().isprintable()


@given(strategies.stamps())
def test_a_stamp_keeps_to_the_size_that_the_hint_for_large_items_names(stamp: Stamp) -> None:
    assert len(stamp.text()) <= 250 + 70 * len(stamp.context.entries) + 2 * 64 * len(stamp.context.entries)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nonsense",
        TEXT + " ",
        TEXT + ",",
        TEXT.replace(" r ", " q "),
        TEXT.replace(" r ", " R "),
        TEXT.replace(HOME, "US-EAST-1"),
        TEXT.rsplit(" ", 1)[0],
        TEXT.rsplit(" ", 1)[0] + " ",
        TEXT.rsplit("=", 1)[0] + "=1.1",
        TEXT.rsplit("=", 1)[0] + "=0" + TEXT.rsplit("=", 1)[1],
        TEXT.rsplit(" ", 1)[0] + f" {PEER}=ffffffffffffff.5",
        "+" + TEXT[1:],
        TEXT[:17] + "+" + TEXT[18:],
        TEXT[1:],
        "0" + TEXT,
        TEXT.replace("l1nk", ""),
        TEXT.replace("l1nk", "l" * 33),
        TEXT.replace("l1nk", "l/nk"),
        TEXT.replace(TEXT.split(" ")[2], "d/gest"),
        TEXT.replace(" ", "\t"),
        "é" + TEXT[1:],
    ],
)
def test_a_text_that_we_cannot_have_written_is_no_stamp(text: str) -> None:
    with pytest.raises(MalformedStamp):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "+000000000000005." + "0" * 33 + "6.us-east-1",
        "0000000000000005." + "0" * 33 + "F.us-east-1",
        "0000000000000005." + "f" * 34 + ".us-east-1",
        "0000000000000005.8" + "0" * 33 + ".us-east-1",
        "1" * 17 + "." + "0" * 33 + "6.us-east-1",
        "0000000000000_05." + "0" * 33 + "6.us-east-1",
        " 000000000000005." + "0" * 33 + "6.us-east-1",
    ],
)
def test_a_text_that_we_cannot_have_written_is_no_version(text: str) -> None:
    with pytest.raises(MalformedStamp):
        parse_version(text)


@given(strategies.stamps())
def test_a_stamp_tells_whether_replication_wrote_it(stamp: Stamp) -> None:
    assert is_by_replication(stamp.text()) == (stamp.writer is not Writer.APPLICATION)


@pytest.mark.parametrize(
    "value", [{"S": "nonsense"}, {"N": "5"}, {"NULL": True}, {"M": {}}, {"B": "AAAA"}, {"SS": [TEXT]}, {"L": []}]
)
def test_an_unreadable_stamp_counts_as_none(value: Image) -> None:
    assert stamp_of({**item(), STAMP_ATTRIBUTE: value}) is None


def test_a_row_without_the_attribute_has_no_stamp() -> None:
    assert stamp_of(item(n=1)) is None


@given(strategies.stamps(), strategies.images)
def test_a_stamp_put_into_an_image_is_found_there(stamp: Stamp, image: Image) -> None:
    assert stamp_of(stamped(image, stamp)) == stamp


@pytest.mark.parametrize("sequence", [0, STAMPING_SEQUENCE, 2 * STAMPING_SEQUENCE - 1])
def test_every_sequence_of_a_record_or_a_stamping_writer_is_read(sequence: int) -> None:
    version = Version(NOW, sequence, HOME)
    assert parse_version(version_text(version)) == version


def test_a_stamp_is_believed_up_to_the_latest_time_that_can_be() -> None:
    row = Row(stamp_image(item(n=1), Version(NOW, 5, HOME)))
    assert row.trusting(NOW) == row
    assert row.trusting(NOW - 1).stamp is None


def test_the_link_of_an_insert_fits_no_other_region() -> None:
    link = link_of_insert(HOME, "unique")
    assert is_link_made_in(link, HOME)
    assert not is_link_made_in(link, PEER)


def test_the_links_of_two_inserts_differ() -> None:
    assert link_of_insert(HOME, "unique1") != link_of_insert(HOME, "unique2")


def test_a_link_names_the_stamp_and_the_region() -> None:
    one = stamp_image(item(n=1), Version(NOW, 5, HOME))
    other = stamp_image(item(n=1), Version(NOW, 6, HOME))
    assert len({link_to(one, HOME), link_to(other, HOME), link_to(one, PEER)}) == 3


def test_a_link_to_a_stamped_row_does_not_depend_on_its_content() -> None:
    image = stamp_image(item(n=1), Version(NOW, 5, HOME))
    assert link_to(image, HOME) == link_to({**image, "n": {"N": "2"}}, HOME)


def test_the_lowest_stamp_is_below_every_other_and_says_that_there_is_no_version() -> None:
    row = Row(with_lowest_stamp(item(n=1), HOME))
    assert stamp_text(dict(row.image)) < stamp_text(stamp_image(item(n=1), Version(1, 0, "a")))
    assert (row.version, row.settled, row.content) == (None, False, item(n=1))


def test_a_link_to_an_unstamped_row_does_not_depend_on_content_that_stays() -> None:
    assert link_to(item(n=1), HOME) == link_to(item(n=1, more=2), HOME)


def test_links_are_what_earlier_releases_made_them() -> None:
    row, stamped_row = item(n=1), stamp_image(item(n=1), Version(NOW, 1, PEER))
    links = (link_to(row, HOME), link_to(stamped_row, HOME))
    assert links == ("qKTQP-e1", "U_4CnSNj")
    assert link_of_insert(HOME, "unique") == "uniqueFEIh"


@pytest.mark.parametrize("image", [item(n=1), stamp_image(item(n=1), Version(NOW, 5, HOME))])
def test_a_link_is_of_the_grammar(image: Image) -> None:
    link = link_to(image, HOME)
    text = stamp_text(stamp_image(item(n=2), Version(NOW, 6, HOME), link=link))
    assert parse(text).link == link
