"""Decodes what PostgreSQL's output plugin `pgoutput` says, protocol 1 and 2, in text form: bytes in, messages out.

Formats: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

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
)
from distributary.adapters.aurora.wire import Wire
from distributary.domain.errors import MalformedStream

_NEW, _OLD, _KEY = b"NOK"
_IDENTITIES = {ord(identity.value): identity for identity in ReplicaIdentity}
_OLD_PARTS = {_OLD: OldPart.ROW, _KEY: OldPart.KEY}
_TRUNCATE_OPTIONS = TruncateOption.CASCADE | TruncateOption.RESTART_IDENTITY


class _Inside(Enum):
    """What has begun and has not ended."""

    NOTHING = auto()
    TRANSACTION = auto()
    BLOCK = auto()


@dataclass(slots=True)
class Decoder:
    """Decodes one reading of a slot, message by message, and holds the relations that changes name by number.

    Each reading (peek, get, or connection) tells the relations anew, so each has its own decoder. A message that is
    refused leaves the decoder as it was.
    """

    _relations: dict[int, Relation] = field(default_factory=dict)
    _inside: _Inside = _Inside.NOTHING

    def decode(self, data: bytes) -> Message:
        """The next message; raises MalformedStream if it is cut, unknown, or cannot come where it stands."""
        if not data:
            raise MalformedStream("an empty message")
        wire = Wire(data)
        kind = wire.byte()
        form = _FORMS.get(kind)
        if form is None:
            raise MalformedStream(f"unknown message type {kind:#04x}; known are those of protocol 1 and 2")
        wire.kind = form.read.__name__.strip("_")
        if self._inside not in form.within:
            raise wire.refused(f"cannot come inside of {self._inside.name.lower()}")
        message = form.read(wire, _Scope(self._relations, self._inside is _Inside.BLOCK))
        wire.end()
        if isinstance(message, Described):
            self._relations[message.relation.oid] = message.relation
        self._inside = form.then or self._inside
        return message


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a message means depends on: the relations told so far, and whether it is in a streamed block."""

    relations: dict[int, Relation]
    streamed: bool

    def xid(self, wire: Wire) -> int | None:
        return wire.uint32() if self.streamed else None

    def relation(self, wire: Wire) -> Relation:
        oid = wire.uint32()
        relation = self.relations.get(oid)
        if relation is None:
            raise wire.refused(f"relation {oid} was not described before")
        return relation


def _begin(wire: Wire, _: _Scope) -> Begin:
    return Begin(commit_lsn=wire.lsn(), committed_at=wire.time(), xid=wire.uint32())


def _commit(wire: Wire, _: _Scope) -> Commit:
    wire.no_flags()
    return Commit(commit_lsn=wire.lsn(), end_lsn=wire.lsn(), committed_at=wire.time())


def _origin(wire: Wire, _: _Scope) -> Origin:
    """Has no transaction id in streamed blocks either."""
    return Origin(lsn=wire.lsn(), name=wire.name())


def _relation(wire: Wire, scope: _Scope) -> Described:
    xid, oid, namespace, name = scope.xid(wire), wire.uint32(), wire.namespace(), wire.name()
    identity = _IDENTITIES.get(wire.byte())
    if identity is None:
        raise wire.refused("unknown replica identity")
    columns = tuple([_column(wire) for _ in range(wire.count())])
    return Described(xid, Relation(oid, namespace, name, identity, columns))


def _column(wire: Wire) -> Column:
    is_key = wire.flag()
    return Column(name=wire.name(), type_oid=wire.uint32(), modifier=wire.int32(), is_key=is_key)


def _type(wire: Wire, scope: _Scope) -> TypeNamed:
    return TypeNamed(xid=scope.xid(wire), oid=wire.uint32(), namespace=wire.namespace(), name=wire.name())


def _insert(wire: Wire, scope: _Scope) -> Insert:
    xid, relation, part = scope.xid(wire), scope.relation(wire), wire.byte()
    if part != _NEW:
        raise wire.refused(f"{part:#x} where the new row was expected")
    return Insert(xid, relation, wire.values(len(relation.columns)))


def _update(wire: Wire, scope: _Scope) -> Update:
    xid, relation, part = scope.xid(wire), scope.relation(wire), wire.byte()
    old = None
    if part != _NEW:
        old = _old_row(wire, relation, part)
        part = wire.byte()
    if part != _NEW:
        raise wire.refused(f"{part:#x} where the new row was expected")
    return Update(xid, relation, old, wire.values(len(relation.columns)))


def _delete(wire: Wire, scope: _Scope) -> Delete:
    xid, relation, part = scope.xid(wire), scope.relation(wire), wire.byte()
    return Delete(xid, relation, _old_row(wire, relation, part))


def _old_row(wire: Wire, relation: Relation, letter: int) -> OldRow:
    part = _OLD_PARTS.get(letter)
    if part is None:
        raise wire.refused(f"{letter:#x} where a row was expected")
    values = wire.values(len(relation.columns))
    if part is OldPart.KEY:
        # The plugin sends NULL for what the log does not hold.
        values = tuple(
            [
                NoText.NOT_LOGGED if value is NoText.NULL and not column.is_key else value
                for column, value in zip(relation.columns, values, strict=True)
            ]
        )
    return OldRow(part, values)


def _truncate(wire: Wire, scope: _Scope) -> Truncate:
    xid, count, options = scope.xid(wire), wire.uint32(), wire.byte()
    if options & ~_TRUNCATE_OPTIONS.value:
        raise wire.refused(f"unknown options {options:#x}")
    relations = tuple([scope.relation(wire) for _ in range(count)])
    return Truncate(xid, relations, TruncateOption(options))


def _message(wire: Wire, scope: _Scope) -> Emitted:
    return Emitted(
        xid=scope.xid(wire), transactional=wire.flag(), lsn=wire.lsn(), prefix=wire.name(), content=wire.content()
    )


def _stream_start(wire: Wire, _: _Scope) -> StreamStart:
    return StreamStart(xid=wire.uint32(), first=wire.flag())


def _stream_stop(_wire: Wire, _: _Scope) -> StreamStop:
    return StreamStop()


def _stream_commit(wire: Wire, _: _Scope) -> StreamCommit:
    xid = wire.uint32()
    wire.no_flags()
    return StreamCommit(xid, commit_lsn=wire.lsn(), end_lsn=wire.lsn(), committed_at=wire.time())


def _stream_abort(wire: Wire, _: _Scope) -> StreamAbort:
    return StreamAbort(xid=wire.uint32(), subxid=wire.uint32())


@dataclass(frozen=True, slots=True)
class _Form:
    """How a message is read, within what it can come, and what one is within after it if that changes."""

    read: Callable[[Wire, _Scope], Message]
    within: frozenset[_Inside]
    then: _Inside | None = None


_OUTSIDE = frozenset({_Inside.NOTHING})
_TRANSACTION = frozenset({_Inside.TRANSACTION})
_BLOCK = frozenset({_Inside.BLOCK})
_EITHER = _TRANSACTION | _BLOCK

_FORMS = {
    ord("B"): _Form(_begin, _OUTSIDE, _Inside.TRANSACTION),
    ord("C"): _Form(_commit, _TRANSACTION, _Inside.NOTHING),
    ord("O"): _Form(_origin, _EITHER),
    ord("R"): _Form(_relation, _EITHER),
    ord("Y"): _Form(_type, _EITHER),
    ord("I"): _Form(_insert, _EITHER),
    ord("U"): _Form(_update, _EITHER),
    ord("D"): _Form(_delete, _EITHER),
    ord("T"): _Form(_truncate, _EITHER),
    ord("M"): _Form(_message, _OUTSIDE | _EITHER),
    ord("S"): _Form(_stream_start, _OUTSIDE, _Inside.BLOCK),
    ord("E"): _Form(_stream_stop, _BLOCK, _Inside.NOTHING),
    ord("c"): _Form(_stream_commit, _OUTSIDE),
    ord("A"): _Form(_stream_abort, _OUTSIDE),
}
