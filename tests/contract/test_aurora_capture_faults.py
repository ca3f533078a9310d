"""Capture when calls end early, connections break and others touch the slot: it repeats, and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from distributary.adapters.aurora import install
from distributary.adapters.aurora.change_log import KEPT
from distributary.adapters.aurora.positions import parse_lsn
from distributary.domain.errors import InvalidSettings, NotInstalled, SlotLost, Unavailable
from distributary.domain.facts import LogReport
from distributary.domain.message import unpack
from distributary.services.capture_log import RESERVE
from tests.contract.aurora_sites import PLENTY, Site, held

PEER = "eu-west-1"


@pytest.fixture
def prepared(aurora: Site) -> Site:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)")
    aurora.install()
    return aurora


def arrived(site: Site) -> list[int]:
    """The keys that were shipped to one peer, in order, repeated ones too."""
    bodies = [held.body for held in site.queues[PEER].messages.values()]
    return [int(change.key["id"]["S"]) for body in bodies for change in unpack(body, site.dataset)]


def short_call(site: Site, portions: int) -> LogReport:
    """A call whose time is over after so many portions."""
    service, report = site.capturing(), LogReport()
    left = iter([PLENTY] * (portions - 1))
    held(service.log)  # the session before may be about to end
    service._read(lambda: next(left, RESERVE - 1), report, set())
    service.log.release()
    site.close_sessions()
    return report


def checkpoint(site: Site) -> tuple[str, str, str]:
    """Ours, the slot's, and the place within a transaction."""
    ((ours, slots, within),) = site.ask(
        "SELECT c.lsn::text, s.confirmed_flush_lsn::text, c.within FROM distributary.checkpoint c"
        " JOIN pg_replication_slots s ON s.slot_name = c.slot"
    )
    return ours, slots, within


# --- transactions that outlast a call


def test_a_transaction_that_outlasts_calls_is_gone_on_with(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (0, 0)")
    prepared.write("INSERT INTO t SELECT g, g FROM generate_series(1, 9000) g")
    calls = 0
    while len(set(arrived(prepared))) < 9001:
        short_call(prepared, 2)
        calls += 1
        assert calls < 6
    ours, slots, within = checkpoint(prepared)
    assert (ours, within) == (slots, "")
    assert sorted(set(arrived(prepared))) == list(range(9001))
    assert len(arrived(prepared)) < 9001 + 100 * calls


def test_the_place_holds_across_subtransactions_and_for_copied_rows(prepared: Site) -> None:
    with prepared.application.transaction():
        with prepared.application.cursor() as cursor, cursor.copy("COPY t (id, v) FROM STDIN") as copy:
            for number in range(3_000):
                copy.write_row((number, 0))
        prepared.write("SAVEPOINT a", "INSERT INTO t SELECT g, 0 FROM generate_series(3000, 5999) g", "RELEASE a")
        prepared.write("SAVEPOINT b", "INSERT INTO t SELECT g, 0 FROM generate_series(9000, 9999) g", "ROLLBACK TO b")
        prepared.write("INSERT INTO t SELECT g, 0 FROM generate_series(6000, 6999) g")
    for _ in range(6):
        short_call(prepared, 1)
    assert sorted(set(arrived(prepared))) == list(range(7_000))


def test_the_place_is_of_that_transaction_alone(prepared: Site) -> None:
    # given: another transaction that wrote before the place, and is committed behind it
    with psycopg.connect(prepared.address) as slower:
        slower.execute("INSERT INTO t VALUES (-1, 0)")
        prepared.write("INSERT INTO t SELECT g, 0 FROM generate_series(1, 5000) g")
        short_call(prepared, 1)
        slower.commit()
    prepared.capture()
    assert set(arrived(prepared)) == {-1, *range(1, 5001)}


# --- readings that are left, connections that break


def test_a_reading_that_failed_can_be_begun_again_on_the_same_connection(prepared: Site) -> None:
    prepared.write("INSERT INTO t SELECT g, 0 FROM generate_series(1, 5000) g")
    service, report = prepared.capturing(), LogReport()
    service.log.hold()
    failing = Unavailable("no queue answers")
    sent = service.handover.inboxes.send
    service.handover.inboxes.send = _raising(failing)  # type: ignore[method-assign]
    service.handover.outbox.hold = _raising(failing)  # type: ignore[method-assign]
    with pytest.raises(Unavailable) as caught:
        service._read(lambda: PLENTY, report, set())
    service.handover.inboxes.send = sent  # type: ignore[method-assign]
    assert service._read(lambda: PLENTY, report, set())
    assert caught.value is failing  # which holds on to the frames of the reading that failed
    assert len(set(arrived(prepared))) == 5000


def test_a_connection_that_breaks_within_a_reading_is_no_loss(prepared: Site) -> None:
    prepared.write("INSERT INTO t SELECT g, 0 FROM generate_series(1, 9000) g")
    log = prepared.log()
    log.hold()
    portions = log.read(10)
    next(portions)
    prepared.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(Unavailable):
        list(portions)
    prepared.close_sessions()
    prepared.capture()
    assert set(arrived(prepared)) == set(range(1, 9001))


def test_a_call_that_lost_the_log_to_another_cannot_set_it_back(prepared: Site) -> None:
    # given: two calls, of which the first has handed over and was then slow
    prepared.write("INSERT INTO t VALUES (1, 1)")
    slow = prepared.log()
    slow.hold()
    (portion,) = slow.read(10)
    prepared.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    prepared.write("INSERT INTO t VALUES (2, 2)")
    prepared.capture()
    before = checkpoint(prepared)
    # when: it goes on, on new connections
    for _ in range(2):
        try:
            slow.advance(portion.end)
        except Unavailable:
            continue
    # then
    assert checkpoint(prepared) == before
    assert prepared.capture().failure is None


def test_a_second_call_is_told_that_the_log_is_held(prepared: Site) -> None:
    first = prepared.log()
    first.hold()
    (report,) = prepared.capturing().run(lambda: PLENTY)
    assert (report.busy, report.failure) == (True, None)


# --- a log that tells nothing


def test_looking_at_an_idle_log_writes_nothing(prepared: Site) -> None:
    service = prepared.capturing()
    service.log.hold()
    service._read(lambda: PLENTY, LogReport(), set())
    ((before,),) = prepared.ask("SELECT pg_current_wal_insert_lsn()::text")
    for _ in range(200):
        assert not service._read(lambda: PLENTY, LogReport(), set())
        service.log.advance(None)
        service.log.hold()
    ((after,),) = prepared.ask("SELECT pg_current_wal_insert_lsn()::text")
    assert parse_lsn(after) - parse_lsn(before) < 2_000  # what the server notes by itself


def test_traffic_elsewhere_is_gone_past(prepared: Site) -> None:
    prepared.write("CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.t (v text)")
    service = prepared.capturing()
    service.log.hold()
    for _ in range(5):
        prepared.write("INSERT INTO elsewhere.t SELECT repeat('x', 500) FROM generate_series(1, 2000)")
        assert not service._read(lambda: PLENTY, LogReport(), set())
        service.log.advance(None)
    ((behind,),) = prepared.ask(
        "SELECT pg_current_wal_flush_lsn() - confirmed_flush_lsn FROM pg_replication_slots"
        " WHERE database = current_database()"
    )
    assert behind < 2 * KEPT


def test_an_open_transaction_is_not_gone_past(prepared: Site) -> None:
    with psycopg.connect(prepared.address) as open_one:
        open_one.execute("INSERT INTO t VALUES (1, 1)")
        prepared.write("CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.t (v text)")
        prepared.write("INSERT INTO elsewhere.t SELECT repeat('x', 500) FROM generate_series(1, 5000)")
        service = prepared.capturing()
        service.log.hold()
        assert not service._read(lambda: PLENTY, LogReport(), set())
        service.log.advance(None)
        service.log.release()
    prepared.capture()
    assert arrived(prepared) == [1]


def test_tombstones_are_purged_once_they_are_old(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1), (2, 2)", "DELETE FROM t")
    prepared.write("UPDATE distributary.tombstones SET deleted_at = now() - interval '46 days' WHERE key = '[\"1\"]'")
    prepared.capture()
    assert prepared.ask("SELECT key FROM distributary.tombstones") == [('["2"]',)]


# --- slots that are lost


def told(site: Site) -> LogReport:
    """What a call of capture tells, once the server knows that the call before has gone."""
    for _ in range(100):
        (report,) = site.capturing().run(lambda: PLENTY)
        site.close_sessions()
        if not report.busy:
            return report
        time.sleep(0.1)
    raise AssertionError("the call before holds the log for ever")


def test_a_slot_that_fell_behind_the_servers_patience_is_lost(prepared: Site, postgresql_address: str) -> None:
    prepared.write("INSERT INTO t VALUES (1, 1)")
    prepared.capture()
    with _keeping_little(postgresql_address) as server:
        for _ in range(4):
            prepared.write("INSERT INTO t VALUES (2, 2) ON CONFLICT (id) DO UPDATE SET v = t.v + 1")
            server.execute("SELECT pg_switch_wal()")
            server.execute("CHECKPOINT")
        for _ in range(2):
            assert isinstance(told(prepared).failure, SlotLost)
    # and it takes an operator's word to begin anew
    prepared.install(new_slot=True)
    prepared.write("INSERT INTO t VALUES (3, 3)")
    assert prepared.capture().failure is None
    assert set(arrived(prepared)) == {1, 2, 3}


def test_a_slot_that_was_consumed_is_made_anew_at_an_operators_word(prepared: Site) -> None:
    prepared.capture()
    prepared.write("INSERT INTO t VALUES (1, 1)")
    slot = install.slot_of(prepared.dataset.name)
    prepared.ask(f"SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())")
    (report,) = prepared.capturing().run(lambda: PLENTY)
    assert isinstance(report.failure, SlotLost)
    prepared.close_sessions()
    prepared.install(new_slot=True)
    prepared.write("INSERT INTO t VALUES (2, 2)")
    prepared.capture()
    assert set(arrived(prepared)) == {1, 2}


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_a_healthy_slot_that_is_made_anew_loses_nothing(prepared: Site, identity: str) -> None:
    prepared.write(f"ALTER TABLE t REPLICA IDENTITY {identity}")
    prepared.capture()
    prepared.write("INSERT INTO t VALUES (1, 1)")
    prepared.install(new_slot=True)
    report = prepared.capture()
    assert (arrived(prepared), report.alerts) == ([1], [])


def test_a_slot_of_another_database_is_none(prepared: Site, postgresql_address: str) -> None:
    slot = install.slot_of(prepared.dataset.name)
    prepared.ask(f"SELECT pg_drop_replication_slot('{slot}')")
    with psycopg.connect(postgresql_address, autocommit=True) as elsewhere:
        elsewhere.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
        try:
            with pytest.raises(NotInstalled):
                prepared.log().hold()
        finally:
            elsewhere.execute("SELECT pg_drop_replication_slot(%s)", (slot,))


@contextmanager
def _keeping_little(address: str) -> Iterator[psycopg.Connection]:
    """A server that keeps no more than 1 MB of log for slots."""
    with psycopg.connect(address, autocommit=True) as server:
        server.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        server.execute("SELECT pg_reload_conf()")
        try:
            yield server
        finally:
            server.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
            server.execute("SELECT pg_reload_conf()")


def _raising(error: Exception) -> Any:
    def refuse(*_: object) -> None:
        raise error

    return refuse


def test_the_database_of_another_region_is_not_read(prepared: Site) -> None:
    # given: a function of a region that connects to another one's database
    prepared.write("INSERT INTO t VALUES (1, 1)")
    home, prepared.region = prepared.region, PEER
    # when
    (refused,) = prepared.capturing().run(lambda: PLENTY)
    prepared.close_sessions()
    # then: the region's own function finds all there
    prepared.region = home
    prepared.capture()
    assert isinstance(refused.failure, InvalidSettings)
    assert arrived(prepared) == [1]
