"""A stack in moto, as the operator's commands find it: its journal, its table, and the configuration of apply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from mypy_boto3_dynamodb import DynamoDBClient
from typer.testing import CliRunner, Result

from cli.main import app
from distributary.adapters.dynamodb.values import image_from_sdk
from distributary.domain.conflict import Conflict
from distributary.domain.image import Image
from distributary.domain.journal import Redaction
from tests.contract.journals import TableDesk
from tests.unit.conflicts import HERE

TABLE = "orders-table"
FILE = """
[datasets.orders]
engine = "dynamodb"
replicas = ["us-east-1", "eu-west-1"]
"""


@dataclass
class Stack:
    """A deployed stack: its journal, and the replicated table."""

    desk: TableDesk
    client: DynamoDBClient
    file: Path

    def run(self, *words: str, typed: str | None = None) -> Result:
        """Run a command of `distributary conflicts` for this replica."""
        told = ["conflicts", *words, "--dataset", "orders", "--region", HERE, "--replication", str(self.file)]
        return CliRunner().invoke(app, told, input=typed)

    def record(self, *made: Conflict) -> None:
        assert self.desk.journal.record(made) == 0

    def row(self) -> Image | None:
        """The row of the conflicts, as it is now."""
        found = self.client.get_item(TableName=TABLE, Key={"pk": {"S": "order-1"}}).get("Item")
        return image_from_sdk(found) if found else None


def made_stack(redaction: Redaction, folder: Path) -> Stack:
    """A new stack, while moto mocks."""
    client = boto3.client("dynamodb", region_name=HERE)
    desk = TableDesk(client, redaction)
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    secret = boto3.client("secretsmanager", region_name=HERE).create_secret(Name="s", SecretString="secret")
    told = {"JOURNAL_TABLE": desk.table, "TABLE_NAME": TABLE}
    told["JOURNAL_SECRET"] = secret["ARN"] if redaction.attributes else ""
    _deploy("distributary-orders-apply", told)
    file = folder / "replication.toml"
    file.write_text(FILE, encoding="utf-8")
    return Stack(desk, client, file)


def _deploy(name: str, told: dict[str, str]) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = boto3.client("iam").create_role(RoleName="apply", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    boto3.client("lambda", region_name=HERE).create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": b"nothing"},
        Environment={"Variables": told},
    )


def documents(result: Result) -> list[dict[str, Any]]:
    """What a command printed for programs."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]
