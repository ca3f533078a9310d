"""The command `distributary conflicts restore` over a stack in moto: what is written back, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from distributary.adapters.dynamodb.values import item_for_sdk
from distributary.domain.conflict import Resolution
from distributary.domain.image import Image
from distributary.domain.journal import Redaction
from tests.cli.stacks import TABLE, Stack
from tests.unit.conflicts import ARRIVING, PRESENT, conflict, id_of


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
