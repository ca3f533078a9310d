"""What the log tells is one thing: in how many pieces it arrives makes no difference to what is collected of it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from distributary.adapters.aurora.catalog import Table
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
from distributary.adapters.aurora.names import TableName
from distributary.adapters.aurora.transactions import Assembler
from distributary.domain.errors import UnknownTable
from distributary.domain.image import STAMP_ATTRIBUTE
from distributary.domain.logged import Portion
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.version import Context, Instant, Version
from tests.unit.pgoutput_bytes import begin, commit, encoded

HERE, THERE = "us-east-1", "eu-west-1"
COLUMNS = (
    Column("id", 20, -1, is_key=True),
    Column("note", 25, -1, is_key=False),
    Column(STAMP_ATTRIBUTE, 25, -1, is_key=False),
)
TABLES = [Relation(oid, "public", name, ReplicaIdentity.DEFAULT, COLUMNS) for oid, name in ((1, "one"), (2, "two"))]

NOTES: list[Value] = ["first", "second", NoText.NULL, NoText.UNCHANGED]


def stamp(at: int, region: str) -> str:
    writer = Writer.APPLICATION if region == HERE else Writer.REPLICATION
    return Stamp(Version(at, 0, region), Context({region: Instant(at, 0)}), writer).text()


def dropped(name: TableName, _anew: bool) -> Table:
    raise UnknownTable(name.text())


@st.composite
def rows(draw: st.DrawFn) -> bytes:
    """An insert or update of either table, by an application or by replication, plain or not."""
    table = draw(st.sampled_from(TABLES))
    note = draw(st.sampled_from(NOTES))
    told = draw(st.sampled_from([stamp(at, region) for at in (7, 8) for region in (HERE, THERE)] + ["none of ours"]))
    values = draw(st.sampled_from("123")), note, told
    if note is not NoText.UNCHANGED and draw(st.booleans()):
        return encoded(Insert(None, table, values))
    old = OldRow(OldPart.KEY, ("0", NoText.NOT_LOGGED, NoText.NOT_LOGGED))
    return encoded(Update(None, table, draw(st.sampled_from([None, None, old])), values))


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """Transactions of many rows."""
    messages: list[bytes] = []
    for lsn in range(16, 16 + draw(st.integers(1, 3))):
        described = [encoded(Described(None, table)) for table in TABLES]
        messages += [begin(lsn), *described, *draw(st.lists(rows(), max_size=12)), commit(lsn, lsn + 1)]
    return messages


def collected(parts: Sequence[Sequence[bytes]]) -> Portion:
    assembler = Assembler("shop", HERE, dropped, 0)
    for part in parts:
        assembler.take(part)
    return assembler.portion("")


@given(logs(), st.integers(1, 40))
def test_rows_that_arrive_together_are_told_like_rows_that_arrive_one_by_one(messages: list[bytes], size: int) -> None:
    together = collected([messages[at : at + size] for at in range(0, len(messages), size)])
    assert together == collected([[each] for each in messages])
