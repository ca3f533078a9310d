"""No name breaks out of the SQL that it stands in, and a table's name is read back as it was written."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary.adapters.aurora.catalog import ColumnInfo, Table
from distributary.adapters.aurora.names import TableName, literal, quoted, table_name
from distributary.adapters.aurora.plain_statements import delete_plain, note_plain, outlived, take
from distributary.adapters.aurora.statements import complete, delete, insert, look, look_back, note, note_again, update
from distributary.adapters.aurora.unique_indexes import Part, UniqueIndex, rivals_sql
from distributary.domain.errors import UnknownTable

PARTS = re.compile(
    r"""
    (?P<identifier>"(?:[^"]|"")*") | (?P<literal>'(?:[^']|'')*') | (?P<word>\w+) | (?P<parameter>\$\d+) | (?P<space>\s+)
    | (?P<sign>[][(),.:=*|<>-])
    """,
    re.VERBOSE,
)
"""How PostgreSQL takes a statement apart, as far as ours go (standard_conforming_strings on)."""

HOSTILE = [
    '"',
    '""',
    '"; DROP TABLE orders; --',
    'a"."b',
    "a.b",
    "'",
    "'; DROP TABLE orders; --",
    "\\",
    "\\'",
    '\\"',
    "--",
    "/* */",
    "$1",
    "$$",
    "%s",
    "%(x)s",
    "{0}",
    ":name",
    "\n",
    "\t",
    " ",
    "select",
    "Orders",
    "ünïcödé 漢字",
    "😀",
    "x" * 63,
    "E'",
    'U&"',
    "*",
]

legal = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=63)
legal |= st.text(st.sampled_from("\"'\\.$; -a"), min_size=1, max_size=12)
"""What PostgreSQL takes as a name: anything but the character zero, and not nothing."""


def parts(sql: str) -> list[tuple[str, str]]:
    """The parts of a statement by their kinds; fails where something is none."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(sql):
        match = PARTS.match(sql, at)
        assert match is not None, sql[at : at + 40]
        found.append((str(match.lastgroup), match[0]))
        at = match.end()
    return [part for part in found if part[0] != "space"]


def identifiers(sql: str) -> set[str]:
    """The quoted identifiers of a statement, as the database would read them."""
    return {text[1:-1].replace('""', '"') for kind, text in parts(sql) if kind == "identifier"}


def shape(sql: str) -> list[str]:
    """A statement without what its names and literals say."""
    return [kind if kind in {"identifier", "literal"} else text for kind, text in parts(sql)]


def table_of(schema: str, name: str, key: str, column: str) -> Table:
    columns = (ColumnInfo(key, "integer", False, True), ColumnInfo(column, "text", False, False))
    return Table(TableName(schema, name), columns, (key,), (("unique", (column,)),), stamped=True)


@given(legal)
def test_a_quoted_identifier_is_one_part_and_is_read_as_the_name(name: str) -> None:
    assert parts(quoted(name)) == [("identifier", quoted(name))]
    assert identifiers(quoted(name)) == {name}


@given(legal)
def test_a_literal_is_one_part_and_is_read_as_the_text(text: str) -> None:
    assert parts(literal(text)) == [("literal", literal(text))]
    assert literal(text)[1:-1].replace("''", "'") == text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_within_its_quotes(name: str) -> None:
    assert parts(f"{quoted(name)}, {literal(name)}") == [
        ("identifier", quoted(name)),
        ("sign", ","),
        ("literal", literal(name)),
    ]


@given(legal, legal)
def test_a_tables_name_is_read_back_as_it_was_written(schema: str, name: str) -> None:
    assert table_name(TableName(schema, name).text()) == TableName(schema, name)


@pytest.mark.parametrize("schema", HOSTILE)
@pytest.mark.parametrize("name", ['"', ".", '"."', "orders"])
def test_a_hostile_tables_name_is_read_back_as_it_was_written(schema: str, name: str) -> None:
    assert table_name(TableName(schema, name).text()) == TableName(schema, name)


@given(legal, legal, legal, legal)
def test_no_two_tables_have_one_text(schema: str, name: str, other_schema: str, other: str) -> None:
    left, right = TableName(schema, name), TableName(other_schema, other)
    assert (left.text() == right.text()) == (left == right)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "orders",
        "public.orders",
        '"orders"',
        '"public".',
        '."orders"',
        '"public"."orders"."id"',
        '"public"."orders',
        'public"."orders"',
        '"public" . "orders"',
        ' "public"."orders"',
        '"public"."orders"\n',
        '""."orders"',
        '"public".""',
        '"public"."or"ders"',
        '"public"."orders"; DROP TABLE orders',
        '"public"."or\x00ders"',
        "'public'.'orders'",
        '"' * 1001,
    ],
)
def test_what_is_no_name_of_a_table_is_refused(text: str) -> None:
    with pytest.raises(UnknownTable):
        table_name(text)


def test_a_refusal_is_of_bounded_size() -> None:
    with pytest.raises(UnknownTable) as refused:
        table_name("x" * 1_000_000)
    assert len(str(refused.value)) < 200


@given(st.text())
def test_no_text_meets_anything_but_our_error(text: str) -> None:
    try:
        name = table_name(text)
    except UnknownTable:
        return
    assert name.text() == text


OF_A_TABLE = (look, look_back, delete, note, note_again, outlived, note_plain, delete_plain)
OF_COLUMNS = (insert, update, take, complete)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_make_no_statement_another(name: str) -> None:
    key, column = name + "k", name + "c"
    plain, hostile = table_of("s", "t", "k", "c"), table_of(name + "s", name + "t", key, column)
    for make in OF_A_TABLE:
        assert shape(make(hostile)) == shape(make(plain))
    for write in OF_COLUMNS:
        assert shape(write(hostile, (key, column))) == shape(write(plain, ("k", "c")))
    names = {hostile: column, plain: "c"}
    indexes = {t: UniqueIndex((Part(quoted(names[t]), "pg_catalog.=", names[t]),), None, False) for t in names}
    columns = {t: (*t.key, names[t]) for t in names}
    told = [shape(rivals_sql(t, indexes[t], columns[t])) for t in (hostile, plain)]
    assert told[0] == told[1]


@pytest.mark.parametrize("write", OF_COLUMNS)
def test_a_statement_names_its_table_and_columns(write: Callable[[Table, tuple[str, ...]], str]) -> None:
    sql = write(table_of('sch"ema', "ta.ble", "k k", "c'c"), ("k k", "c'c"))
    assert {'sch"ema', "ta.ble", "k k", "c'c"} <= identifiers(sql)
