"""What a slot tells becomes changes: every kind of write, once its transaction is committed, and nothing else."""

from __future__ import annotations

from itertools import count

import pytest

from distributary.adapters.aurora import install
from distributary.adapters.aurora.change_log import PostgresChangeLog
from distributary.domain.alert import AlertKind
from distributary.domain.change import Change
from distributary.domain.errors import NotInstalled, SlotLost, Unavailable
from distributary.domain.message import unpack
from tests.contract.aurora_sites import PLENTY, Site, deleted_later, held, now, writes_of

PEER = "eu-west-1"


def changes(site: Site) -> list[Change]:
    """What capture ships to one peer, oldest message first."""
    site.capture()
    inbox = site.queues[PEER]
    return [change for message in inbox.messages.values() for change in unpack(message.body, site.dataset)]


def images(site: Site) -> dict[str, object]:
    """The shipped image of each key."""
    return {str([value["S"] for value in change.key.values()]): change.image for change in changes(site)}


@pytest.fixture
def prepared(aurora: Site) -> Site:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)")
    aurora.install()
    return aurora


def test_of_several_states_of_a_row_the_last_is_shipped(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)", "UPDATE t SET v = 2", "UPDATE t SET v = 3")
    (change,) = changes(prepared)
    assert change.image == {"id": {"S": "1"}, "v": {"S": "3"}, "big": {"NULL": True}}
    assert change.home == change.version.region == "us-east-1"


def test_a_deletion_is_told_by_its_tombstone(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)", "DELETE FROM t")
    change = max(changes(prepared), key=lambda each: each.version)
    assert (change.table, change.key, change.image) == ('"public"."t"', {"id": {"S": "1"}}, None)


def test_a_changed_key_is_a_deletion_and_an_insert(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)", "UPDATE t SET id = 2")
    assert images(prepared) == {
        "['1']": None,
        "['2']": {"id": {"S": "2"}, "v": {"S": "1"}, "big": {"NULL": True}},
    }


def test_a_large_value_that_an_update_leaves_alone_is_read_from_the_row(prepared: Site) -> None:
    prepared.write("INSERT INTO t SELECT 1, 1, string_agg(md5(g::text), '') FROM generate_series(1, 1000) g")
    prepared.capture()
    prepared.queues[PEER].messages.clear()
    prepared.write("UPDATE t SET v = 2")
    (change,) = changes(prepared)
    ((big,),) = prepared.ask("SELECT big FROM t")
    assert change.image is not None
    assert change.image["big"] == {"S": big}


def test_an_update_without_its_large_value_is_not_shipped_once_the_row_is_newer(prepared: Site) -> None:
    # given: two updates in one transaction, read in two portions, so that the first is looked up after the second
    prepared.write("INSERT INTO t SELECT 1, 1, string_agg(md5(g::text), '') FROM generate_series(1, 1000) g")
    prepared.capture()
    prepared.write("UPDATE t SET v = 2")
    log = prepared.log()
    log.hold()
    (portion,) = log.read(10)
    # when: the row is written again before the first is completed
    prepared.write("UPDATE t SET v = 3")
    # then: a mixture of the two is not made
    assert [each.missing for each in portion.writes] == [("big",)]
    assert log.complete(portion.writes) == []


@pytest.mark.parametrize("identity", ["FULL", "DEFAULT", "USING INDEX other"])
def test_the_key_is_the_primary_key_whatever_the_replica_identity(aurora: Site, identity: str) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL)", "CREATE UNIQUE INDEX other ON t (v)")
    aurora.write(f"ALTER TABLE t REPLICA IDENTITY {identity}")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1)", "UPDATE t SET v = 2", "UPDATE t SET id = 3")
    assert images(aurora) == {"['1']": None, "['3']": {"id": {"S": "3"}, "v": {"S": "2"}}}


def test_partitions_are_shipped_as_their_root(aurora: Site) -> None:
    aurora.write(
        "CREATE TABLE t (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)",
    )
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1)", "UPDATE t SET at = 11")
    told = {(change.table, change.key["at"]["S"]): change.image is not None for change in changes(aurora)}
    assert told == {('"public"."t"', "1"): False, ('"public"."t"', "11"): True}


def test_what_is_rolled_back_is_not_told(prepared: Site) -> None:
    with prepared.application.transaction():
        prepared.write("INSERT INTO t VALUES (1, 1)", "SAVEPOINT s", "INSERT INTO t VALUES (2, 2)", "ROLLBACK TO s")
    with prepared.application.transaction(force_rollback=True):
        prepared.write("INSERT INTO t VALUES (3, 3)")
    assert list(images(prepared)) == ["['1']"]


def test_our_own_writes_are_echoes(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    prepared.capture()
    with prepared.application.transaction():
        prepared.write("SELECT set_config('distributary.applying', 'on', true)")
        prepared.write("UPDATE t SET v = 2, replication_stamp = replace(replication_stamp, ' a ', ' r ')")
    report = prepared.capture()
    assert (report.writes, report.echoes) == (0, 1)


def test_columns_are_told_as_they_were_when_the_row_was_written(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)", "ALTER TABLE t ADD COLUMN extra text", "ALTER TABLE t DROP COLUMN v")
    prepared.write("INSERT INTO t (id, extra) VALUES (2, 'x')")
    shipped = images(prepared)
    assert shipped["['1']"] == {"id": {"S": "1"}, "v": {"S": "1"}, "big": {"NULL": True}}
    assert shipped["['2']"] == {"id": {"S": "2"}, "big": {"NULL": True}, "extra": {"S": "x"}}


def test_altered_tables_are_told_until_they_are_taken_in_again(prepared: Site) -> None:
    prepared.write("ALTER TABLE t ADD COLUMN extra text")
    (alert,) = prepared.capture().alerts
    assert (alert.kind, alert.subject) == (AlertKind.SCHEMA_CHANGED, '"public"."t"')
    prepared.install()
    assert prepared.capture().alerts == []


def test_truncation_is_told_and_announced_and_nothing_is_shipped(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    prepared.capture()
    prepared.queues[PEER].messages.clear()
    prepared.write("TRUNCATE t")
    report = prepared.capture()
    assert [(alert.kind, alert.subject) for alert in report.alerts] == [(AlertKind.TRUNCATED, '"public"."t"')]
    assert prepared.announced.alerts == report.alerts
    assert not prepared.queues[PEER].messages


def test_a_row_without_a_stamp_is_parked_and_told(prepared: Site) -> None:
    prepared.write("ALTER TABLE t DISABLE TRIGGER USER", "INSERT INTO t VALUES (1, 7)")
    report = prepared.capture()
    assert [alert.kind for alert in report.alerts] == [AlertKind.TRIGGERS_OFF, AlertKind.UNSTAMPED]
    (parcel,) = prepared.parking.parcels
    assert '"v": "7"' in parcel.payload


def test_a_transaction_larger_than_memory_is_read_in_portions(prepared: Site) -> None:
    prepared.write("INSERT INTO t SELECT g, g FROM generate_series(1, 20000) g")
    log = prepared.log()
    log.hold()
    sizes = [(len(writes_of(portion)), portion.end is not None) for portion in log.read(10)]
    assert sum(size for size, _ in sizes) == 20_000
    assert max(size for size, _ in sizes) <= 2_000
    assert [ended for _, ended in sizes] == [False] * (len(sizes) - 1) + [True]


def test_what_was_not_confirmed_is_read_again(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    log = prepared.log()
    log.hold()
    (first,) = log.read(10)
    (again,) = log.read(10)
    assert [each.change.version for each in writes_of(again)] == [each.change.version for each in writes_of(first)]
    log.advance(first.end)
    assert list(log.read(10)) == []


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a millisecond whenever somebody looks at it."""
    monkeypatch.setattr("tests.contract.aurora_sites.now", count(now(), 1_000).__next__)


def looks_in_vain(log: PostgresChangeLog, limit: int) -> int:
    looks = 0
    while not list(log.read(limit)):
        looks += 1
    return looks


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize(("rests", "least", "most"), [(0, 0, 0), (4, 4, 30), (1_000_000, 99, 101)])
def test_who_has_read_all_there_was_lets_the_server_rest(prepared: Site, rests: int, least: int, most: int) -> None:
    # given: a log that was read to its end
    prepared.write("INSERT INTO t VALUES (1, 1)")
    log = prepared.log(rests)
    log.hold()
    (first,) = log.read(10)
    prepared.write("INSERT INTO t VALUES (2, 2)")
    # when
    log.advance(first.end)
    # then: it is read again after some times what the answer took, and a tenth of a second at most
    assert least <= looks_in_vain(log, 10) <= most


@pytest.mark.usefixtures("ticking")
def test_who_has_not_read_all_there_is_goes_on_at_once(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (2, 2)")
    log = prepared.log(rests=4)
    log.hold()
    (first,) = log.read(1)
    log.advance(first.end)
    assert looks_in_vain(log, 1) == 0


def test_a_log_is_held_by_one(prepared: Site) -> None:
    first, second = prepared.log(), prepared.log()
    assert first.hold() is not None
    assert second.hold() is None
    first.release()
    held(second)


def test_an_idle_slot_keeps_no_log(prepared: Site) -> None:
    # given: traffic in a table that is not replicated
    prepared.write("CREATE SCHEMA other", "CREATE TABLE other.o (id int)")
    prepared.capture()
    before = prepared.capture().retained
    prepared.write("INSERT INTO other.o SELECT g FROM generate_series(1, 20000) g")
    # when: nothing was read for a while
    log = prepared.log()
    log.hold()
    assert list(log.read(10)) == []
    log.advance(None)
    ((confirmed, end),) = prepared.ask(
        "SELECT confirmed_flush_lsn - '0/0', pg_current_wal_flush_lsn() - '0/0' FROM pg_replication_slots"
        " WHERE database = current_database()"
    )
    # then: it does not wait for what was written elsewhere
    assert end - confirmed < 20_000 + before


def test_a_slot_that_is_gone_stops_capture_loudly(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    prepared.capture()
    prepared.ask(f"SELECT pg_drop_replication_slot('{install.slot_of(prepared.dataset.name)}')")
    (report,) = prepared.capturing().run(lambda: PLENTY)
    assert isinstance(report.failure, SlotLost)
    assert [alert.kind for alert in prepared.announced.alerts] == [AlertKind.SLOT_LOST]


def test_a_slot_that_somebody_else_has_consumed_stops_capture_loudly(prepared: Site) -> None:
    prepared.capture()
    prepared.write("INSERT INTO t VALUES (1, 1)")
    slot = install.slot_of(prepared.dataset.name)
    prepared.ask(
        f"SELECT count(*) FROM pg_logical_slot_get_binary_changes('{slot}', NULL, NULL,"
        f" 'proto_version', '1', 'publication_names', '{slot}')"
    )
    with pytest.raises(SlotLost, match="somebody else"):
        prepared.log().hold()


def test_a_slot_that_has_moved_back_repeats_and_does_not_stop(prepared: Site) -> None:
    prepared.capture()
    prepared.write("INSERT INTO t VALUES (1, 1)")
    log = prepared.log()
    log.hold()
    (portion,) = log.read(10)
    # given: the checkpoint is ahead of the slot, as after a crash of the server
    prepared.write("UPDATE distributary.checkpoint SET lsn = pg_current_wal_lsn()")
    assert log.hold() is not None
    (again,) = log.read(10)
    assert len(writes_of(again)) == len(writes_of(portion)) == 1


def test_a_database_that_was_not_prepared_is_told(aurora: Site) -> None:
    with pytest.raises(NotInstalled):
        aurora.log().hold()


def test_a_connection_that_broke_is_made_anew(prepared: Site) -> None:
    log = prepared.log()
    log.hold()
    prepared.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(2):  # one after the other, each of its two connections is found broken
        with pytest.raises(Unavailable):
            log.hold()
    prepared.write("INSERT INTO t VALUES (1, 1)")
    assert log.hold() is not None
    assert [len(writes_of(portion)) for portion in log.read(10)] == [1]


def test_an_insert_that_a_newer_deletion_could_not_see_is_removed(prepared: Site) -> None:
    # given: an insert, and while it was not committed, a deletion from elsewhere with a later clock
    prepared.write("INSERT INTO t VALUES (1, 1)")
    deleted_later(prepared)
    # when: the insert is captured
    (change,) = changes(prepared)
    # then: it travels, and the row goes here as it goes everywhere
    assert change.image is not None
    assert prepared.ask("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_a_row_that_replication_has_inserted_under_a_newer_deletion_is_removed(prepared: Site, identity: str) -> None:
    # given: a row that was inserted by a function that ended before it looked at the tombstone
    prepared.write(f"ALTER TABLE t REPLICA IDENTITY {identity}", "INSERT INTO t VALUES (2, 2)")
    with prepared.application.transaction():
        prepared.write("SELECT set_config('distributary.applying', 'on', true)")
        prepared.write(
            """INSERT INTO t (id, v, replication_stamp)
            SELECT 1, 1, replace(replace(replication_stamp, ' a ', ' r '), 'us-east-1', 'eu-west-1') FROM t"""
        )
    deleted_later(prepared)
    # when: the log tells of it
    (change,) = changes(prepared)
    # then: it does not travel, and goes
    assert change.key == {"id": {"S": "2"}}
    assert prepared.ask("SELECT id FROM t") == [(2,)]
