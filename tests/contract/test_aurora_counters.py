"""TPC-B in three regions at once with counters for the balances: no transaction is lost anywhere, and sums agree."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from random import Random

import psycopg
import pytest

from distributary.domain.merge import Effect
from distributary.domain.policies import AttributePolicy, AttributeRule
from tests.contract.aurora_sites import Site, Sites

ACCOUNTS, TELLERS = 12, 3
TRANSACTIONS = 150
"""Of each region."""

BALANCES = {"accounts": "abalance", "tellers": "tbalance", "branches": "bbalance"}
TABLES = (*BALANCES, "history")
SCHEMA = (
    "CREATE TABLE branches (bid int PRIMARY KEY, bbalance int NOT NULL, filler text)",
    "CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance bigint NOT NULL, filler text)",
    "CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance numeric(12,2) NOT NULL, filler text)",
    "CREATE TABLE history (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tid int, aid int, delta int)",
    "INSERT INTO branches VALUES (1, 0, 'b')",
    f"INSERT INTO tellers SELECT n, 1, 0, 't' FROM generate_series(1, {TELLERS}) n",
    f"INSERT INTO accounts SELECT n, 1, 0, 'a' FROM generate_series(1, {ACCOUNTS}) n",
)
SAME = """SELECT count(*), sum(hashtextextended((to_jsonb(t) - 'replication_state' - 'replication_stamp')::text, 0))
    FROM {} t"""
pytestmark = pytest.mark.xdist_group("postgresql_regions")


def work(site: Site, seed: int, failures: list[BaseException]) -> None:
    """Transactions of one client."""
    random = Random(seed)
    try:
        with psycopg.connect(site.address, autocommit=True) as client:
            for _ in range(TRANSACTIONS):
                account, teller = random.randint(1, ACCOUNTS), random.randint(1, TELLERS)
                delta = random.randint(-5000, 5000)
                time.sleep(random.random() / 50)
                with client.transaction():
                    client.execute("UPDATE accounts SET abalance = abalance + %s WHERE aid = %s", (delta, account))
                    client.execute("UPDATE tellers SET tbalance = tbalance + %s WHERE tid = %s", (delta, teller))
                    client.execute("UPDATE branches SET bbalance = bbalance + %s WHERE bid = 1", (delta,))
                    row = (teller, account, delta)
                    client.execute("INSERT INTO history (tid, aid, delta) VALUES (%s, %s, %s)", row)
    except BaseException as error:
        failures.append(error)
        raise


def test_no_transaction_is_lost_and_the_sums_agree(regions: Sites) -> None:
    # given: the same accounts in three regions, all balances at zero
    rules = {f"public.{table}.{name}": AttributeRule(AttributePolicy.COUNTER) for table, name in BALANCES.items()}
    for each in regions:
        each.dataset = replace(regions.all[0].dataset, attributes=rules)
    regions.write(*SCHEMA)
    regions.install()
    # when: all regions write at once, and messages come in any order, some of them twice
    random, failures = Random(7), list[BaseException]()
    clients = [threading.Thread(target=work, args=(each, seed, failures)) for seed, each in enumerate(regions)]
    for client in clients:
        client.start()
    merged: Counter[Effect] = Counter()
    while any(client.is_alive() for client in clients):
        for each in random.sample(regions.all, 3):
            each.capture()
            report = each.apply(
                lambda names: random.sample(names, random.randint(0, len(names))), again=lambda: random.random() < 0.3
            )
            merged += report.effects
    regions.settle()
    # then
    assert not failures
    assert merged[Effect.REPLACED] > merged[Effect.KEPT] / 10
    for table in TABLES:
        regions.same(SAME.format(table))
    ((count, total),) = regions.same("SELECT count(*), sum(delta) FROM history")
    assert count == 3 * TRANSACTIONS
    for table, balance in BALANCES.items():
        assert regions.same(f"SELECT sum({balance}) FROM {table}") == [(total,)]
    for teller in range(1, TELLERS + 1):
        ((wanted,),) = regions.same(f"SELECT sum(delta) FROM history WHERE tid = {teller}")
        assert regions.same(f"SELECT tbalance FROM tellers WHERE tid = {teller}") == [(wanted,)]
