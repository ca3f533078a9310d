"""A slot that is lost while capture is behind: the new one is told of all that was not handed over."""

from __future__ import annotations

import time

import pytest

from distributary.adapters.aurora import install
from distributary.domain.message import unpack
from tests.contract.aurora_sites import Site, held, writes_of

PEER = "eu-west-1"


@pytest.fixture
def prepared(aurora: Site) -> Site:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int, big text)", "CREATE TABLE other (id int PRIMARY KEY)")
    aurora.install()
    return aurora


def arrived(site: Site) -> set[str]:
    changes = [each for held in site.queues[PEER].messages.values() for each in unpack(held.body, site.dataset)]
    return {each.key["id"]["S"] for each in changes}


@pytest.mark.parametrize("reads_on", [False, True])
def test_a_backlog_that_is_lost_with_its_slot_is_told_by_the_new_one(
    prepared: Site, monkeypatch: pytest.MonkeyPatch, reads_on: bool
) -> None:
    monkeypatch.setattr(install, "LONGEST_TRANSACTION", 1)  # an hour, as a second
    prepared.write("INSERT INTO t VALUES (9, 9)")
    prepared.capture()
    # given: rows that are written while the function stands still for longer than that
    prepared.write("INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (2, 2)")
    time.sleep(2.5)
    if reads_on:  # when: it comes back, hands over the first transaction of the backlog,
        log = prepared.log()
        held(log)
        (portion,) = log.read(1)
        assert [each.change.key["id"]["S"] for each in writes_of(portion)] == ["1"]
        log.advance(portion.end, portion.within)
        log.release()
        prepared.close_sessions()
    # and the slot is lost
    prepared.ask(f"SELECT pg_drop_replication_slot('{install.slot_of(prepared.dataset.name)}')")
    prepared.queues[PEER].messages.clear()
    # then: what the runbook says to do tells of what was not handed over
    prepared.install(new_slot=True)
    prepared.capture()
    assert "2" in arrived(prepared)


def test_a_slot_that_is_lost_before_it_was_read_at_all(prepared: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "LONGEST_TRANSACTION", 1)
    prepared.write("INSERT INTO t VALUES (2, 2)")
    time.sleep(2.5)
    held(prepared.log())  # the first call, which ends before it reads
    prepared.close_sessions()
    prepared.ask(f"SELECT pg_drop_replication_slot('{install.slot_of(prepared.dataset.name)}')")
    prepared.install(new_slot=True)
    prepared.capture()
    assert "2" in arrived(prepared)


def test_a_slot_that_is_lost_before_the_first_call(prepared: Site) -> None:
    prepared.write("INSERT INTO t VALUES (2, 2)")
    prepared.ask(f"SELECT pg_drop_replication_slot('{install.slot_of(prepared.dataset.name)}')")
    prepared.install(new_slot=True)
    prepared.capture()
    assert "2" in arrived(prepared)
