"""The command `distributary local`: what it prints, and that it neither starts twice nor leaves anything behind."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import asdict, replace
from fcntl import LOCK_EX, flock
from importlib.util import cache_from_source
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest

from local.world import World
from tests.end_to_end.conftest import LIMIT, REPLICATION, alive, command, distributary, family, guarded
from tests.end_to_end.rows import until


def test_env_is_all_that_an_aws_client_needs(world: World, state: Path) -> None:
    # given: a world that is up
    printed = json.loads(distributary(state, "local", "env").stdout)
    assert set(printed) == {"endpoint", "credentials", "regions"}
    assert printed["regions"]["us-east-1"]["tables"] == {"orders": "orders", "stock": "stock"}
    with psycopg.connect(printed["regions"]["us-east-1"]["aurora"]["shop"]) as connection:
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)

    # when: an application makes its client from what `env` prints
    table = boto3.resource(
        "dynamodb",
        region_name="eu-west-1",
        endpoint_url=printed["endpoint"],
        aws_access_key_id=printed["credentials"]["access_key_id"],
        aws_secret_access_key=printed["credentials"]["secret_access_key"],
    ).Table(printed["regions"]["eu-west-1"]["tables"]["orders"])
    table.put_item(Item={"pk": "from-env", "note": "hello"})

    # then: it reaches the table, and only where that region is
    assert table.get_item(Key={"pk": "from-env"}, ConsistentRead=True)["Item"]["note"] == "hello"
    assert set(printed["regions"]) == set(world.tables) == {"us-east-1", "eu-west-1", "ap-southeast-2"}
    assert table.key_schema == [{"AttributeName": "pk", "KeyType": "HASH"}]


def test_what_was_deployed_is_compiled_whole(world: World, state: Path) -> None:
    assert world.complete
    site = state / "build" / "CodeLayer" / "python"
    modules = list(site.rglob("*.py"))
    assert site / "distributary" / "wiring.py" in modules
    assert [module for module in modules if not Path(cache_from_source(str(module))).exists()] == []


def test_a_second_up_keeps_what_runs(world: World, state: Path) -> None:
    again = distributary(state, "local", "up", "--replication", str(REPLICATION))
    assert (again.returncode, again.stderr) == (0, "The local world is already running.\n")
    assert json.loads((state / "world.json").read_text()) == asdict(world)
    assert psutil.Process(world.pid).is_running()


def test_status_shows_each_table_and_succeeds_while_the_world_is_up(world: World, state: Path) -> None:
    shown = distributary(state, "local", "status")
    assert shown.returncode == 0
    assert world.endpoint in shown.stdout
    assert all(region in shown.stdout for region in world.tables)


def test_an_interrupted_up_leaves_nothing_behind(world: World, state: Path, tmp_path: Path) -> None:
    # given: another world, built already, on its way up with the emulator started and a deployment at work
    assert world.complete
    shutil.copytree(state / "build", tmp_path / "build")
    shutil.copy(state / "build.sha256", tmp_path)
    with guarded(tmp_path):
        up = command(tmp_path, "local", "up", "--replication", str(REPLICATION))
        until("a deployment has begun", lambda: any(tmp_path.glob("deploy-*.log")))
        record = json.loads((tmp_path / "world.json").read_text())
        roots = [up.pid, record["pid"], *(pid for pid, *_ in record["servers"])]
        started = [process for pid in roots for process in family(pid)]

        # when: the user interrupts it
        up.send_signal(signal.SIGINT)
        _, errors = up.communicate(timeout=LIMIT)

        # then: it says so, and neither processes nor a record stay
        assert up.returncode == 130
        assert "everything that was started has been stopped" in errors
        assert len(roots) == 5
        assert alive(started) == []
        assert not (tmp_path / "world.json").exists()


@pytest.mark.parametrize("asked", ["env", "status"])
def test_without_a_world_the_user_is_told_how_to_start_one(tmp_path: Path, asked: str) -> None:
    answer = distributary(tmp_path / "none", "local", asked)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "make up" in answer.stderr


def test_a_record_of_a_world_that_has_crashed_is_not_believed(world: World, tmp_path: Path) -> None:
    # given: a record whose process id belongs to somebody else by now
    crashed = replace(world, started=world.started - 3600, servers=[])
    (tmp_path / "world.json").write_text(json.dumps(asdict(crashed)))
    # then: it does not count as running, and stopping it stops nobody
    assert distributary(tmp_path, "local", "status").returncode == 1
    assert distributary(tmp_path, "local", "down").returncode == 0
    assert psutil.Process(world.pid).is_running()


def test_down_without_a_world_is_no_error(tmp_path: Path) -> None:
    answer = distributary(tmp_path, "local", "down")
    assert (answer.returncode, answer.stderr) == (0, "The local world was not running.\n")


def test_a_mistake_in_the_replication_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    mistaken = tmp_path / "replication.toml"
    mistaken.write_text('[datasets.orders]\nengine = "dynamodb"\nreplicas = ["us-east-1"]\n')
    answer = distributary(tmp_path, "local", "up", "--replication", str(mistaken))
    assert answer.returncode == 1
    assert f"{mistaken}: datasets.orders.replicas: names fewer than two regions" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "emulator.log").exists()


@pytest.mark.parametrize("asked", ["up", "down", "demo"])
def test_two_commands_do_not_start_or_stop_one_world_at_once(tmp_path: Path, asked: str) -> None:
    with (tmp_path / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        answer = distributary(tmp_path, "local", asked)
    assert answer.returncode == 1
    assert "Wait for it to end" in answer.stderr
