"""The command `distributary local`: what it prints, and that it neither starts twice nor leaves anything behind."""

from __future__ import annotations

import json
import time
from pathlib import Path

import boto3

from local.world import World
from tests.end_to_end.conftest import REPLICATION, distributary


def test_env_is_all_that_an_aws_client_needs(world: World, state: Path) -> None:
    # given: a world that is up
    printed = json.loads(distributary(state, "local", "env").stdout)

    # when: a client of the application's is made from what `env` prints
    region = printed["regions"]["eu-west-1"]
    table = boto3.client(
        "dynamodb",
        region_name="eu-west-1",
        endpoint_url=printed["endpoint"],
        aws_access_key_id=printed["credentials"]["access_key_id"],
        aws_secret_access_key=printed["credentials"]["secret_access_key"],
    )

    # then: it reaches the table
    described = table.describe_table(TableName=region["tables"]["orders"])
    assert described["Table"]["KeySchema"][0]["AttributeName"] == "pk"
    assert region["aurora"] == {}
    assert set(printed["regions"]) == set(world.tables)


def test_a_second_up_keeps_what_runs(world: World, state: Path) -> None:
    began = time.monotonic()
    again = distributary(state, "local", "up", "--replication", str(REPLICATION))
    assert again.returncode == 0
    assert json.loads((state / "world.json").read_text())["pid"] == world.pid
    assert time.monotonic() - began < 15


def test_without_a_world_env_says_how_to_start_one(tmp_path: Path) -> None:
    answer = distributary(tmp_path / "none", "local", "env")
    assert answer.returncode == 1
    assert "make up" in answer.stderr
    assert answer.stdout == ""
