"""The commands `distributary conflicts …` over a stack in moto: what an operator sees, and what is written back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient
from rich.console import Console
from typer.testing import CliRunner, Result

from cli import conflicts as commands
from cli.main import app
from distributary import wiring
from distributary.adapters.dynamodb.values import image_from_sdk, item_for_sdk
from distributary.domain.conflict import Conflict, Resolution
from distributary.domain.image import Image
from distributary.domain.journal import HASHED, REDACTS_NOTHING, Redaction
from tests.contract.conflicts import ARRIVING, HERE, HOUR, NOW, PRESENT, TableDesk, conflict, id_of

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


@pytest.fixture
def new_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes the stack, of a dataset that redacts or does not."""
    monkeypatch.setattr(commands, "console", Console(highlight=False, width=200))
    monkeypatch.setattr(wiring, "clock", lambda: NOW + HOUR)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    wiring._session.cache_clear()

    def stack(redaction: Redaction = REDACTS_NOTHING) -> Stack:
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
        file = tmp_path / "replication.toml"
        file.write_text(FILE, encoding="utf-8")
        return Stack(desk, client, file)

    with mock_aws():
        yield stack


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


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    return new_stack()


def documents(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


# --- list


def test_nothing_is_told_as_nothing(stack: Stack) -> None:
    assert stack.run("list").output.strip() == commands.NOTHING


def test_a_list_tells_when_what_and_how_it_ended(stack: Stack) -> None:
    stack.record(conflict(), conflict("order-2", resolution=Resolution.MERGED, at=NOW + 1))
    result = stack.run("list")
    assert result.exit_code == 0
    _, first, second = (line.split() for line in result.output.splitlines())
    assert first[3:] == ["pk=order-2", "eu-west-1", "us-east-1", "none"]
    assert second[2:] == [id_of(conflict()), "pk=order-1", "eu-west-1", "us-east-1", "present"]


def test_programs_get_one_document_a_line(stack: Stack) -> None:
    stack.record(conflict())
    (told,) = documents(stack.run("list", "--json"))
    assert (told["id"], told["key"], told["lost"]) == (id_of(conflict()), {"pk": {"S": "order-1"}}, True)
    assert told["arriving"]["region"] == "eu-west-1"
    assert "image" not in told["arriving"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["b", "a", "order-1"]),
        (["--limit", "2"], ["b", "a"]),
        (["--lost-only"], ["b", "order-1"]),
        (["--key", '{"pk": "a"}'], ["a"]),
        (["--key", '{"pk": {"S": "a"}}', "--lost-only"], []),
        (["--table", "carts"], ["b"]),
        (["--since", "60m"], ["b", "a", "order-1"]),
        (["--since", "3599s"], ["b", "a"]),
        (["--until", "3590s"], ["a", "order-1"]),
        (["--since", "2027-01-01"], []),
    ],
    ids=" ".join,
)
def test_what_is_listed_can_be_chosen(stack: Stack, options: list[str], expected: list[str]) -> None:
    second = 1_000_000
    stack.record(
        conflict(table=TABLE),
        conflict("a", table=TABLE, at=NOW + second, resolution=Resolution.MERGED),
        conflict("b", table="carts", at=NOW + 11 * second),
    )
    assert [told["key"]["pk"]["S"] for told in documents(stack.run("list", "--json", *options))] == expected


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is no time"),
        (["--key", "{"], "--key: is not JSON"),
        (["--key", "3"], "--key: is no object"),
        (["--follow", "--until", "1h"], "--until: has no meaning with --follow"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_named(stack: Stack, options: list[str], told: str) -> None:
    result = stack.run("list", *options)
    assert result.exit_code == 1
    assert told in result.stderr


def test_a_stack_that_is_not_there_is_named(stack: Stack) -> None:
    boto3.client("lambda", region_name=HERE).delete_function(FunctionName="distributary-orders-apply")
    result = stack.run("list")
    assert result.exit_code == 1
    assert "distributary-orders-apply" in result.stderr


def test_followed_conflicts_come_once_each_until_ctrl_c(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.record(conflict(), conflict("order-2", at=NOW + 1))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt
        stack.record(conflict(f"late-{len(pauses)}", at=NOW + HOUR))

    monkeypatch.setattr("time.sleep", pause)
    result = stack.run("list", "--follow", "--json")
    keys = [told["key"]["pk"]["S"] for told in documents(result)]
    assert keys == ["order-1", "order-2", "late-1", "late-2"]


def test_in_a_narrow_terminal_nothing_is_cut_off(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "console", Console(highlight=False, width=40))
    stack.record(conflict("order-" + "9" * 40))
    output = stack.run("list").output
    assert "order-" + "9" * 40 in output
    assert id_of(conflict("order-" + "9" * 40)) in output


# --- show


def test_both_states_are_shown_side_by_side(stack: Stack) -> None:
    stack.record(conflict())
    output = stack.run("show", id_of(conflict())).output
    assert "✓ stays" in output
    assert "✗ lost" in output
    (line,) = [line for line in output.splitlines() if "total" in line]
    assert line.index("12.5") < line.index(" 7 ")


def test_a_deletion_and_a_redacted_value_are_said_to_be_so(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(Redaction(frozenset({"card"}), b"secret"))
    stack.record(conflict(present=replace(conflict().present, image=None)))
    output = stack.run("show", id_of(conflict())).output
    assert "deletion in us-east-1" in output
    assert HASHED in output
    assert "4929" not in output


def test_a_conflict_can_be_shown_as_json(stack: Stack) -> None:
    stack.record(conflict())
    (told,) = documents(stack.run("show", id_of(conflict()), "--json"))
    assert told["arriving"]["image"] == json.loads(json.dumps(ARRIVING))


def test_an_id_that_is_not_there_is_named(stack: Stack) -> None:
    result = stack.run("show", "nothing")
    assert result.exit_code == 1
    assert "no conflict 'nothing'" in result.stderr


# --- restore


def stored(image: Image) -> dict[str, Any]:
    return item_for_sdk({**image, "replication_stamp": {"S": "stamp"}})


def test_the_lost_state_is_written_as_an_application_would(stack: Stack) -> None:
    stack.record(conflict())
    stack.client.put_item(TableName=TABLE, Item=stored(ARRIVING))
    result = stack.run("restore", id_of(conflict()), "--yes")
    assert result.exit_code == 0, result.output
    assert stack.row() == PRESENT


def test_a_lost_deletion_deletes_again(stack: Stack) -> None:
    stack.record(conflict(present=replace(conflict().present, image=None)))
    stack.client.put_item(TableName=TABLE, Item=stored(ARRIVING))
    assert stack.run("restore", id_of(conflict()), "--yes").exit_code == 0
    assert stack.row() is None


def test_nothing_is_written_before_it_is_confirmed(stack: Stack) -> None:
    stack.record(conflict())
    refused = stack.run("restore", id_of(conflict()), typed="n\n")
    assert refused.exit_code == 1
    assert "✗ lost" in refused.output
    assert stack.row() is None
    assert stack.run("restore", id_of(conflict()), typed="y\n").exit_code == 0
    assert stack.row() == PRESENT


def test_the_table_can_be_named(stack: Stack) -> None:
    stack.record(conflict())
    result = stack.run("restore", id_of(conflict()), "--yes", "--table-name", "elsewhere")
    assert result.exit_code == 1
    assert "MissingResource" in result.stderr


def test_what_shows_both_states_has_lost_nothing(stack: Stack) -> None:
    stack.record(conflict(resolution=Resolution.MERGED))
    result = stack.run("restore", id_of(conflict()), "--yes")
    assert result.exit_code == 1
    assert "nothing was lost" in result.stderr


def test_hashes_are_not_written_into_a_row(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(Redaction(frozenset({"card"}), b"secret"))
    stack.record(conflict())
    result = stack.run("restore", id_of(conflict()), "--yes")
    assert result.exit_code == 1
    assert "of card only hashes are kept" in result.stderr
    assert stack.row() is None


def test_a_digest_is_no_row(stack: Stack) -> None:
    large = {"pk": {"S": "order-1"}, "blob": {"S": "x" * 500_000}}
    stack.record(conflict(present=replace(conflict().present, image=large)))
    result = stack.run("restore", id_of(conflict()), "--yes")
    assert result.exit_code == 1
    assert "digest only" in result.stderr
