"""The stamping triggers: each write above what it replaces, with all that was seen, whatever the statement."""

from __future__ import annotations

import psycopg
import pytest

from distributary.domain.stamp import Stamp, Writer, parse
from distributary.domain.version import Context, Instant, Version
from tests.contract.aurora_sites import Site, now

HERE, THERE = "us-east-1", "eu-west-1"
TABLE = '"public"."t"'


@pytest.fixture
def prepared(aurora: Site) -> Site:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int)")
    aurora.install()
    return aurora


def stamp_of(site: Site, key: int = 1) -> Stamp:
    ((text,),) = site.ask(f"SELECT replication_stamp FROM t WHERE id = {key}")
    return parse(text)


def tombstone_of(site: Site, key: str = '["1"]') -> Stamp:
    ((text,),) = site.ask(f"SELECT stamp FROM distributary.tombstones WHERE key = '{key}'")
    return parse(text)


def applied(version: Version, *seen: Version) -> str:
    context = Context().including(version)
    for each in seen:
        context = context.including(each)
    return Stamp(version, context, Writer.REPLICATION).text()


def as_applied(site: Site, statement: str) -> None:
    with site.application.transaction():
        site.write("SELECT set_config('distributary.applying', 'on', true)", statement)


def test_an_insert_is_stamped_with_the_clock(prepared: Site) -> None:
    before = now()
    prepared.write("INSERT INTO t VALUES (1, 1)")
    stamp = stamp_of(prepared)
    assert before <= stamp.version.timestamp <= now()
    assert (stamp.version.region, stamp.writer) == (HERE, Writer.APPLICATION)
    assert stamp.context == Context({HERE: stamp.version.instant})


@pytest.mark.parametrize(
    "seen",
    [(THERE,), ("zz-west-1",), ("aa-west-1", THERE), (THERE, "zz-west-1"), ("aa-west-1", THERE, "us-east-10")],
)
def test_an_update_keeps_what_was_seen_and_notes_itself(prepared: Site, seen: tuple[str, ...]) -> None:
    # given: a row that was applied from elsewhere, made in sight of other regions
    prepared.write("INSERT INTO t VALUES (1, 1)")
    others = [Version(now() - 1000 - at, 7 * at, region) for at, region in enumerate(seen)]
    as_applied(prepared, f"UPDATE t SET v = 2, replication_stamp = '{applied(*others)}'")
    # when: it is updated twice, by the slow way and by the fast one
    for _ in range(2):
        known = stamp_of(prepared)
        prepared.write("UPDATE t SET v = v + 1")
        # then
        stamp = stamp_of(prepared)
        assert stamp.version > known.version
        assert stamp.context == known.context.including(stamp.version)
        assert stamp.text() == prepared.ask("SELECT replication_stamp FROM t")[0][0]


@pytest.mark.parametrize("region", [HERE, THERE])
def test_a_write_on_top_of_a_clock_ahead_is_above_it(prepared: Site, region: str) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    ahead = Version(now() + 30_000_000, 0, region)
    as_applied(prepared, f"UPDATE t SET replication_stamp = '{applied(ahead)}'")
    prepared.write("UPDATE t SET v = 2")
    stamped = stamp_of(prepared).version
    assert (stamped.timestamp, stamped.region) == (ahead.timestamp + 1, HERE)


@pytest.mark.parametrize("text", ["nonsense", "", applied(Version(4_000_000_000_000_000, 0, THERE))])
def test_a_stamp_that_is_not_to_be_believed_counts_as_none(prepared: Site, text: str) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    as_applied(prepared, f"UPDATE t SET replication_stamp = '{text}'")
    prepared.write("UPDATE t SET v = 2")
    stamp = stamp_of(prepared)
    assert stamp.version.timestamp <= now()
    assert stamp.context.entries == {HERE: stamp.version.instant}


def test_an_application_cannot_stamp_by_itself(prepared: Site) -> None:
    prepared.write(f"INSERT INTO t VALUES (1, 1, '{applied(Version(5, 0, THERE))}')")
    prepared.write(f"UPDATE t SET replication_stamp = '{applied(Version(6, 0, THERE))}'")
    assert stamp_of(prepared).version.region == HERE


def test_a_deletion_leaves_its_version_behind(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    row = stamp_of(prepared)
    prepared.write("DELETE FROM t")
    tombstone = tombstone_of(prepared)
    assert tombstone.version > row.version
    assert tombstone.context.covers(row.version)
    assert tombstone.writer is Writer.APPLICATION


def test_an_insert_is_above_the_deletion_beneath_it(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    ahead = Version(now() + 30_000_000, 0, THERE)
    as_applied(prepared, f"UPDATE t SET replication_stamp = '{applied(ahead)}'")
    prepared.write("DELETE FROM t", "INSERT INTO t VALUES (1, 2)")
    stamp = stamp_of(prepared)
    assert stamp.version > tombstone_of(prepared).version > ahead
    assert stamp.context.covers(ahead)


def test_two_that_insert_one_key_at_once_have_versions_of_their_own(prepared: Site) -> None:
    """One has inserted the row and deleted it again, unseen by the trigger of the other, which waits for it."""
    versions = []
    for _ in range(2):
        with prepared.application.transaction(force_rollback=True):
            prepared.write("INSERT INTO t VALUES (1, 1)")
            versions.append(stamp_of(prepared).version)
    assert versions[0].sequence != versions[1].sequence


def test_a_changed_key_is_a_deletion_and_an_insert(prepared: Site) -> None:
    # given: a row that a peer has written, and a key whose row was deleted
    prepared.write("INSERT INTO t VALUES (1, 1), (2, 1)", "DELETE FROM t WHERE id = 2")
    was = Version(now() - 1_000_000, 0, THERE)
    as_applied(prepared, f"UPDATE t SET replication_stamp = '{applied(was)}'")
    # when
    prepared.write("UPDATE t SET id = 2")
    # then: the deletion has seen what the peer wrote; the new row has seen the deletion of its key, and nothing else
    assert tombstone_of(prepared).context.covers(was)
    assert stamp_of(prepared, 2).version > tombstone_of(prepared, '["2"]').version
    assert stamp_of(prepared, 2).context.covers(tombstone_of(prepared, '["2"]').version)
    assert not stamp_of(prepared, 2).context.covers(was)


def test_what_is_rolled_back_leaves_nothing(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    before = stamp_of(prepared)
    with prepared.application.transaction(force_rollback=True):
        prepared.write("UPDATE t SET v = 2", "DELETE FROM t")
    assert stamp_of(prepared) == before
    assert prepared.ask("SELECT count(*) FROM distributary.tombstones") == [(0,)]


def test_several_writes_of_a_transaction_have_growing_versions(prepared: Site) -> None:
    with prepared.application.transaction():
        prepared.write("INSERT INTO t VALUES (1, 1)")
        versions = [stamp_of(prepared).version]
        for _ in range(3):
            prepared.write("UPDATE t SET v = v + 1")
            versions.append(stamp_of(prepared).version)
    assert sorted(set(versions)) == versions


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
        "MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 2",
        "WITH x AS (SELECT 1) UPDATE t SET v = 2 FROM x",
    ],
)
def test_every_statement_is_stamped(prepared: Site, statement: str) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    before = stamp_of(prepared)
    prepared.write(statement)
    assert stamp_of(prepared).version > before.version
    assert prepared.ask("SELECT v FROM t") == [(2,)]


def test_copied_rows_are_stamped(prepared: Site) -> None:
    with prepared.application.cursor().copy("COPY t (id, v) FROM STDIN") as copy:
        copy.write("1\t1\n2\t2\n")
    assert stamp_of(prepared, 1).version.region == stamp_of(prepared, 2).version.region == HERE


def test_a_row_that_moves_to_another_partition_keeps_its_history(aurora: Site) -> None:
    aurora.write(
        "CREATE TABLE t (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)",
    )
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1)")
    was = stamp_of(aurora)
    aurora.write("UPDATE t SET at = 11")
    assert tombstone_of(aurora, '["1", "1"]').version > was.version
    assert stamp_of(aurora).version > was.version


def test_a_key_has_one_text_whatever_the_session_prefers(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id timestamptz PRIMARY KEY, n numeric)", "SET TimeZone = 'Asia/Tokyo'")
    aurora.install()
    aurora.write("SET DateStyle = 'SQL, DMY'", "INSERT INTO t VALUES ('2024-03-05 01:02:03.5+00')", "DELETE FROM t")
    assert aurora.ask("SELECT key FROM distributary.tombstones") == [('["2024-03-05 01:02:03.5+00"]',)]


def test_so_has_a_key_of_a_type_whose_schema_is_called_like_another(aurora: Site) -> None:
    aurora.write(
        "CREATE SCHEMA textual", "CREATE TYPE textual.day AS (d date)", "CREATE TABLE t (id textual.day PRIMARY KEY)"
    )
    aurora.install()
    aurora.write("SET DateStyle = 'SQL, DMY'", "INSERT INTO t VALUES (ROW('2024-03-05'))", "DELETE FROM t")
    assert aurora.ask("SELECT key FROM distributary.tombstones") == [('["(2024-03-05)"]',)]


def test_equal_numbers_are_one_key(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id numeric PRIMARY KEY)")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1.50)", "DELETE FROM t", "INSERT INTO t VALUES (1.5)", "DELETE FROM t")
    assert aurora.ask("SELECT key FROM distributary.tombstones") == [('["1.5"]',)]


def test_what_our_own_write_sets_off_is_a_local_write(aurora: Site) -> None:
    # given: a row with a child that goes with it
    aurora.write(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES t ON DELETE CASCADE)",
    )
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1)", "INSERT INTO child VALUES (5, 1)")
    # when: the parent is deleted as apply does
    as_applied(aurora, "DELETE FROM t")
    # then: only the child's deletion is this region's
    assert aurora.ask("SELECT relation, key FROM distributary.tombstones") == [('"public"."child"', '["5"]')]


def test_users_without_any_right_on_our_schema_are_stamped_too(prepared: Site) -> None:
    prepared.write("CREATE ROLE clerk LOGIN", "GRANT clerk TO CURRENT_USER", "GRANT ALL ON t TO clerk")
    try:
        prepared.write("SET ROLE clerk", "INSERT INTO t VALUES (1, 1)", "UPDATE t SET v = 2", "UPDATE t SET id = 3")
        prepared.write("DELETE FROM t", "RESET ROLE")
        assert len(prepared.ask("SELECT key FROM distributary.tombstones")) == 2
    finally:
        prepared.write("RESET ROLE", "REVOKE ALL ON t FROM clerk", "DROP ROLE clerk")


def test_instants_of_other_writers_are_kept_to_the_letter(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    odd = Version(now() - 5, (1 << 134) + 0xABC, THERE)
    as_applied(prepared, f"UPDATE t SET replication_stamp = '{applied(odd)}'")
    prepared.write("UPDATE t SET v = 3")
    assert stamp_of(prepared).context.of(THERE) == Instant(odd.timestamp, odd.sequence)


def test_a_type_of_the_writers_own_is_no_way_to_the_rights_of_the_owner(prepared: Site) -> None:
    """What is temporary is found before all else, unless the function says otherwise."""
    prepared.write("CREATE ROLE clerk LOGIN", "GRANT clerk TO CURRENT_USER", "GRANT ALL ON t TO clerk")
    try:
        prepared.write(
            "SET ROLE clerk",
            """CREATE FUNCTION pg_temp.run(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'run as %', current_user; END $$""",
            "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.run(VALUE))",
            "INSERT INTO t VALUES (1, 1)",
            "UPDATE t SET v = 2",
            "UPDATE t SET id = 3",
            "DELETE FROM t",
        )
        prepared.write("RESET ROLE")
        assert len(prepared.ask("SELECT key FROM distributary.tombstones")) == 2
    finally:
        prepared.write("RESET ROLE", "DROP OWNED BY clerk", "DROP ROLE clerk")


def test_who_has_no_right_on_a_table_cannot_bury_its_rows(prepared: Site) -> None:
    """A trigger's function runs by the rights of the owner, for whatever table it is a trigger of."""
    ((bury,),) = prepared.ask(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'distributary' AND p.proname LIKE 'bury %'"
    )
    prepared.write("INSERT INTO t VALUES (1, 1)", "CREATE ROLE clerk LOGIN", "GRANT clerk TO CURRENT_USER")
    try:
        prepared.write("SET ROLE clerk", "CREATE TEMP TABLE mine (id int, replication_stamp text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema distributary"):
            prepared.write(f"CREATE TRIGGER x BEFORE DELETE ON mine FOR EACH ROW EXECUTE FUNCTION {bury}")
    finally:
        prepared.write("RESET ROLE", "DROP OWNED BY clerk", "DROP ROLE clerk")


def test_another_who_owns_a_partitioned_table_makes_partitions_of_it(prepared: Site) -> None:
    """Their triggers are made by his rights, which are none on our schema."""
    prepared.write(
        "CREATE ROLE clerk LOGIN",
        "GRANT clerk TO CURRENT_USER",
        "GRANT CREATE ON SCHEMA public TO clerk",
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "ALTER TABLE p OWNER TO clerk",
    )
    prepared.install()
    try:
        prepared.write("SET ROLE clerk", "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
        prepared.write("INSERT INTO p VALUES (1)", "DELETE FROM p", "RESET ROLE")
        assert prepared.ask("SELECT relation FROM distributary.tombstones") == [('"public"."p"',)]
    finally:
        prepared.write("RESET ROLE", "DROP OWNED BY clerk", "DROP ROLE clerk")
