"""What a change stream of PostgreSQL tells: transactions, tables as they were, and what happened to their rows.

Positions (LSN) are numbers of bytes since the start of the log. Times are microseconds since 1970. In a streamed block
`xid` is the transaction or subtransaction that did the change; elsewhere it is None, and `Begin` has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import TypeAlias


class NoText(Enum):
    """Why a column of a row comes without a text."""

    NULL = auto()
    """The column is NULL."""
    UNCHANGED = auto()
    """A large value that the update did not touch (TOAST): the row keeps it. With REPLICA IDENTITY FULL, and only
    then, the old row has it."""
    NOT_LOGGED = auto()
    """The old row was logged by its key only, and this column is not of the key."""


Value: TypeAlias = str | NoText
"""PostgreSQL's text form of a value, exactly as sent, or why there is none."""

Values: TypeAlias = tuple[Value, ...]
"""A row: one value for each column of its relation, in the relation's order."""


class ReplicaIdentity(Enum):
    """What the log holds of the old row when one is updated or deleted (pg_class.relreplident)."""

    DEFAULT = "d"
    """The primary key."""
    NOTHING = "n"
    FULL = "f"
    """All columns."""
    INDEX = "i"
    """The columns of a chosen unique index."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation; `modifier` is pg_attribute.atttypmod, -1 where the type has none."""

    name: str
    type_oid: int
    modifier: int
    is_key: bool
    """Whether it is of the replica identity; with REPLICA IDENTITY FULL every column is."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it was when the changes that follow were made. Generated columns are not among its columns."""

    oid: int
    namespace: str
    name: str
    identity: ReplicaIdentity
    columns: tuple[Column, ...]


class OldPart(Enum):
    """How much of the old row was sent."""

    KEY = auto()
    """The key; in an update, only because the update changed it."""
    ROW = auto()
    """All of it, by REPLICA IDENTITY FULL."""


@dataclass(frozen=True, slots=True)
class OldRow:
    """What was sent of a row as it was before."""

    part: OldPart
    values: Values


class TruncateOption(Flag):
    """What the TRUNCATE statement asked for beside."""

    NONE = 0
    CASCADE = 1
    RESTART_IDENTITY = 2


@dataclass(frozen=True, slots=True)
class Begin:
    """A committed transaction follows, up to its `Commit`.

    A Begin can show the same position as the Commit before it: changes are ordered by the commit's position and by
    their ordinal in the transaction, not by one of them.
    """

    commit_lsn: int
    committed_at: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The end of what `Begin` began. Once the transaction is taken, a slot may be advanced to `end_lsn`."""

    commit_lsn: int
    end_lsn: int
    committed_at: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The transaction was replayed from elsewhere, where it was committed at `lsn` (0 in a streamed block)."""

    lsn: int
    name: str


@dataclass(frozen=True, slots=True)
class Described:
    """A relation as it is from here on: comes before its first change and again after it was altered."""

    xid: int | None
    relation: Relation


@dataclass(frozen=True, slots=True)
class TypeNamed:
    """A type of a column that is not built in; for a domain, the namespace and name are those of its base type."""

    xid: int | None
    oid: int
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Insert:
    """A row is new."""

    xid: int | None
    relation: Relation
    new: Values


@dataclass(frozen=True, slots=True)
class Update:
    """A row is changed; `old` is None where the key stayed and the replica identity is not FULL."""

    xid: int | None
    relation: Relation
    old: OldRow | None
    new: Values


@dataclass(frozen=True, slots=True)
class Delete:
    """A row is gone."""

    xid: int | None
    relation: Relation
    old: OldRow


@dataclass(frozen=True, slots=True)
class Truncate:
    """Every row of the relations is gone. Nothing tells which rows, or their versions."""

    xid: int | None
    relations: tuple[Relation, ...]
    options: TruncateOption


@dataclass(frozen=True, slots=True)
class Emitted:
    """What somebody wrote into the log with pg_logical_emit_message; outside of transactions if not transactional."""

    xid: int | None
    transactional: bool
    lsn: int
    prefix: str
    content: bytes


@dataclass(frozen=True, slots=True)
class StreamStart:
    """A block of a large transaction follows, which may not be committed yet and may still be aborted."""

    xid: int
    first: bool
    """Whether it is the first block of the transaction."""


@dataclass(frozen=True, slots=True)
class StreamStop:
    """The end of a block; blocks of others, and whole transactions, may come before the next one."""


@dataclass(frozen=True, slots=True)
class StreamCommit:
    """The streamed transaction `xid` is committed: what its blocks held, and was not aborted, has happened."""

    xid: int
    commit_lsn: int
    end_lsn: int
    committed_at: int


@dataclass(frozen=True, slots=True)
class StreamAbort:
    """What the blocks of `xid` held of `subxid` has not happened. If the two are the same, nothing of it has."""

    xid: int
    subxid: int


Message: TypeAlias = (
    Begin
    | Commit
    | Origin
    | Described
    | TypeNamed
    | Insert
    | Update
    | Delete
    | Truncate
    | Emitted
    | StreamStart
    | StreamStop
    | StreamCommit
    | StreamAbort
)
