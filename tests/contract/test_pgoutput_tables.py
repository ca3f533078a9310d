"""The decoder reads what PostgreSQL itself writes: tables that change, and values of every type in their text form."""

from __future__ import annotations

import csv
import io

from psycopg.sql import Literal

from distributary.adapters.aurora.messages import (
    Delete,
    Described,
    Insert,
    NoText,
    OldPart,
    OldRow,
    TypeNamed,
    Update,
)
from tests.contract.slots import Source

ORDERS = "CREATE TABLE orders (id bigint PRIMARY KEY, note varchar(32))"
COLLATIONS = {16: '"C.utf8"', 18: "pg_unicode_fast"}
"""One beside C that each server is built with."""

VALUES = {
    "smallint": "-32768",
    "bigint": "9223372036854775807",
    "numeric": "12345678901234567890.123456789012345678900",
    "numeric(40,2)": "NaN",
    "real": "1.1754944e-38",
    "double precision": "0.1",
    "float8": "-Infinity",
    "boolean": "true",
    "text": " two\nlines\t\\ and 'quotes' ",
    "char(5)": "ab",
    '"char"': "x",
    "bytea": "\\x00ff10",
    "date": "0044-03-15 BC",
    "time": "23:59:59.999999",
    "timetz": "12:00:00+05:30",
    "timestamp": "infinity",
    "timestamptz": "2026-11-24 12:34:56.789012+02",
    "interval": "1 year -2 days 00:00:00.000001",
    "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "json": '{"b": 1,  "a": [null]}',
    "jsonb": '{"b": 1,  "a": [null, 1.10]}',
    "inet": "10.1.2.3/24",
    "macaddr": "08:00:2b:01:02:03",
    "bit(4)": "1010",
    "varbit": "",
    "point": "(1.5,-2)",
    "polygon": "((0,0),(1,1),(1,0))",
    "int4range": "[1,10]",
    "int4multirange": "{[1,3),[5,9)}",
    "text[]": '{a,NULL,"NULL","x,y",""}',
    "int[][]": "[0:1][-1:0]={{1,2},{3,4}}",
    "tsvector": "'fat':2A 'cat':3",
    "tsquery": "fat & (rat | cat)",
    "pg_lsn": "16/B374D848",
    "money": "12.34",
    "oid": "4294967295",
    "mood": "fine",
    "pair": '(1,"a,b")',
}


def test_types_that_are_not_built_in_are_named(source: Source) -> None:
    source.run("CREATE TYPE mood AS ENUM ('fine', 'sad')", "CREATE DOMAIN age AS int")
    source.run("CREATE TABLE people (id int PRIMARY KEY, mood mood, age age)")
    source.watch()
    source.run("INSERT INTO people VALUES (1, 'fine', 7)")
    mood, age = source.all(TypeNamed)
    insert = source.one(Insert)
    assert (mood.namespace, mood.name, age.namespace, age.name) == (source.name, "mood", "pg_catalog", "int4")
    assert [column.type_oid for column in insert.relation.columns] == [23, mood.oid, age.oid]
    assert insert.new == ("1", "fine", "7")


def test_columns_come_and_go_between_transactions(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    source.run("INSERT INTO orders VALUES (1, 'a')", "ALTER TABLE orders ADD n int DEFAULT 5")
    source.run("INSERT INTO orders VALUES (2, 'b')", "ALTER TABLE orders DROP note")
    source.run("INSERT INTO orders VALUES (3)")
    inserts = source.all(Insert)
    assert [each.new for each in inserts] == [("1", "a"), ("2", "b", "5"), ("3", "5")]
    names = [[column.name for column in each.relation.columns] for each in inserts]
    assert names == [["id", "note"], ["id", "note", "n"], ["id", "n"]]


def test_columns_come_and_go_within_a_transaction(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    source.together(
        "INSERT INTO orders VALUES (1, 'a')",
        "ALTER TABLE orders DROP note",
        "INSERT INTO orders VALUES (2)",
        "ALTER TABLE orders ADD note text",
        "UPDATE orders SET note = 'c' WHERE id = 1",
    )
    rows = [each.new for each in source.messages() if isinstance(each, Insert | Update)]
    assert rows == [("1", "a"), ("2",), ("1", "c")]


def test_a_table_is_told_under_its_new_name(source: Source) -> None:
    source.run(ORDERS)
    source.watch()
    source.run("INSERT INTO orders VALUES (1)", "ALTER TABLE orders RENAME TO sales", "INSERT INTO sales VALUES (2)")
    assert [each.relation.name for each in source.all(Described)] == ["orders", "sales"]


def test_a_text_under_another_collation_comes_as_it_is(source: Source) -> None:
    source.run(f"CREATE TABLE words (word text COLLATE {COLLATIONS[source.version]} PRIMARY KEY)")
    source.run("INSERT INTO words VALUES ('straße')")
    source.watch()
    # Another way to write é, which some collations call equal: a key is changed by its bytes.
    source.run(
        "INSERT INTO words VALUES ('caf\u00e9 Ωß 漢字 🙂')",
        "UPDATE words SET word = 'STRASSE' WHERE word < 't' AND word LIKE 'str%'",
    )
    assert source.one(Insert).new == ("caf\u00e9 Ωß 漢字 🙂",)
    assert source.one(Update).old == OldRow(OldPart.KEY, ("straße",))


def test_values_have_the_text_form_that_the_server_gives_them(source: Source) -> None:
    source.run("CREATE TYPE mood AS ENUM ('fine', 'sad')", "CREATE TYPE pair AS (a int, b text)")
    columns = [f"c{n} {kind} DEFAULT {Literal(value).as_string()}" for n, (kind, value) in enumerate(VALUES.items())]
    source.run(f"CREATE TABLE kinds (id int PRIMARY KEY, {', '.join(columns)})")
    source.watch()
    source.run("INSERT INTO kinds VALUES (1)")
    # The output function is what COPY and the change stream use; a cast to text strips char(5).
    with source.connection.cursor().copy("COPY kinds TO STDOUT (FORMAT csv)") as copied:
        (written,) = csv.reader(io.StringIO(b"".join(copied).decode(), newline=""))
    assert source.one(Insert).new == tuple(written)


def test_every_column_may_be_null(source: Source) -> None:
    source.run("CREATE TABLE nulls (id int PRIMARY KEY, a text, b bytea, c int[], d jsonb)")
    source.watch()
    source.run("INSERT INTO nulls VALUES (1, NULL, '', '{NULL}', 'null')")
    assert source.one(Insert).new == ("1", NoText.NULL, "\\x", "{NULL}", "null")


def test_a_generated_column_is_not_told(source: Source) -> None:
    source.run("CREATE TABLE sums (a int PRIMARY KEY, twice int GENERATED ALWAYS AS (a * 2) STORED, b int)")
    source.watch()
    source.run("INSERT INTO sums (a, b) VALUES (2, 3)")
    told = source.one(Insert)
    assert ([column.name for column in told.relation.columns], told.new) == (["a", "b"], ("2", "3"))


def test_quoted_names_come_without_their_quotes(source: Source) -> None:
    source.run('CREATE TABLE "Größe ""x""" ("Ключ" int PRIMARY KEY)')
    source.watch()
    source.run('INSERT INTO "Größe ""x""" VALUES (1)')
    relation = source.one(Insert).relation
    assert (relation.name, relation.columns[0].name) == ('Größe "x"', "Ключ")


PARTITIONED = (
    "CREATE TABLE events (id int, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
    "CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
)


def test_partitions_are_told_by_their_own_names(source: Source) -> None:
    source.run(*PARTITIONED)
    source.watch()
    source.run("INSERT INTO events VALUES (1, '2025-05-05', 'a'), (2, '2026-05-05', 'b')")
    assert [each.relation.name for each in source.all(Insert)] == ["events_2025", "events_2026"]


def test_partitions_are_told_by_their_root_if_so_published(source: Source) -> None:
    source.run(*PARTITIONED)
    source.watch("WITH (publish_via_partition_root = true)")
    source.run("INSERT INTO events VALUES (1, '2025-05-05', 'a'), (2, '2026-05-05', 'b')")
    assert [each.relation.name for each in source.all(Insert)] == ["events", "events"]


def test_a_row_that_moves_to_another_partition_is_deleted_and_inserted(source: Source) -> None:
    source.run(*PARTITIONED, "INSERT INTO events VALUES (1, '2025-05-05', 'a')")
    source.watch()
    source.run("UPDATE events SET day = '2026-05-05'")
    assert source.one(Delete).old == OldRow(OldPart.KEY, ("1", "2025-05-05", NoText.NOT_LOGGED))
    assert source.one(Insert).new == ("1", "2026-05-05", "a")


def test_a_partition_with_more_identity_than_its_root_brings_more_than_the_key(source: Source) -> None:
    source.run(*PARTITIONED, "ALTER TABLE events_2026 REPLICA IDENTITY FULL")
    source.run("INSERT INTO events VALUES (1, '2026-05-05', 'a')")
    source.watch("WITH (publish_via_partition_root = true)")
    source.run("DELETE FROM events")
    assert source.one(Delete).old == OldRow(OldPart.KEY, ("1", "2026-05-05", "a"))


def test_only_the_published_columns_are_told(source: Source) -> None:
    source.run(ORDERS)
    source.watch(of="TABLE orders (id)")
    source.run("INSERT INTO orders VALUES (1, 'secret')")
    assert source.one(Insert).new == ("1",)
