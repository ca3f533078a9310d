"""What the log holds of tables that are not any more what they were: capture goes on, and says what it cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pytest

from distributary.adapters.aurora import catalog
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.session import Session
from distributary.adapters.memory.queues import MemoryInboxes
from distributary.domain.alert import AlertKind
from distributary.domain.message import unpack
from tests.contract.aurora_sites import Site, deleted_later

PEER = "eu-west-1"
OTHER_8 = ('"public"."other"', "8")


@pytest.fixture
def prepared(aurora: Site) -> Site:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)", "CREATE TABLE other (id int PRIMARY KEY)")
    aurora.install()
    return aurora


def shipped(site: Site) -> set[tuple[str, str]]:
    changes = [each for held in site.queues[PEER].messages.values() for each in unpack(held.body, site.dataset)]
    return {(each.table, "|".join(part["S"] for part in each.key.values())) for each in changes}


def arrive(site: Site, column: str, key: int) -> None:
    """A row that replication inserts."""
    with site.application.transaction():
        site.write("SELECT set_config('distributary.applying', 'on', true)")
        site.write(
            f"""INSERT INTO t ({column}, v, replication_stamp)
            SELECT {key}, 1, replace(replace(replication_stamp, ' a ', ' r '), 'us-east-1', 'eu-west-1') FROM other"""
        )


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE t RENAME COLUMN id TO number",),
        ("DROP TABLE t", "CREATE TABLE t (number int PRIMARY KEY, v int)"),
    ],
)
def test_rows_that_arrived_before_and_after_the_key_became_another(prepared: Site, statements: tuple[str, ...]) -> None:
    prepared.write("INSERT INTO other VALUES (1)")
    arrive(prepared, "id", 1)
    prepared.write(*statements)
    prepared.install()
    arrive(prepared, "number", 2)
    prepared.write("INSERT INTO other VALUES (8)")
    prepared.capture()
    assert OTHER_8 in shipped(prepared)


def test_a_row_that_arrived_before_the_key_was_renamed_where_the_log_does_not_tell_the_key(prepared: Site) -> None:
    prepared.write("ALTER TABLE t REPLICA IDENTITY FULL", "INSERT INTO other VALUES (1)")
    arrive(prepared, "id", 1)
    prepared.write("ALTER TABLE t RENAME COLUMN id TO number")
    prepared.install()
    prepared.write("INSERT INTO other VALUES (8)")
    prepared.capture()
    assert OTHER_8 in shipped(prepared)


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE k", "CREATE TABLE k (id int PRIMARY KEY, v int)"),
        ("DELETE FROM k", "ALTER TABLE k ALTER id TYPE int USING id::int"),
        ("UPDATE k SET id = '5'", "ALTER TABLE k ALTER id TYPE int USING id::int"),
    ],
)
def test_a_key_of_another_type_than_when_the_row_was_written(prepared: Site, statements: tuple[str, ...]) -> None:
    prepared.write("CREATE TABLE k (id text PRIMARY KEY, v int)")
    prepared.install()
    prepared.write("INSERT INTO k VALUES ('abc', 1)", "UPDATE k SET id = 'abd'", *statements)
    prepared.install()
    prepared.write("INSERT INTO other VALUES (8)")
    prepared.capture()
    assert OTHER_8 in shipped(prepared)


def test_a_partition_whose_triggers_are_off_is_told_and_mended(prepared: Site) -> None:
    prepared.write(
        "CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100)",
    )
    prepared.install()
    prepared.write("INSERT INTO p VALUES (1, 1)")
    assert prepared.capture().alerts == []
    prepared.write("ALTER TABLE p1 DISABLE TRIGGER USER", "UPDATE p SET v = 2")
    told = [(alert.kind, alert.subject) for alert in prepared.capture().alerts]
    assert told == [(AlertKind.TRIGGERS_OFF, '"public"."p"')]
    prepared.install()
    prepared.write("UPDATE p SET v = 3")
    assert prepared.capture().alerts == []
    assert prepared.ask("SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgname LIKE '~distributary%'") == [("A",)]


def test_deletions_of_a_table_that_is_gone_do_not_cost_a_look_at_the_catalogue_each(
    prepared: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    prepared.write("INSERT INTO t SELECT n FROM generate_series(1, 200) n")
    prepared.capture()
    looked: list[Sequence[str]] = []
    tables = catalog.tables

    def looking(session: Session, patterns: Sequence[str]) -> list[Table]:
        looked.append(patterns)
        return tables(session, patterns)

    monkeypatch.setattr(catalog, "tables", looking)

    # when
    prepared.write("DELETE FROM t", "DROP TABLE t", "INSERT INTO other VALUES (8)")
    prepared.capture()

    # then
    assert OTHER_8 in shipped(prepared)
    assert len(looked) < 10


def test_a_row_that_an_application_keeps_locked_does_not_hold_up_the_log(prepared: Site) -> None:
    # given: a row that was inserted beneath a newer deletion, and is locked
    prepared.write("INSERT INTO t VALUES (1, 1)")
    deleted_later(prepared)
    with psycopg.connect(prepared.address) as another:
        another.execute("SELECT FROM t FOR UPDATE")
        prepared.write("INSERT INTO other VALUES (8)")

        # when
        report = prepared.capture()

    # then: what is behind it has gone on, and the deletion waits in this region's own inbox
    assert report.failure is None
    assert OTHER_8 in shipped(prepared)
    MemoryInboxes(prepared.queues, lambda _: None).send(
        prepared.region, [each.body for each in prepared.held.messages.values()]
    )
    prepared.apply()
    assert prepared.ask("SELECT count(*) FROM t") == [(0,)]
