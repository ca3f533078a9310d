"""Writes messages as PostgreSQL's pgoutput does, after its documentation; shares no reading with the decoder."""

from __future__ import annotations

import struct

from distributary.adapters.aurora.messages import (
    Begin,
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
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    TypeNamed,
    Update,
    Values,
)

SECONDS_FROM_1970_TO_2000 = 10_957 * 86_400


def encoded(message: Message) -> bytes:
    """The bytes of a message; it is in a streamed block if it has an xid of its own."""
    return _bound(message) or _change(message)


def begin(commit_lsn: int = 16, committed_at: int = 0, xid: int = 700) -> bytes:
    return b"B" + struct.pack(">QqI", commit_lsn, _time(committed_at), xid)


def commit(commit_lsn: int = 16, end_lsn: int = 24, committed_at: int = 0, flags: int = 0) -> bytes:
    return b"C" + struct.pack(">BQQq", flags, commit_lsn, end_lsn, _time(committed_at))


def relation(of: Relation, xid: int | None = None) -> bytes:
    columns = b"".join(
        struct.pack(">B", column.is_key) + _name(column.name) + struct.pack(">Ii", column.type_oid, column.modifier)
        for column in of.columns
    )
    namespace = "" if of.namespace == "pg_catalog" else of.namespace
    head = b"R" + _xid(xid) + struct.pack(">I", of.oid) + _name(namespace) + _name(of.name)
    return head + of.identity.value.encode() + struct.pack(">H", len(of.columns)) + columns


def row(values: Values) -> bytes:
    return struct.pack(">H", len(values)) + b"".join(map(_value, values))


def _bound(message: Message) -> bytes:
    """What begins or ends; nothing for other messages."""
    match message:
        case Begin():
            return begin(message.commit_lsn, message.committed_at, message.xid)
        case Commit():
            return commit(message.commit_lsn, message.end_lsn, message.committed_at)
        case StreamStart():
            return b"S" + struct.pack(">IB", message.xid, message.first)
        case StreamStop():
            return b"E"
        case StreamCommit():
            times = struct.pack(">QQq", message.commit_lsn, message.end_lsn, _time(message.committed_at))
            return b"c" + struct.pack(">IB", message.xid, 0) + times
        case StreamAbort():
            return b"A" + struct.pack(">II", message.xid, message.subxid)
    return b""


def _change(message: Message) -> bytes:
    match message:
        case Insert():
            return b"I" + _head(message) + b"N" + row(message.new)
        case Update():
            return b"U" + _head(message) + (_old(message.old) if message.old else b"") + b"N" + row(message.new)
        case Delete():
            return b"D" + _head(message) + _old(message.old)
        case Truncate():
            oids = b"".join(struct.pack(">I", each.oid) for each in message.relations)
            counts = struct.pack(">IB", len(message.relations), message.options.value)
            return b"T" + _xid(message.xid) + counts + oids
    return _told(message)


def _told(message: Message) -> bytes:
    match message:
        case Described():
            return relation(message.relation, message.xid)
        case TypeNamed():
            namespace = "" if message.namespace == "pg_catalog" else message.namespace
            return b"Y" + _xid(message.xid) + struct.pack(">I", message.oid) + _name(namespace) + _name(message.name)
        case Origin():
            return b"O" + struct.pack(">Q", message.lsn) + _name(message.name)
        case Emitted():
            head = b"M" + _xid(message.xid) + struct.pack(">BQ", message.transactional, message.lsn)
            return head + _name(message.prefix) + struct.pack(">I", len(message.content)) + message.content
    raise AssertionError(message)


def _head(message: Insert | Update | Delete) -> bytes:
    return _xid(message.xid) + struct.pack(">I", message.relation.oid)


def _xid(xid: int | None) -> bytes:
    return b"" if xid is None else struct.pack(">I", xid)


def _old(old: OldRow) -> bytes:
    return (b"K" if old.part is OldPart.KEY else b"O") + row(old.values)


def _value(value: str | NoText) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return b"t" + struct.pack(">I", len(raw)) + raw
    return b"u" if value is NoText.UNCHANGED else b"n"


def _name(name: str) -> bytes:
    return name.encode() + b"\0"


def _time(microseconds_since_1970: int) -> int:
    return microseconds_since_1970 - SECONDS_FROM_1970_TO_2000 * 1_000_000
