"""Whatever bytes come, the decoder gives a message or the one error that stops capture; and what is written is read."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distributary.adapters.aurora.messages import (
    Begin,
    Column,
    Commit,
    Delete,
    Described,
    Emitted,
    Insert,
    Message,
    NoText,
    OldPart,
    OldRow,
    Origin,
    Relation,
    ReplicaIdentity,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    TruncateOption,
    TypeNamed,
    Update,
    Values,
)
from distributary.adapters.aurora.pgoutput import Decoder
from distributary.domain.errors import Disposition, MalformedStream
from tests.unit.pgoutput_bytes import begin, commit, encoded, relation, row

XID = 701
COLUMNS = (Column("id", 20, -1, is_key=True), Column("note", 25, -1, is_key=False))
ORDERS = Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, COLUMNS)
KNOWN_TYPES = b"BCORYIUDTMSEcA"

u32 = st.integers(0, 2**32 - 1)
lsns = st.integers(0, 2**64 - 1)
times = st.integers(-(2**63) + 946_684_800_000_000, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
xids = st.none() | u32
columns = st.builds(Column, names, u32, st.integers(-(2**31), 2**31 - 1), st.booleans())
relations = st.builds(
    Relation, u32, names, names, st.sampled_from(ReplicaIdentity), st.lists(columns, max_size=6).map(tuple)
)
anything_sent = texts | st.sampled_from([NoText.NULL, NoText.UNCHANGED])


def rows(of: Relation) -> st.SearchStrategy[Values]:
    return st.tuples(*[anything_sent for _ in of.columns])


def old_rows(of: Relation) -> st.SearchStrategy[OldRow]:
    keys = st.tuples(*[anything_sent if column.is_key else st.just(NoText.NOT_LOGGED) for column in of.columns])
    return st.builds(OldRow, st.just(OldPart.KEY), keys) | st.builds(OldRow, st.just(OldPart.ROW), rows(of))


@st.composite
def changes(draw: st.DrawFn) -> Insert | Update | Delete | Truncate:
    """A change of a relation of any shape."""
    of, xid = draw(relations), draw(xids)
    kind = draw(st.sampled_from([Insert, Update, Delete, Truncate]))
    if kind is Insert:
        return Insert(xid, of, draw(rows(of)))
    if kind is Update:
        return Update(xid, of, draw(st.none() | old_rows(of)), draw(rows(of)))
    if kind is Delete:
        return Delete(xid, of, draw(old_rows(of)))
    others = draw(
        st.lists(relations.filter(lambda each: each.oid != of.oid), max_size=2, unique_by=lambda each: each.oid)
    )
    return Truncate(xid, (of, *others), draw(st.sampled_from([TruncateOption(bits) for bits in range(4)])))


messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Begin, lsns, times, u32),
    st.builds(Commit, lsns, lsns, times),
    st.builds(Origin, lsns, names),
    st.builds(Described, xids, relations),
    st.builds(TypeNamed, xids, u32, names, names),
    st.builds(Emitted, xids, st.booleans(), lsns, names, st.binary(max_size=30)),
    st.builds(StreamStart, u32, st.booleans()),
    st.just(StreamStop()),
    st.builds(StreamCommit, u32, lsns, lsns, times),
    st.builds(StreamAbort, u32, u32),
    changes(),
)


def ready_for(message: Message) -> Decoder:
    """A decoder that stands where the message may come, and knows the relations that it names."""
    decoder = Decoder()
    if isinstance(message, Begin | StreamStart | StreamCommit | StreamAbort):
        return decoder
    xid = getattr(message, "xid", None)
    if isinstance(message, StreamStop) or xid is not None:
        decoder.decode(encoded(StreamStart(XID, first=True)))
    else:
        decoder.decode(begin())
    named = message.relations if isinstance(message, Truncate) else ()
    if isinstance(message, Insert | Update | Delete):
        named = (message.relation,)
    for each in named:
        decoder.decode(relation(each, xid))
    return decoder


def decoded_or_refused(decoder: Decoder, data: bytes) -> Message | None:
    """The message; None if it was refused. Any other error fails the test."""
    try:
        return decoder.decode(data)
    except MalformedStream:
        return None


@given(messages)
def test_what_is_written_is_read(message: Message) -> None:
    assert ready_for(message).decode(encoded(message)) == message


@given(messages)
def test_a_message_cut_anywhere_is_refused(message: Message) -> None:
    data = encoded(message)
    read = [length for length in range(len(data)) if decoded_or_refused(ready_for(message), data[:length])]
    assert read == []


@given(messages, st.binary(min_size=1, max_size=5))
def test_a_message_with_more_behind_it_is_refused(message: Message, more: bytes) -> None:
    with pytest.raises(MalformedStream):
        ready_for(message).decode(encoded(message) + more)


@given(messages, st.data())
def test_a_damaged_message_is_refused_or_still_a_message(message: Message, data: st.DataObject) -> None:
    raw = bytearray(encoded(message))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    decoded_or_refused(ready_for(message), bytes(raw))


@given(st.lists(st.binary(max_size=60), max_size=8))
@example([b"S\0\0\0\x01\x01", b"R" + bytes(4) + b"\0\0\0\0\0a\0d\xff\xff"])
@example([b"B" + bytes(20), b"T\xff\xff\xff\xff\0"])
def test_random_bytes_are_refused_or_messages(stream: list[bytes]) -> None:
    decoder = Decoder()
    for data in stream:
        decoded_or_refused(decoder, data)


@given(st.sampled_from(KNOWN_TYPES), st.binary(max_size=60), st.booleans())
def test_random_bytes_under_a_known_type_are_refused_or_messages(kind: int, body: bytes, streamed: bool) -> None:
    decoder = Decoder()
    decoder.decode(encoded(StreamStart(XID, first=True)) if streamed else begin())
    decoder.decode(relation(ORDERS, XID if streamed else None))
    decoded_or_refused(decoder, bytes([kind]) + body)


@pytest.mark.parametrize("kind", sorted(set(range(256)) - set(KNOWN_TYPES)))
def test_an_unknown_type_is_refused_by_name(kind: int) -> None:
    with pytest.raises(MalformedStream, match=f"unknown message type {kind:#04x}"):
        Decoder().decode(bytes([kind]) + bytes(30))


def test_no_byte_at_all_is_refused() -> None:
    with pytest.raises(MalformedStream, match="empty"):
        Decoder().decode(b"")


INSERT = b"I" + struct.pack(">I", ORDERS.oid)
NOT_UTF8 = b"\xc3\x28"
REFUSED = {
    "invalid UTF-8 in a value": (INSERT + b"N\0\x02t\0\0\0\x02" + NOT_UTF8 + b"n", "not UTF-8"),
    "invalid UTF-8 in a name": (b"Y" + bytes(4) + b"public\0" + NOT_UTF8 + b"\0", "not UTF-8"),
    "a surrogate in a value": (INSERT + b"N\0\x02t\0\0\0\x03\xed\xa0\x80n", "not UTF-8"),
    "a name without an end": (b"O" + bytes(8) + b"elsewhere", "without its end"),
    "a value in binary form": (INSERT + b"N\0\x02b\0\0\0\x01\x01n", "binary"),
    "an unknown kind of value": (INSERT + b"N\0\x02xn", "unknown kind of value"),
    "a negative length": (INSERT + b"N\0\x02t\xff\xff\xff\xffn", "-1 bytes expected"),
    "a length beyond the message": (INSERT + b"N\0\x02t\x7f\xff\xff\xffn", "bytes expected"),
    "a row with fewer columns": (INSERT + b"N\0\x01n", "1 columns, its relation has 2"),
    "a row with more columns": (INSERT + b"N\0\x03nnn", "3 columns, its relation has 2"),
    "an insert without a new row": (INSERT + b"O\0\x02nn", "new row was expected"),
    "an update with two old rows": (b"U" + INSERT[1:] + b"K\0\x02nnO\0\x02nn", "new row was expected"),
    "a deletion with a new row": (b"D" + INSERT[1:] + b"N\0\x02nn", "where a row was expected"),
    "a relation that nobody described": (b"I" + struct.pack(">I", 9) + b"N" + row(()), "9 was not described"),
    "a truncation of one, too": (b"T\0\0\0\x01\0" + struct.pack(">I", 9), "9 was not described"),
    "an unknown option of TRUNCATE": (b"T\0\0\0\0\x04", "unknown options 0x4"),
    "an unknown flag of a column": (b"R" + bytes(4) + b"a\0b\0d\0\x01\x02c\0" + bytes(8), "0 or 1"),
    "more columns than follow": (b"R" + bytes(4) + b"a\0b\0d\xff\xff", "byte expected"),
    "an unknown replica identity": (b"R" + bytes(4) + b"a\0b\0x\0\0", "unknown replica identity"),
    "an unknown flag of a message": (b"M\x02" + bytes(8) + b"a\0" + bytes(4), "0 or 1"),
    "an unknown flag of a commit": (commit(flags=1), "unknown flags 0x1"),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_the_refusal_says_what_is_wrong(data: bytes, reason: str) -> None:
    decoder = Decoder()
    decoder.decode(begin())
    decoder.decode(relation(ORDERS))
    with pytest.raises(MalformedStream, match=reason):
        decoder.decode(data)


NEW = Insert(None, ORDERS, ("1", "a"))
MISPLACED = {
    "a change outside of every transaction": [relation(ORDERS)],
    "a commit of nothing": [commit()],
    "a transaction in a transaction": [begin(), begin()],
    "a transaction in a block": [encoded(StreamStart(XID, first=True)), begin()],
    "a block in a transaction": [begin(), encoded(StreamStart(XID, first=True))],
    "a block in a block": [encoded(StreamStart(XID, first=True)), encoded(StreamStart(XID, first=True))],
    "the end of no block": [encoded(StreamStop())],
    "a commit that ends a block": [encoded(StreamStart(XID, first=True)), commit()],
    "an abort in a block": [encoded(StreamStart(XID, first=True)), encoded(StreamAbort(XID, XID))],
    "a commit of a streamed transaction in a block": [
        encoded(StreamStart(XID, first=True)),
        encoded(StreamCommit(XID, 1, 1, 0)),
    ],
    "a change after the commit": [begin(), relation(ORDERS), commit(), encoded(NEW)],
}


@pytest.mark.parametrize("stream", MISPLACED.values(), ids=MISPLACED.keys())
def test_a_message_where_it_cannot_come_is_refused(stream: list[bytes]) -> None:
    decoder = Decoder()
    for each in stream[:-1]:
        decoder.decode(each)
    with pytest.raises(MalformedStream, match="cannot come inside of"):
        decoder.decode(stream[-1])


@given(messages, st.binary(min_size=1, max_size=5))
def test_a_refused_message_leaves_no_trace(message: Message, more: bytes) -> None:
    # Given a message that is refused for what comes behind it
    decoder = ready_for(message)
    decoded_or_refused(decoder, encoded(message) + more)
    # Then the good one is decoded as if that had not been
    assert decoder.decode(encoded(message)) == message


def test_a_relation_that_was_refused_is_not_known() -> None:
    decoder = Decoder()
    decoder.decode(begin())
    decoded_or_refused(decoder, relation(replace(ORDERS, oid=9)) + b"\0")
    with pytest.raises(MalformedStream, match="9 was not described"):
        decoder.decode(encoded(Insert(None, replace(ORDERS, oid=9), ("1", "a"))))


def test_a_malformed_stream_stops_capture() -> None:
    assert MalformedStream.disposition is Disposition.STOP
