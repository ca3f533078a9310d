"""Writes and tables that are not as capture would like them: shipped whole, or parked and told; none stops it."""

from __future__ import annotations

import psycopg
import pytest

from distributary.adapters.aurora.change_log import BYTES
from distributary.domain.alert import AlertKind
from distributary.domain.facts import LogReport
from distributary.domain.message import unpack
from tests.contract.aurora_sites import Site, writes_of

PEER = "eu-west-1"
NOISE = "(SELECT string_agg(md5((g * {seed})::text), '') FROM generate_series(1, {count}) g)"
BIG = NOISE.format(seed=1, count=1000)
SIZE_OF_BIG = 32_000
"""Bytes, but for some hundred around it."""


@pytest.fixture
def prepared(aurora: Site) -> Site:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)", "CREATE TABLE other (id int PRIMARY KEY)")
    aurora.install()
    return aurora


def captured(site: Site) -> tuple[LogReport, dict[str, object]]:
    """What one call tells, and the image of each key that it shipped; earlier messages are gone."""
    site.queues[PEER].messages.clear()
    report = site.capture()
    assert report.failure is None
    changes = [each for held in site.queues[PEER].messages.values() for each in unpack(held.body, site.dataset)]
    return report, {"|".join(part["S"] for part in each.key.values()): each.image for each in changes}


def kinds(report: LogReport) -> list[AlertKind]:
    """Of the alerts about what was written, not about how tables are now."""
    now = {AlertKind.SCHEMA_CHANGED, AlertKind.TRIGGERS_OFF}
    return [alert.kind for alert in report.alerts if alert.kind not in now]


# --- kinds of writes


def test_copied_rows_are_shipped(prepared: Site) -> None:
    with prepared.application.cursor() as cursor, cursor.copy("COPY t (id, v) FROM STDIN") as copy:
        for number in range(3_000):
            copy.write_row((number, number))
    report, images = captured(prepared)
    assert (report.writes, len(images)) == (3_000, 3_000)


def test_merge_upsert_and_returning_writes_are_shipped_as_the_row_is(prepared: Site) -> None:
    prepared.write(
        "INSERT INTO t VALUES (1, 1)",
        "INSERT INTO t VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v",
        "MERGE INTO t USING (VALUES (1), (2)) s(id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = v * 2"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.id, 5)",
    )  # fmt: skip
    _, images = captured(prepared)
    assert {key: image["v"] for key, image in images.items()} == {"1": {"S": "20"}, "2": {"S": "5"}}  # type: ignore[index]


def test_a_cascade_that_an_apply_sets_off_is_a_local_write(aurora: Site) -> None:
    aurora.write("CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY, p int)")
    aurora.write("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p ON DELETE CASCADE")
    aurora.install()
    aurora.write("INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (7, 1)")
    aurora.capture()
    # when: replication deletes the parent
    with aurora.application.transaction():
        aurora.write("SELECT set_config('distributary.applying', 'on', true)", "DELETE FROM p")
    # then: the child's deletion is this region's own
    report, images = captured(aurora)
    assert (images, report.writes) == ({"7": None}, 1)


def test_what_a_loader_writes_in_the_role_of_a_replica_is_a_local_write(
    prepared: Site, postgresql_address: str
) -> None:
    database = prepared.application.info.dbname
    superuser = postgresql_address.replace("dbname=postgres", f"dbname={database}")
    with psycopg.connect(superuser, autocommit=True) as loader:
        loader.execute("SET session_replication_role = replica")
        loader.execute("INSERT INTO public.t VALUES (1, 1)")
    report, images = captured(prepared)
    assert set(images) == {"1"}
    assert kinds(report) == []


def test_an_update_with_triggers_off_is_told_by_the_table_and_install_turns_them_on(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)", "ALTER TABLE t DISABLE TRIGGER USER")
    assert AlertKind.TRIGGERS_OFF in [alert.kind for alert in prepared.capture().alerts]
    prepared.install()
    prepared.write("UPDATE t SET v = 2")
    report, images = captured(prepared)
    assert set(images) == {"1"}
    assert report.alerts == []


def test_an_update_with_triggers_off_is_parked_where_the_old_row_is_told(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int)", "ALTER TABLE t REPLICA IDENTITY FULL")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1)")
    aurora.capture()
    aurora.write("ALTER TABLE t DISABLE TRIGGER USER", "UPDATE t SET v = 2")
    report, images = captured(aurora)
    assert (kinds(report), images) == ([AlertKind.UNSTAMPED], {})
    assert '"v": "2"' in aurora.parking.parcels[0].payload


# --- large values


def test_with_replica_identity_full_a_large_value_comes_from_the_log(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)", "ALTER TABLE t REPLICA IDENTITY FULL")
    aurora.install()
    aurora.write(f"INSERT INTO t SELECT 1, 1, {BIG}")
    aurora.capture()
    aurora.write("UPDATE t SET v = 2")
    log = aurora.log()
    log.hold()
    (portion,) = log.read(10)
    assert [each.missing for each in writes_of(portion)] == [()]


def test_a_key_that_is_stored_out_of_line_is_read_from_the_old_row(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (k text PRIMARY KEY, v int)", "ALTER TABLE t ALTER k SET STORAGE EXTERNAL")
    aurora.install()
    key = NOISE.format(seed=1, count=80)
    aurora.write(f"INSERT INTO t SELECT {key}, 1")
    aurora.capture()
    aurora.write("UPDATE t SET v = 2")
    report, images = captured(aurora)
    assert (report.writes, report.overtaken, len(images)) == (1, 0, 1)
    # and so is the key of its tombstone, which is written a second time
    for statement in ("DELETE FROM t", f"INSERT INTO t SELECT {key}, 1"):
        aurora.write(statement)
        aurora.capture()
    aurora.write("DELETE FROM t")
    report, images = captured(aurora)
    assert (list(images.values()), kinds(report)) == ([None], [])


def test_a_row_larger_than_any_message_does_not_keep_the_others(prepared: Site) -> None:
    noise = NOISE.format(seed=3, count=60_000)
    prepared.write(f"INSERT INTO t SELECT 1, 1, {noise}", "INSERT INTO t VALUES (2, 2)")
    report, images = captured(prepared)
    assert images.keys() == {"2"}
    assert [parcel.reason for parcel in report.parked] == ["ItemTooLarge"]
    assert kinds(report) == [AlertKind.NOT_SHIPPED]


def test_a_portion_of_large_rows_has_few_of_them(prepared: Site) -> None:
    prepared.write(f"INSERT INTO t SELECT n, 1, {BIG} FROM generate_series(1, 1000) n")
    log = prepared.log()
    log.hold()
    sizes = [len(writes_of(portion)) for portion in log.read(10)]
    assert sum(sizes) == 1000
    # all but the last are full, and beyond that have what was taken at once
    assert all(BYTES // SIZE_OF_BIG <= size <= BYTES * 5 // 4 // SIZE_OF_BIG for size in sizes[:-1])


# --- tables that are not what they were


@pytest.mark.parametrize("statement", ["INSERT INTO t VALUES (1, 1)", "UPDATE t SET v = 2"])
def test_what_was_written_before_its_table_was_dropped_is_shipped(prepared: Site, statement: str) -> None:
    prepared.write("INSERT INTO t VALUES (5, 5)", statement, "DROP TABLE t", "INSERT INTO other VALUES (8)")
    _, images = captured(prepared)
    assert images.keys() >= {"5", "8"}


def test_a_deletion_whose_table_was_dropped_is_parked_and_told(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    prepared.capture()
    prepared.write("DELETE FROM t", "DROP TABLE t", "INSERT INTO other VALUES (8)")
    report, images = captured(prepared)
    assert (set(images), kinds(report)) == ({"8"}, [AlertKind.UNKNOWN_KEY])
    assert r"[\"1\"]" in report.parked[0].payload


@pytest.mark.parametrize("identity", ["FULL", "USING INDEX by_v"])
def test_a_dropped_table_whose_key_the_log_does_not_tell_has_its_rows_parked(aurora: Site, identity: str) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL)", "CREATE UNIQUE INDEX by_v ON t (v)")
    aurora.write(f"ALTER TABLE t REPLICA IDENTITY {identity}", "CREATE TABLE other (id int PRIMARY KEY)")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 7)", "DROP TABLE t", "INSERT INTO other VALUES (8)")
    report, images = captured(aurora)
    assert (set(images), kinds(report)) == ({"8"}, [AlertKind.UNKNOWN_KEY])
    assert '"v": "7"' in report.parked[0].payload


def test_a_large_value_whose_column_was_dropped_is_left_out(prepared: Site) -> None:
    prepared.write(f"INSERT INTO t SELECT 1, 1, {BIG}")
    prepared.capture()
    prepared.write("UPDATE t SET v = 2", "ALTER TABLE t DROP COLUMN big")
    _, images = captured(prepared)
    assert images == {"1": {"id": {"S": "1"}, "v": {"S": "2"}}}


def test_a_large_value_whose_table_was_dropped_has_its_row_parked(prepared: Site) -> None:
    prepared.write(f"INSERT INTO t SELECT 1, 1, {BIG}")
    prepared.capture()
    prepared.write("UPDATE t SET v = 2", "DROP TABLE t", "INSERT INTO other VALUES (8)")
    report, images = captured(prepared)
    assert (set(images), kinds(report)) == ({"8"}, [AlertKind.NOT_SHIPPED])
    assert len(report.parked) == 1


def test_a_row_is_keyed_as_its_table_was_when_it_was_written(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 70)")
    prepared.write("ALTER TABLE t DROP CONSTRAINT t_pkey", "ALTER TABLE t ADD PRIMARY KEY (v)")
    report, images = captured(prepared)
    assert images.keys() == {"1"}
    assert AlertKind.SCHEMA_CHANGED in [alert.kind for alert in report.alerts]


def test_a_renamed_table_is_told_and_does_not_stop_the_others(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)", "ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (2, 2)")
    prepared.write("INSERT INTO other VALUES (8)")
    report, images = captured(prepared)
    assert "8" in images
    assert AlertKind.SCHEMA_CHANGED in [alert.kind for alert in report.alerts]


def test_columns_that_come_and_go_within_one_transaction(prepared: Site) -> None:
    with prepared.application.transaction():
        prepared.write("INSERT INTO t VALUES (1, 1)", "ALTER TABLE t ADD COLUMN extra int DEFAULT 3")
        prepared.write("INSERT INTO t VALUES (2, 2)", "ALTER TABLE t DROP COLUMN v", "INSERT INTO t VALUES (3)")
    _, images = captured(prepared)
    assert [sorted(image) for image in images.values()] == [  # type: ignore[call-overload]
        ["big", "id", "v"], ["big", "extra", "id", "v"], ["big", "extra", "id"],
    ]  # fmt: skip


def test_a_row_that_a_child_keeps_is_parked_where_it_should_be_removed(aurora: Site) -> None:
    # given: a parent inserted under a newer deletion, with a child
    aurora.write("CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)")
    aurora.install()
    aurora.write("INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (7, 1)")
    ((stamp,),) = aurora.ask("SELECT replication_stamp FROM p")
    later = int(stamp[:16]) + 5_000_000
    deletion = f"{later}{stamp[16:51]}.{PEER} r - - {PEER}={later:x}.{int(stamp[17:51], 16):x}"
    aurora.write(f"""INSERT INTO distributary.tombstones VALUES ('"public"."p"', '["1"]', '{deletion}')""")
    # when
    report, images = captured(aurora)
    # then: capture goes on, and the change can be tried again
    assert images.keys() == {"1", "7"}
    assert [(parcel.reason, parcel.redrivable) for parcel in report.parked] == [("ParentMissing", True)]
