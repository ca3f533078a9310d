"""A stack can attach to tables that were there before it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.clients import client
from local.convergence import wait_for_convergence
from local.deployment import SAM
from local.world import PROJECT, World
from tests.end_to_end.rows import HOME, PATIENCE, PEER, until

DATASET, STACK, TABLE = "ledger", "distributary-ledger", "Ledger.2019"
LEDGER = f"""
[datasets.{DATASET}]
engine = "dynamodb"
replicas = ["{HOME}", "{PEER}"]

[datasets.{DATASET}.key]
partition = "entry"
"""


@pytest.fixture
def template(state: Path, tmp_path: Path) -> Path:
    """What `up` has built, for one dataset more."""
    shutil.copytree(state / "build", tmp_path / "build")
    (replication,) = (tmp_path / "build").glob("**/replication.toml")
    replication.write_text(replication.read_text(encoding="utf-8") + LEDGER, encoding="utf-8")
    return tmp_path / "build" / "template.yaml"


def existing_table(world: World, region: str) -> str:
    """Create the table as somebody did long ago; the ARN of its stream."""
    described = client(world, "dynamodb", region).create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "entry", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "entry", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return str(described["TableDescription"]["LatestStreamArn"])


def deploy(world: World, template: Path, region: str, stream: str) -> None:
    """Run `sam deploy` as a user would who has tables already."""
    settings = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    shared: list[str] = settings["local"]["deploy"]["parameters"]["parameter_overrides"]
    command = [
        *(str(SAM), "deploy", "--config-env", "local", "--config-file", str(PROJECT / "samconfig.toml")),
        *("--template-file", str(template), "--stack-name", STACK, "--region", region, "--resolve-s3"),
        *("--no-progressbar", "--parameter-overrides", *shared),
        *(f"Dataset={DATASET}", f"TableName={TABLE}", f"TableStreamArn={stream}", "PartitionKeyName=entry"),
    ]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SAM_"))},
        "AWS_ENDPOINT_URL": world.endpoint,
        "AWS_ACCESS_KEY_ID": world.access_key_id,
        "AWS_SECRET_ACCESS_KEY": world.secret_access_key,
        "AWS_DEFAULT_REGION": region,
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(template.parent.parent / f"sam-{region}"),
    }
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr


def resources(world: World, region: str) -> dict[str, str]:
    """The stack's resources, each with its type."""
    told = client(world, "cloudformation", region).describe_stack_resources(StackName=STACK)["StackResources"]
    return {each["LogicalResourceId"]: each["ResourceType"] for each in told}


def test_existing_tables_are_replicated_by_stacks_that_attach_to_them(world: World, template: Path) -> None:
    # given: two tables that were made by somebody else, one of them with a row in its stream already
    streams = {region: existing_table(world, region) for region in (HOME, PEER)}

    def write(region: str, entry: str) -> None:
        client(world, "dynamodb", region).put_item(TableName=TABLE, Item={"entry": {"S": entry}, "at": {"S": region}})

    def has_all(region: str) -> bool:
        rows: list[dict[str, Any]] = client(world, "dynamodb", region).scan(TableName=TABLE)["Items"]
        return {row["entry"]["S"] for row in rows} == {"before", "after", "elsewhere"}

    write(HOME, "before")

    # when: a stack attaches to each
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda region: deploy(world, template, region, streams[region]), streams))
    write(HOME, "after")
    write(PEER, "elsewhere")

    # then: what the streams still held and all that follows is replicated, and the tables are not the stacks' own
    for region in streams:
        until("all rows are there", partial(has_all, region))
        own = [name for name, kind in resources(world, region).items() if kind == "AWS::DynamoDB::Table"]
        assert own == ["Journal", "Tombstones"]
    attached = replace(world, tables={region: {DATASET: TABLE} for region in streams})
    assert wait_for_convergence(attached, DATASET, seconds=PATIENCE).differences == {}
