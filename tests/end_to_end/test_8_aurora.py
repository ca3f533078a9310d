"""Aurora in three deployed regions: SQL clients, tables that come later, a poison row, lost connections, TRUNCATE."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.clients import client
from local.convergence import LOST, messages, wait_for_convergence
from local.cutoff import cut_off
from local.world import PROJECT, World
from tests.end_to_end.conftest import REPLICATION, distributary
from tests.end_to_end.rows import HOME, LONELY, PATIENCE, PEER, until

DATASET = "shop"


@pytest.fixture(scope="module")
def clients(world: World) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """What an application has: a connection to the database of each region."""
    made = {region: psycopg.connect(each[DATASET], autocommit=True) for region, each in world.aurora.items()}
    yield made
    for connection in made.values():
        connection.close()


@pytest.fixture(scope="module")
def shop(clients: dict[str, psycopg.Connection[Any]], state: Path) -> dict[str, psycopg.Connection[Any]]:
    """Tables that were created after the world came up, taken in as a user would."""
    for connection in clients.values():
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY, item text, amount numeric)")
        connection.execute(
            "CREATE TABLE levels (sku int PRIMARY KEY, units int NOT NULL, tags text[] NOT NULL, "
            "state text NOT NULL DEFAULT 'new')"
        )
    done = distributary(state, "aurora", "install", "--replication", str(REPLICATION))
    assert done.returncode == 0, done.stderr
    made = [f'shop in {region}: table "public"."{table}"' for region in clients for table in ("levels", "orders")]
    assert done.stdout.splitlines() == made
    return clients


def value(connection: psycopg.Connection[Any], key: int) -> Any:
    """A row's item, or none."""
    row = connection.execute("SELECT item FROM orders WHERE id = %s", (key,)).fetchone()
    return row[0] if row else None


def wait_for(connection: psycopg.Connection[Any], items: dict[int, str | None]) -> None:
    """Poll until a region shows the rows as they are to be."""
    until(f"{items} have arrived", lambda: {key: value(connection, key) for key in items} == items)


def test_a_second_install_has_nothing_to_do_and_the_doctor_finds_nothing(
    shop: dict[str, psycopg.Connection[Any]], state: Path
) -> None:
    again = distributary(state, "aurora", "install", "--replication", str(REPLICATION))
    assert again.stdout.splitlines() == [f"shop in {region}: nothing to do" for region in shop]
    found = distributary(state, "aurora", "doctor", "--replication", str(REPLICATION))
    assert (found.returncode, found.stdout) == (0, "Nothing was found that needs attention.\n")


def test_writes_deletions_and_new_keys_arrive_everywhere(shop: dict[str, psycopg.Connection[Any]]) -> None:
    shop[HOME].execute("INSERT INTO orders VALUES (1, 'one', 1.50), (2, 'two', NULL), (3, 'three', 3)")
    for region in (PEER, LONELY):
        wait_for(shop[region], {3: "three"})
    shop[PEER].execute("UPDATE orders SET item = 'uno' WHERE id = 1")
    shop[LONELY].execute("DELETE FROM orders WHERE id = 2")
    shop[HOME].execute("UPDATE orders SET id = 4 WHERE id = 3")
    for connection in shop.values():
        wait_for(connection, {1: "uno", 2: None, 3: None, 4: "three"})


def test_regions_that_write_the_same_rows_at_once_end_alike(
    world: World, shop: dict[str, psycopg.Connection[Any]]
) -> None:
    def write(region: str, seed: int) -> None:
        rng = random.Random(seed)
        for turn in range(150):
            key, item = 100 + rng.randrange(15), f"{region} {turn}"
            sql, parameters = rng.choice(
                [
                    (
                        "INSERT INTO orders VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET item = excluded.item",
                        (key, item),
                    ),
                    ("UPDATE orders SET item = %s WHERE id = %s", (item, key)),
                    ("DELETE FROM orders WHERE id = %s", (key,)),
                ]
            )
            shop[region].execute(sql, parameters)

    # given: all regions write, one of them cut off
    with cut_off(world, DATASET, LONELY):
        writers = [threading.Thread(target=write, args=each) for each in zip(shop, range(3), strict=True)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    # then
    assert wait_for_convergence(world, DATASET, seconds=PATIENCE).differences == {}
    assert messages(world, DATASET, LOST) == 0


def has_units(connection: psycopg.Connection[Any], units: int) -> bool:
    """Whether a region shows that many."""
    return connection.execute("SELECT units FROM levels WHERE sku = 1").fetchone() == (units,)


def has_state(connection: psycopg.Connection[Any], state: str) -> bool:
    """Whether the second row is so far in a region."""
    return connection.execute("SELECT state FROM levels WHERE sku = 2").fetchone() == (state,)


def test_what_all_regions_add_at_once_adds_up_although_one_is_cut_off(
    world: World, shop: dict[str, psycopg.Connection[Any]]
) -> None:
    # given: a row in all regions
    shop[HOME].execute("INSERT INTO levels VALUES (1, 100, '{}')")
    for connection in shop.values():
        until("the row arrives", partial(has_units, connection, 100))

    def add(region: str) -> None:
        for turn in range(50):
            change = "UPDATE levels SET units = units + 1, tags = array_append(tags, %s) WHERE sku = 1"
            shop[region].execute(change, (f"{region} {turn}",))

    # when: unmodified clients add to it in all regions at once, one of them cut off
    with cut_off(world, DATASET, LONELY):
        writers = [threading.Thread(target=add, args=[region]) for region in shop]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    # then: all that was added is there, in all regions
    assert wait_for_convergence(world, DATASET, seconds=PATIENCE).differences == {}
    for connection in shop.values():
        assert connection.execute("SELECT units, cardinality(tags) FROM levels WHERE sku = 1").fetchone() == (250, 150)


def test_a_function_of_ones_own_decides_between_what_regions_wrote_at_once(
    world: World, shop: dict[str, psycopg.Connection[Any]]
) -> None:
    # given: a row in all regions
    shop[HOME].execute("INSERT INTO levels VALUES (2, 0, '{}')")
    for connection in shop.values():
        until("the row arrives", partial(has_state, connection, "new"))

    # when: it is shipped, and later paid in another region, which does not know that
    with cut_off(world, DATASET, LONELY):
        shop[LONELY].execute("UPDATE levels SET state = 'shipped' WHERE sku = 2")
        shop[HOME].execute("UPDATE levels SET state = 'paid' WHERE sku = 2")
        until("what was written last arrives", partial(has_state, shop[PEER], "paid"))

    # then: the function's answer stands everywhere, not what was written last
    for connection in shop.values():
        until("the function has decided", partial(has_state, connection, "shipped"))
    assert wait_for_convergence(world, DATASET, seconds=PATIENCE).differences == {}


def test_a_row_that_a_region_refuses_is_parked_and_redriven(
    world: World, shop: dict[str, psycopg.Connection[Any]]
) -> None:
    # given: a region with a rule of its own
    shop[PEER].execute("ALTER TABLE orders ADD CONSTRAINT cheap CHECK (amount < 1000)")
    # when: rows arrive, one of which breaks it
    shop[HOME].execute(
        "INSERT INTO orders SELECT g, 'bulk', CASE g WHEN 250 THEN 5000 ELSE 1 END FROM generate_series(200, 299) g"
    )
    count = "SELECT count(*) FROM orders WHERE item = 'bulk'"
    until("99 arrive", lambda: shop[PEER].execute(count).fetchone() == (99,))
    until("one is parked", lambda: messages(world, DATASET, ("parked",)) == 1)
    # then: it can be redriven once the rule is gone
    shop[PEER].execute("ALTER TABLE orders DROP CONSTRAINT cheap")
    keys = {"AWS_ACCESS_KEY_ID": world.access_key_id, "AWS_SECRET_ACCESS_KEY": world.secret_access_key}
    command = [sys.executable, "-m", "cli", "parked", "redrive", "--dataset", DATASET, "--region", PEER]
    environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": world.endpoint}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "1 RejectedByDatabase: sent again\n"
    until("all are there", lambda: shop[PEER].execute(count).fetchone() == (100,))


def test_connections_that_break_cost_nothing(shop: dict[str, psycopg.Connection[Any]]) -> None:
    # given: a server that ends all sessions of the functions, as in a failover
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop' AND pid <> pg_backend_pid()"
    for connection in shop.values():
        connection.execute(end)
    # when
    shop[HOME].execute("INSERT INTO orders VALUES (500, 'after')")
    # then
    for connection in shop.values():
        wait_for(connection, {500: "after"})


def test_truncation_is_announced_and_not_guessed(world: World, shop: dict[str, psycopg.Connection[Any]]) -> None:
    # given: automation that hears of alerts
    queue = client(world, "sqs", HOME).create_queue(QueueName="alerts")["QueueUrl"]
    events = client(world, "events", HOME)
    events.put_rule(Name="alerts", EventPattern=json.dumps({"source": ["distributary"]}))
    arn = f"arn:aws:sqs:{HOME}:{world.account}:alerts"
    events.put_targets(Rule="alerts", Targets=[{"Id": "queue", "Arn": arn}])
    # when
    before = shop[PEER].execute("SELECT count(*) FROM orders").fetchone()
    shop[HOME].execute("TRUNCATE orders")
    # then
    (message,) = until(
        "it is announced", lambda: client(world, "sqs", HOME).receive_message(QueueUrl=queue).get("Messages")
    )
    event = json.loads(message["Body"])
    assert event["detail-type"] == "Replication Alert"
    assert event["detail"]["kind"] == "truncated"
    assert event["detail"]["subject"] == '"public"."orders"'
    assert shop[PEER].execute("SELECT count(*) FROM orders").fetchone() == before
