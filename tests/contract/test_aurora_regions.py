"""Three regions, on servers of two versions: equal after writes that do not know of each other; nothing comes back."""

from __future__ import annotations

import random
from itertools import product

import pytest

from distributary.adapters.aurora import install
from tests.contract.aurora_sites import BOTH_WAYS, Site, Sites

ROWS = "SELECT to_jsonb(t) - 'replication_stamp', split_part(replication_stamp, ' ', 1) FROM {} t ORDER BY 1, 2"
pytestmark = pytest.mark.xdist_group("postgresql_regions")

VALUES = {
    "smallint": "'-32768'", "bigint": "'9223372036854775807'",
    "numeric": "'123456789.01234567890123456789012345678900'",
    "numeric(10,2)": "'-1.50'",
    "real": "'1.17549435e-38'", "double precision": "'0.1'::float8 + 0.2", "money": "'1.23'",
    "boolean": "true", "text": r"E'\\ tab\t quote\" \' 水 \u0001'", "varchar(5)": "''", "char(5)": "'ab'",
    "bytea": r"'\x00ff10'", "json": """'{"a":  1, "a": [1.0]}'""", "jsonb": """'{"b": 1, "a": null}'""",
    "uuid": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "date": "'infinity'", "time": "'23:59:59.999999'",
    "timetz": "'04:05:06.789-08:30'", "timestamp": "'2024-02-29 12:34:56.123456'",
    "timestamptz": "'1582-10-15 00:00:00 BC'", "interval": "'1 year -2 months 3 days -04:05:06.7'",
    "int[]": "'{{1,NULL},{3,4}}'", "text[]": """'{"a,b",NULL,"\\"",""}'""", "int4range": "'(1,5]'",
    "tstzmultirange": "'{[2024-01-01,2024-02-01)}'", "inet": "'::1/64'", "macaddr": "'08:00:2b:01:02:03'",
    "bit(3)": "B'101'", "bit varying(5)": "B'11'", "point": "'(1.1,-2)'", "tsvector": "'a:1 b'",
    "mood": "'o''k'", "pair": "ROW(1, 'x,\")')", "positive": "7", "mood[]": "'{sad,o''k}'",
    'text COLLATE "C"': "'ä'", "real[]": "'{NaN,-Infinity}'", "numeric[]": "'{NaN}'",
}  # fmt: skip
OPERATIONS = ("update", "delete", "reinsert", "insert", "rekey", "upsert")


@BOTH_WAYS
def test_every_type_arrives_exactly(regions: Sites) -> None:
    # given: a column of every type, and a writer with odd settings
    columns = ", ".join(f"c{at} {kind}" for at, kind in enumerate(VALUES))
    regions.write(
        "CREATE TYPE mood AS ENUM ('sad', 'o''k')", "CREATE TYPE pair AS (a int, b text)",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        f"CREATE TABLE t (id int PRIMARY KEY, {columns}, twice int GENERATED ALWAYS AS (id * 2) STORED)",
    )  # fmt: skip
    regions.install()
    home = regions.all[0]
    home.write("SET DateStyle = 'German'", "SET IntervalStyle = 'sql_standard'", "SET TimeZone = 'Asia/Kathmandu'")
    names = ", ".join(f"c{at}" for at in range(len(VALUES)))
    # when: all values, no values, and an update in another region
    home.write(f"INSERT INTO t (id, {names}) VALUES (1, {', '.join(VALUES.values())})", "INSERT INTO t (id) VALUES (2)")
    regions.settle()
    regions.all[1].write("UPDATE t SET c0 = 5")
    regions.settle()
    # then
    home.write("RESET ALL")
    texts = ", ".join(f"c{at}::text" for at in range(len(VALUES)))
    first, second = regions.same(f"SELECT id, twice, {texts} FROM t ORDER BY id")
    assert first[:3] == (1, 2, "5")
    assert second[3:] == (None,) * (len(VALUES) - 1)
    assert None not in first


def _perform(site: Site, operation: str, key: int, value: int) -> None:
    match operation:
        case "update":
            site.write(f"UPDATE t SET v = {value} WHERE id = {key}")
        case "delete":
            site.write(f"DELETE FROM t WHERE id = {key}")
        case "reinsert":
            with site.application.transaction():
                site.write(f"DELETE FROM t WHERE id = {key}", f"INSERT INTO t VALUES ({key}, {value})")
        case "insert":
            site.write(f"INSERT INTO t VALUES ({key}, {value}) ON CONFLICT DO NOTHING")
        case "upsert":
            site.write(f"INSERT INTO t VALUES ({key}, {value}) ON CONFLICT (id) DO UPDATE SET v = excluded.v")
        case "rekey":
            free = f"NOT EXISTS (SELECT FROM t WHERE id = {key + 1000})"
            site.write(f"UPDATE t SET id = id + 1000 WHERE id = {key} AND {free}")


@pytest.mark.parametrize("writers", [2, 3])
@pytest.mark.parametrize(("one", "other"), list(product(("insert", "update", "delete", "reinsert"), repeat=2)))
def test_writes_that_do_not_know_of_each_other_end_alike(regions: Sites, one: str, other: str, writers: int) -> None:
    # given: 300 rows in all regions, or none for inserts
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)")
    regions.install()
    if "insert" not in (one, other):
        regions.all[0].write("INSERT INTO t SELECT g, 0, repeat('x', 3000) FROM generate_series(1, 300) g")
        regions.settle()
    # when: two or three regions write each row, in turns
    for key in range(1, 301):
        for turn, operation in enumerate((one, other, one)[:writers]):
            _perform(regions.all[(key + turn) % 3], operation, key, turn)
    regions.settle()
    # then: all regions are equal, and a second round changes nothing
    equal = regions.same(ROWS.format("t"))
    assert regions.settle() is not None
    assert regions.same(ROWS.format("t")) == equal


@pytest.mark.parametrize("seed", range(6))
def test_random_writes_end_alike(regions: Sites, seed: int) -> None:
    rng = random.Random(seed)
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)")
    regions.install()
    for turn in range(150):
        _perform(rng.choice(regions.all), rng.choice(OPERATIONS), rng.randrange(12), turn)
        if rng.random() < 0.2:
            rng.choice(regions.all).capture()
        if rng.random() < 0.2:
            rng.choice(regions.all).apply()
    regions.settle()
    regions.same(ROWS.format("t"))
    # A deletion that an insert has overtaken need not travel.
    gone = "WHERE NOT EXISTS (SELECT FROM t WHERE json_build_array(id::text)::text = key)"
    regions.same(f"SELECT key, split_part(stamp, ' ', 1) FROM distributary.tombstones {gone} ORDER BY 1")


@BOTH_WAYS
def test_children_wait_for_their_parents(regions: Sites) -> None:
    regions.write("CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)")
    regions.install()
    home, peer, _ = regions.all
    # given: the parent's message does not arrive for a while
    home.write("INSERT INTO p VALUES (1)")
    home.capture()
    inbox = peer.queues[peer.region]
    held = dict(inbox.messages)
    inbox.messages.clear()
    home.write("INSERT INTO c VALUES (1, 1)")
    home.capture()
    report = peer.apply()
    assert [type(error).__name__ for error in report.failed.values()] == ["ParentMissing"]
    # when: it does
    inbox.messages.update(held)
    regions.settle()
    # then
    assert regions.same("SELECT id, p FROM c") == [(1, 1)]


@BOTH_WAYS
def test_nothing_is_merged_where_policies_hide_rows_from_replication(regions: Sites) -> None:
    # given: a peer whose tables show each tenant his own rows only, replication none
    regions.write("CREATE TABLE t (id int PRIMARY KEY, tenant text)")
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    regions.settle()
    peer.write(
        "CREATE POLICY own ON t USING (tenant = current_setting('app.tenant', true))",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
    )
    # when
    home.write("DELETE FROM t WHERE id = 1")
    home.capture()
    report = peer.apply()
    # then: it is told, and waits
    assert {type(error).__name__ for error in report.failed.values()} == {"AccessDenied"}
    # and: once replication sees all rows
    peer.write("ALTER TABLE t NO FORCE ROW LEVEL SECURITY")
    regions.settle()
    assert regions.same("SELECT id, tenant FROM t") == [(2, "b")]


@BOTH_WAYS
def test_one_bad_row_is_parked_and_the_others_are_applied(regions: Sites) -> None:
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v int)")
    regions.install()
    home, peer, _ = regions.all
    peer.write("ALTER TABLE t ADD CHECK (v <> 666)")
    home.write("INSERT INTO t SELECT g, g FROM generate_series(1, 1000) g")
    regions.settle()
    assert peer.ask("SELECT count(*) FROM t") == [(999,)]
    (parcel,) = peer.parking.parcels
    assert parcel.reason == "RejectedByDatabase"
    assert parcel.detail.startswith("23514")
    assert '"666"' in parcel.payload


@BOTH_WAYS
def test_a_column_that_is_not_there_yet_is_waited_for(regions: Sites) -> None:
    regions.write("CREATE TABLE t (id int PRIMARY KEY)")
    regions.install()
    home, peer, other = regions.all
    home.write("ALTER TABLE t ADD COLUMN v int", "INSERT INTO t VALUES (1, NULL, 7)")
    home.capture()
    assert [type(error).__name__ for error in peer.apply().failed.values()] == ["SchemaDiffers"]
    for each in (peer, other):
        each.write("ALTER TABLE t ADD COLUMN v int")
    regions.settle()
    assert regions.same("SELECT id, v FROM t") == [(1, 7)]


@BOTH_WAYS
def test_what_was_written_while_the_slot_was_lost_arrives_after_all(regions: Sites) -> None:
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v int)")
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO t VALUES (1, 1), (2, 1), (3, 1)")
    regions.settle()
    # given: a slot that somebody dropped, writes before that was noticed, and a newer one of a peer
    home.ask(f"SELECT pg_drop_replication_slot('{install.slot_of(home.dataset.name)}')")
    home.write("UPDATE t SET v = 2 WHERE id = 1", "DELETE FROM t WHERE id = 2", "INSERT INTO t VALUES (4, 1)")
    home.write("UPDATE t SET v = 2 WHERE id = 3")
    peer.write("UPDATE t SET v = 3 WHERE id = 3")
    # when: it is made anew
    home.install(new_slot=True)
    regions.settle()
    # then
    assert regions.same("SELECT id, v FROM t ORDER BY id") == [(1, 2), (3, 3), (4, 1)]
    regions.same(ROWS.format("t"))


@BOTH_WAYS
def test_cascades_meet_rows_that_the_deleter_did_not_know(regions: Sites) -> None:
    regions.write(
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)",
    )
    regions.install()
    home, peer, _ = regions.all
    home.write("INSERT INTO p VALUES (1)")
    regions.settle()
    # when: one region deletes the parent, another adds a child
    home.write("DELETE FROM p")
    peer.write("INSERT INTO c VALUES (5, 1)")
    peer_first = [peer.capture(), peer.apply(), home.capture()]
    assert peer_first
    regions.settle()
    # then: the child goes with its parent everywhere
    assert regions.same("SELECT id FROM p") == []
    assert regions.same("SELECT id FROM c") == []
