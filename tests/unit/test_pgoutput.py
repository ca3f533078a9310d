"""Every message of pgoutput is decoded as PostgreSQL's documentation says, from bytes written out by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from distributary.adapters.aurora.messages import (
    Begin,
    Column,
    Commit,
    Delete,
    Described,
    Emitted,
    Insert,
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
)
from distributary.adapters.aurora.pgoutput import Decoder
from distributary.adapters.aurora.positions import format_lsn, parse_lsn
from distributary.domain.errors import MalformedStream
from tests.unit.pgoutput_bytes import begin, commit, relation

ID, NOTE = Column("id", 20, -1, is_key=True), Column("note", 25, -1, is_key=False)
ORDERS = Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, (ID, NOTE))
OID = bytes.fromhex("00004001")
XID = bytes.fromhex("000002bd")
START = b"S" + XID + b"\x01"
ONE_TEXT = b"t\x00\x00\x00\x011"
NEW_ROW = b"N\x00\x02" + ONE_TEXT + b"t\x00\x00\x00\x03\xe2\x82\xac"


def decoder(*before: bytes) -> Decoder:
    """A decoder that has decoded these."""
    made = Decoder()
    for each in before:
        made.decode(each)
    return made


def in_transaction(*before: bytes) -> Decoder:
    return decoder(begin(), relation(ORDERS), *before)


def in_block(*before: bytes) -> Decoder:
    return decoder(START, relation(ORDERS, 701), *before)


def test_begin_tells_position_time_and_transaction() -> None:
    # Given a transaction of 2026-11-24 00:00:00.000001 UTC, 9,824 days after 2000
    data = b"B" + bytes.fromhex("0000000a000000ff") + (9_824 * 86_400_000_000 + 1).to_bytes(8, "big") + XID
    told = Decoder().decode(data)
    since_1970 = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp()) * 1_000_000 + 1
    assert told == Begin(commit_lsn=0xA_000000FF, committed_at=since_1970, xid=701)


def test_a_time_before_2000_is_negative_in_the_stream() -> None:
    told = Decoder().decode(b"B" + bytes(8) + (-946_684_800_000_000).to_bytes(8, "big", signed=True) + XID)
    assert told == Begin(commit_lsn=0, committed_at=0, xid=701)


def test_commit_tells_where_it_is_and_where_it_ends() -> None:
    data = b"C\x00" + (0x10).to_bytes(8, "big") + (0x40).to_bytes(8, "big") + bytes(8)
    assert decoder(begin()).decode(data) == Commit(0x10, 0x40, 946_684_800_000_000)


def test_numbers_of_transactions_and_positions_have_no_sign() -> None:
    told = Decoder().decode(b"B" + b"\xff" * 8 + bytes(8) + b"\xff" * 4)
    assert told == Begin(2**64 - 1, 946_684_800_000_000, 2**32 - 1)


def test_origin() -> None:
    told = decoder(begin()).decode(b"O" + (7).to_bytes(8, "big") + b"elsewhere\0")
    assert told == Origin(7, "elsewhere")


def test_origin_has_no_transaction_id_in_a_block_either() -> None:
    assert decoder(START).decode(b"O" + bytes(8) + b"elsewhere\0") == Origin(0, "elsewhere")


def test_a_relation_is_described_with_its_columns() -> None:
    columns = b"\x01id\0\x00\x00\x00\x14\xff\xff\xff\xff" + b"\x00name\0\x00\x00\x04\x13\x00\x00\x00\x24"
    told = decoder(begin()).decode(b"R" + OID + b"public\0orders\0d\x00\x02" + columns)
    name = Column("name", 1043, 36, is_key=False)
    assert told == Described(None, Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, (ID, name)))


@pytest.mark.parametrize(
    ("letter", "identity"),
    [
        (b"d", ReplicaIdentity.DEFAULT),
        (b"n", ReplicaIdentity.NOTHING),
        (b"f", ReplicaIdentity.FULL),
        (b"i", ReplicaIdentity.INDEX),
    ],
)
def test_a_relation_tells_its_replica_identity(letter: bytes, identity: ReplicaIdentity) -> None:
    told = decoder(begin()).decode(b"R" + OID + b"public\0orders\0" + letter + b"\x00\x00")
    assert told == Described(None, Relation(0x4001, "public", "orders", identity, ()))


def test_an_empty_namespace_is_the_catalogue() -> None:
    told = decoder(begin()).decode(b"Y" + OID + b"\0int8\0")
    assert told == TypeNamed(None, 0x4001, "pg_catalog", "int8")


def test_type() -> None:
    told = decoder(begin()).decode(b"Y" + OID + b"public\0mood\0")
    assert told == TypeNamed(None, 0x4001, "public", "mood")


def test_insert() -> None:
    assert in_transaction().decode(b"I" + OID + NEW_ROW) == Insert(None, ORDERS, ("1", "€"))


def test_null_unchanged_and_an_empty_text_are_three_things() -> None:
    wide = Relation(0x4001, "public", "orders", ReplicaIdentity.DEFAULT, (ID, NOTE, NOTE, NOTE))
    told = in_transaction(relation(wide)).decode(b"U" + OID + b"N\x00\x04" + ONE_TEXT + b"n" + b"u" + b"t\0\0\0\0")
    assert told == Update(None, wide, None, ("1", NoText.NULL, NoText.UNCHANGED, ""))


def test_an_update_without_its_old_row() -> None:
    assert in_transaction().decode(b"U" + OID + NEW_ROW) == Update(None, ORDERS, None, ("1", "€"))


def test_an_update_that_changes_the_key_brings_the_old_key_and_nothing_of_the_other_columns() -> None:
    told = in_transaction().decode(b"U" + OID + b"K\x00\x02" + ONE_TEXT + b"n" + NEW_ROW)
    assert told == Update(None, ORDERS, OldRow(OldPart.KEY, ("1", NoText.NOT_LOGGED)), ("1", "€"))


def test_an_update_with_its_whole_old_row() -> None:
    told = in_transaction().decode(b"U" + OID + b"O\x00\x02" + ONE_TEXT + b"n" + NEW_ROW)
    assert told == Update(None, ORDERS, OldRow(OldPart.ROW, ("1", NoText.NULL)), ("1", "€"))


def test_a_deletion_by_key() -> None:
    told = in_transaction().decode(b"D" + OID + b"K\x00\x02" + ONE_TEXT + b"n")
    assert told == Delete(None, ORDERS, OldRow(OldPart.KEY, ("1", NoText.NOT_LOGGED)))


def test_a_key_that_is_null_is_null() -> None:
    told = in_transaction().decode(b"D" + OID + b"K\x00\x02nn")
    assert told == Delete(None, ORDERS, OldRow(OldPart.KEY, (NoText.NULL, NoText.NOT_LOGGED)))


def test_more_than_the_key_under_the_letter_of_the_key_is_kept() -> None:
    # A partition with FULL that is published by its root, which has DEFAULT, is sent so.
    told = in_transaction().decode(b"D" + OID + b"K\x00\x02" + ONE_TEXT + ONE_TEXT)
    assert told == Delete(None, ORDERS, OldRow(OldPart.KEY, ("1", "1")))


def test_a_deletion_with_its_whole_row() -> None:
    told = in_transaction().decode(b"D" + OID + b"O\x00\x02" + ONE_TEXT + b"n")
    assert told == Delete(None, ORDERS, OldRow(OldPart.ROW, ("1", NoText.NULL)))


@pytest.mark.parametrize(
    ("bits", "options"),
    [
        (0, TruncateOption.NONE),
        (1, TruncateOption.CASCADE),
        (2, TruncateOption.RESTART_IDENTITY),
        (3, TruncateOption.CASCADE | TruncateOption.RESTART_IDENTITY),
    ],
)
def test_truncate(bits: int, options: TruncateOption) -> None:
    other = Relation(0x4002, "public", "lines", ReplicaIdentity.FULL, ())
    told = in_transaction(relation(other)).decode(b"T\0\0\0\x02" + bytes([bits]) + OID + b"\x00\x00\x40\x02")
    assert told == Truncate(None, (ORDERS, other), options)


@pytest.mark.parametrize("transactional", [False, True])
def test_an_emitted_message(*, transactional: bool) -> None:
    told = decoder(begin()).decode(b"M" + bytes([transactional]) + (9).to_bytes(8, "big") + b"app\0\0\0\0\x04\xff\0ab")
    assert told == Emitted(None, transactional, 9, "app", b"\xff\0ab")


def test_an_emitted_message_may_be_outside_of_every_transaction() -> None:
    told = Decoder().decode(b"M\0" + (9).to_bytes(8, "big") + b"app\0\0\0\0\0")
    assert told == Emitted(None, transactional=False, lsn=9, prefix="app", content=b"")


@pytest.mark.parametrize("first", [False, True])
def test_stream_start(*, first: bool) -> None:
    assert Decoder().decode(b"S" + XID + bytes([first])) == StreamStart(701, first)


def test_stream_stop() -> None:
    assert decoder(START).decode(b"E") == StreamStop()


def test_stream_commit() -> None:
    data = b"c" + XID + b"\0" + (0x10).to_bytes(8, "big") + (0x40).to_bytes(8, "big") + bytes(8)
    assert decoder(START, b"E").decode(data) == StreamCommit(701, 0x10, 0x40, 946_684_800_000_000)


def test_stream_abort_names_transaction_and_subtransaction() -> None:
    told = decoder(START, b"E").decode(b"A" + XID + b"\x00\x00\x02\xbe")
    assert told == StreamAbort(xid=701, subxid=702)


def test_in_a_block_every_change_tells_its_subtransaction() -> None:
    sub = b"\x00\x00\x02\xbe"
    block = in_block()
    told = [
        block.decode(b"I" + sub + OID + NEW_ROW),
        block.decode(b"U" + sub + OID + NEW_ROW),
        block.decode(b"D" + sub + OID + b"K\x00\x02" + ONE_TEXT + b"n"),
        block.decode(b"T" + sub + b"\0\0\0\x01\0" + OID),
        block.decode(b"Y" + sub + OID + b"public\0mood\0"),
        block.decode(b"M" + sub + b"\x01" + bytes(8) + b"app\0\0\0\0\0"),
        block.decode(relation(ORDERS, 702)),
    ]
    assert [getattr(each, "xid", None) for each in told] == [702] * 7


def test_after_a_block_changes_have_no_transaction_id_of_their_own() -> None:
    told = in_block(b"E", begin()).decode(b"I" + OID + NEW_ROW)
    assert told == Insert(None, ORDERS, ("1", "€"))


def test_a_change_keeps_the_relation_that_it_was_made_under() -> None:
    # Given a change, and then the same table with one column less
    altered = Relation(ORDERS.oid, "public", "orders", ReplicaIdentity.DEFAULT, (ID,))
    reading = in_transaction()
    before = reading.decode(b"I" + OID + NEW_ROW)
    reading.decode(relation(altered))
    after = reading.decode(b"I" + OID + b"N\x00\x01" + ONE_TEXT)
    assert (before, after) == (Insert(None, ORDERS, ("1", "€")), Insert(None, altered, ("1",)))


def test_relations_are_known_beyond_the_transaction_that_described_them() -> None:
    told = in_transaction(commit(), begin()).decode(b"I" + OID + NEW_ROW)
    assert told == Insert(None, ORDERS, ("1", "€"))


@pytest.mark.parametrize(
    ("text", "lsn"), [("0/0", 0), ("16/B374D848", 0x16_B374D848), ("FFFFFFFF/FF", 0xFFFFFFFF_000000FF)]
)
def test_positions_have_a_text(text: str, lsn: int) -> None:
    assert (format_lsn(lsn), parse_lsn(text)) == (text, lsn)


def test_a_position_may_be_written_with_leading_zeros() -> None:
    assert parse_lsn("0/0000ABCD") == 0xABCD


@pytest.mark.parametrize(
    "text", ["", "1", "1/", "/1", "1/2/3", "G/1", "1/123456789", "-1/1", " 1/1", "1/1\n", "\u0661/1"]
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(MalformedStream):
        parse_lsn(text)
