"""Rows are collected as bytes without a decoder; whatever they make of a message, the decoder makes the same of it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from distributary.adapters.aurora.alike import HEAD
from distributary.adapters.aurora.arrivals import Arrivals
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
from distributary.adapters.aurora.plain_rows import PlainRows
from distributary.domain.errors import MalformedStream
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import Context, Instant, Version
from tests.unit.pgoutput_bytes import begin, encoded

REGION = "us-east-1"
COLUMNS = (
    Column("id", 20, -1, is_key=True),
    Column("note", 25, -1, is_key=False),
    Column("more", 25, -1, is_key=False),
    Column(STAMP_ATTRIBUTE, 25, -1, is_key=False),
)
ORDERS = Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, COLUMNS)
LSN = 16

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)

looks_like_more = st.text(st.sampled_from("ntuIN\x01\x05é"), max_size=4)
"""What stands in messages beside values, too."""


def stamp(at: int, writer: Writer = Writer.APPLICATION, region: str = REGION) -> str:
    return Stamp(Version(at, 0, region), Context({region: Instant(at, 0)}), writer).text()


def rows() -> PlainRows:
    found = PlainRows.of(ORDERS, "shop", REGION, Arrivals('"public"."orders"', ("id",)))
    assert found is not None
    return found


def inserted(key: Value, note: Value, told: Value, more: Value = NoText.NULL) -> bytes:
    return encoded(Insert(None, ORDERS, (key, note, more, told)))


def updated(key: Value, note: Value, told: Value, more: Value = NoText.NULL, old: OldRow | None = None) -> bytes:
    return encoded(Update(None, ORDERS, old, (key, note, more, told)))


def as_collected(*messages: bytes) -> list[tuple[str | None, ...]] | None:
    """The last states of rows as they are collected; none where they are left to the decoder."""
    collecting = rows()
    (head, *others) = {message[:HEAD] for message in messages}
    if others or head not in collecting.layout.heads or not collecting.take(messages, LSN, 2):
        return None
    columns = collecting.gather(0).block.columns
    return list(zip(*(columns[name] for name in ("id", "note", "more")), strict=True))


def as_decoded(message: bytes) -> tuple[str | None, ...]:
    decoder = Decoder()
    decoder.decode(begin())
    decoder.decode(encoded(Described(None, ORDERS)))
    told = decoder.decode(message)
    assert isinstance(told, Insert | Update)
    return tuple(value if isinstance(value, str) else None for value in told.new[:3])


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
        assert collected == [as_decoded(message)]


THEIRS = stamp(8, Writer.REPLICATION, "eu-west-1")


@st.composite
def runs(draw: st.DrawFn) -> list[bytes]:
    """Messages that begin alike: some with NULL or a value that is left out, one of them perhaps damaged."""
    tell = draw(st.sampled_from([inserted, updated]))
    notes = looks_like_more | st.just(NoText.NULL) | st.just(NoText.UNCHANGED)
    told = draw(st.lists(st.tuples(looks_like_more, notes, st.integers(7, 9), notes), min_size=2, max_size=6))
    messages = [tell(key, note, stamp(at), more) for key, note, at, more in told]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(messages) - 1))
        damaged = bytearray(messages[at])
        place = draw(st.integers(HEAD, len(damaged) - 1))
        damaged[place] = draw(st.sampled_from(b"\0\1\5ntu") | st.integers(0, 255))
        messages[at] = bytes(damaged[: draw(st.integers(HEAD, len(damaged)) | st.just(len(damaged)))])
    return messages


@given(runs())
@example([inserted("a", NoText.NULL, stamp(7), "b"), inserted("an", "b", stamp(7), NoText.NULL)])
@example([inserted("a", NoText.NULL, stamp(7), "b"), inserted("a", "bn", stamp(7), NoText.NULL)])
@example([inserted("a", "", stamp(7)), inserted("b", "t", stamp(7))[:-1], inserted("c", "", stamp(7))])
def test_what_is_collected_of_rows_together_is_what_the_decoder_reads_of_each(messages: list[bytes]) -> None:
    # when
    try:
        collected = as_collected(*messages)
    except MalformedStream:
        collected = None
    # then
    if collected is not None:
        last = {row[0]: row for row in map(as_decoded, messages)}
        assert collected == list(last.values())


@given(texts, texts | st.just(NoText.NULL))
@example("", "")
@example("1", NoText.NULL)
def test_a_whole_row_of_an_application_is_collected(key: str, note: Value) -> None:
    assert as_collected(inserted(key, note, stamp(7))) == [(key, note if isinstance(note, str) else None, None)]


@given(st.lists(st.tuples(texts, texts | st.just(NoText.NULL)), min_size=1, unique_by=lambda row: row[0]))
def test_rows_keep_their_places_in_every_column(told: list[tuple[str, Value]]) -> None:
    # given
    collecting = rows()
    for at, (key, note) in enumerate(told):
        collecting.take([inserted(key, note, stamp(at))], LSN, at)
    # when
    block = collecting.gather(0).block
    # then
    wanted = [(key, note if isinstance(note, str) else None) for key, note in told]
    assert list(zip(block.columns["id"], block.columns["note"], strict=True)) == wanted


def test_the_last_state_of_a_row_is_kept_and_its_key_stays_new() -> None:
    # given
    collecting = rows()
    collecting.take([inserted("1", "first", stamp(7))], LSN, 2)
    collecting.take([updated("1", "second", stamp(8))], LSN, 3)
    # when
    overtaken, told = collecting.overtaken, collecting.gather(0)
    # then
    assert (overtaken, told.block.columns["note"], told.inserted) == (1, ["second"], (0,))


def test_each_row_tells_where_its_message_stands() -> None:
    # given
    collecting = rows()
    collecting.take([inserted("1", "first", stamp(7)), inserted("2", "second", stamp(7))], LSN, 2)
    # when
    block = collecting.gather(0).block
    # then
    assert block.sources == ["0/10 2", "0/10 3"]


def test_what_was_gathered_is_forgotten() -> None:
    # given
    collecting = rows()
    collecting.take([inserted("1", "first", stamp(7))], LSN, 2)
    # when
    collecting.gather(0)
    # then
    assert (len(collecting), collecting.overtaken) == (0, 0)


def test_what_replication_wrote_does_not_take_the_place_of_an_applications_write() -> None:
    # given
    collecting = rows()
    collecting.take([inserted("1", "first", stamp(7))], LSN, 2)
    # when
    collecting.take([updated("1", "theirs", THEIRS)], LSN, 3)
    # then
    assert (collecting.echoes, collecting.gather(0).block.columns["note"]) == (1, ["first"])


def test_inserts_of_replication_are_noted_and_its_updates_are_not() -> None:
    # given
    collecting = rows()
    collecting.take([updated("1", "theirs", THEIRS), updated("2", "theirs", THEIRS)], LSN, 2)
    # when
    collecting.take([inserted("3", "theirs", THEIRS), inserted("4", "theirs", THEIRS)], LSN, 4)
    # then
    arrived = collecting.arrived.gather("shop", REGION, 0)
    assert (collecting.echoes, len(collecting)) == (4, 0)
    assert (arrived.columns, arrived.stamps) == ({"id": ["3", "4"]}, [THEIRS, THEIRS])


def test_an_echo_without_a_key_is_left_to_the_decoder() -> None:
    assert not rows().take([inserted("3", "theirs", THEIRS), inserted(NoText.NULL, "theirs", THEIRS)], LSN, 2)


def test_a_state_that_cannot_be_shipped_is_left_to_the_decoder() -> None:
    # given: a table whose rows have states
    state = Column(STATE_ATTRIBUTE, 3802, -1, is_key=False)
    stateful = Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, (*COLUMNS, state))
    collecting = PlainRows.of(stateful, "shop", REGION, Arrivals('"public"."orders"', ("id",)))
    assert collecting is not None
    told = [encoded(Insert(None, stateful, ("1", "note", "", stamp(7), each))) for each in ("{}", "[]")]
    # when
    taken = [collecting.take([each], LSN, 2) for each in told]
    # then
    assert (taken, collecting.gather(0).block.states) == ([True, False], ["{}"])


def test_echoes_among_others_are_left_to_be_told_one_by_one() -> None:
    assert not rows().take([updated("1", "ours", stamp(7)), updated("2", "theirs", THEIRS)], LSN, 2)


def test_an_update_that_tells_the_old_row_is_left_to_the_decoder() -> None:
    old = OldRow(OldPart.KEY, ("0", *[NoText.NOT_LOGGED] * 3))
    assert updated("1", "moved", stamp(7), old=old)[:HEAD] not in rows().layout.heads


def test_a_row_with_a_value_that_the_log_leaves_out_is_left_to_the_decoder() -> None:
    assert not rows().take([updated("1", NoText.UNCHANGED, stamp(7))], LSN, 2)


def test_a_row_without_a_stamp_is_left_to_the_decoder() -> None:
    assert not rows().take([inserted("1", "note", NoText.NULL)], LSN, 2)
