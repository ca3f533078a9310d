"""Rows are collected as bytes without a decoder; whatever they make of a message, the decoder makes the same of it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from distributary.adapters.aurora.messages import (
    Column,
    Described,
    Insert,
    NoText,
    OldPart,
    OldRow,
    Relation,
    ReplicaIdentity,
    Update,
    Value,
)
from distributary.adapters.aurora.pgoutput import Decoder
from distributary.adapters.aurora.plain_rows import HEAD, PlainRows
from distributary.domain.errors import MalformedStream
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import Context, Instant, Version
from tests.unit.pgoutput_bytes import begin, encoded

REGION = "us-east-1"
COLUMNS = (
    Column("id", 20, -1, is_key=True),
    Column("note", 25, -1, is_key=False),
    Column(STAMP_ATTRIBUTE, 25, -1, is_key=False),
)
ORDERS = Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, COLUMNS)
PLACE = (16, 2)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def stamp(at: int, writer: Writer = Writer.APPLICATION, region: str = REGION) -> str:
    return Stamp(Version(at, 0, region), Context({region: Instant(at, 0)}), writer).text()


def rows() -> PlainRows:
    found = PlainRows.of(ORDERS, ("id",), "shop", '"public"."orders"', REGION)
    assert found is not None
    return found


def inserted(*values: Value) -> bytes:
    return encoded(Insert(None, ORDERS, values))


def updated(*values: Value, old: OldRow | None = None) -> bytes:
    return encoded(Update(None, ORDERS, old, values))


def as_collected(message: bytes) -> tuple[str | None, ...] | None:
    """The row as it is collected; none where it is left to the decoder."""
    collecting = rows()
    if message[:HEAD] not in collecting.layout.heads or not collecting.take(message, PLACE):
        return None
    columns = collecting.gather(0).block.columns
    return tuple(columns[name][0] for name in ("id", "note"))


def as_decoded(message: bytes) -> tuple[str | None, ...]:
    decoder = Decoder()
    decoder.decode(begin())
    decoder.decode(encoded(Described(None, ORDERS)))
    told = decoder.decode(message)
    assert isinstance(told, Insert | Update)
    return tuple(value if isinstance(value, str) else None for value in told.new[:2])


@given(st.data(), texts, texts | st.just(NoText.NULL))
def test_what_is_collected_of_a_damaged_message_is_what_the_decoder_reads(
    data: st.DataObject, key: str, note: Value
) -> None:
    # given: a message of which a byte is another one, or which is cut
    whole = bytearray(inserted(key, note, stamp(7)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    message = bytes(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
    # when
    try:
        collected = as_collected(message)
    except MalformedStream:
        collected = None
    # then
    if collected is not None:
        assert collected == as_decoded(message)


@given(texts, texts | st.just(NoText.NULL))
@example("", "")
@example("1", NoText.NULL)
def test_a_whole_row_of_an_application_is_collected(key: str, note: Value) -> None:
    assert as_collected(inserted(key, note, stamp(7))) == (key, note if isinstance(note, str) else None)


@given(st.lists(st.tuples(texts, texts | st.just(NoText.NULL)), min_size=1, unique_by=lambda row: row[0]))
def test_rows_keep_their_places_in_every_column(told: list[tuple[str, Value]]) -> None:
    # given
    collecting = rows()
    for at, (key, note) in enumerate(told):
        collecting.take(inserted(key, note, stamp(at)), (16, at))
    # when
    block = collecting.gather(0).block
    # then
    wanted = [(key, note if isinstance(note, str) else None) for key, note in told]
    assert list(zip(block.columns["id"], block.columns["note"], strict=True)) == wanted


def test_the_last_state_of_a_row_is_kept_and_its_key_stays_new() -> None:
    # given
    collecting = rows()
    collecting.take(inserted("1", "first", stamp(7)), (16, 2))
    collecting.take(updated("1", "second", stamp(8)), (16, 3))
    # when
    overtaken, told = collecting.overtaken, collecting.gather(0)
    # then
    assert (overtaken, told.block.columns["note"], told.inserted) == (1, ["second"], (0,))


def test_what_was_gathered_is_forgotten() -> None:
    # given
    collecting = rows()
    collecting.take(inserted("1", "first", stamp(7)), PLACE)
    # when
    collecting.gather(0)
    # then
    assert (len(collecting), collecting.overtaken) == (0, 0)


def test_what_replication_wrote_does_not_take_the_place_of_an_applications_write() -> None:
    # given
    collecting = rows()
    collecting.take(inserted("1", "first", stamp(7)), (16, 2))
    # when
    taken = collecting.take(updated("1", "theirs", stamp(8, Writer.REPLICATION, "eu-west-1")), (16, 3))
    # then
    assert (taken, collecting.gather(0).block.columns["note"]) == (False, ["first"])


def test_an_update_that_tells_the_old_row_is_left_to_the_decoder() -> None:
    old = OldRow(OldPart.KEY, ("0", NoText.NOT_LOGGED, NoText.NOT_LOGGED))
    assert updated("1", "moved", stamp(7), old=old)[:HEAD] not in rows().layout.heads


def test_a_row_with_a_value_that_the_log_leaves_out_is_left_to_the_decoder() -> None:
    assert not rows().take(updated("1", NoText.UNCHANGED, stamp(7)), PLACE)


def test_a_row_without_a_stamp_is_left_to_the_decoder() -> None:
    assert not rows().take(inserted("1", "note", NoText.NULL), PLACE)
