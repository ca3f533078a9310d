"""The command `distributary conflicts restore` over a stack in moto: what is written back, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from distributary.adapters.dynamodb.values import item_for_sdk
from distributary.domain.conflict import Conflict, Resolution
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


def partly(**lost: str) -> Conflict:
    """A conflict of which the row shows both states but for attributes of the present one."""
    made = conflict(resolution=Resolution.PARTLY)
    return replace(made, present=replace(made.present, lost=frozenset(lost.values())))


def test_attributes_that_the_row_does_not_show_are_written_into_it(stack: Stack) -> None:
    # given: a row that has been written since
    made = partly(one="total", other="lines")
    stack.record(made)
    stack.client.put_item(TableName=TABLE, Item=stored({**ARRIVING, "count": {"N": "9"}}))

    # when
    listed = stack.run("list", "--lost-only")
    shown = stack.run("show", id_of(made))
    result = stack.run("restore", id_of(made), "--yes")

    # then: it has them, as they were, and all else of now
    assert "partly" in listed.output
    assert "one of the two values of lines, total" in shown.output
    assert result.exit_code == 0, result.output
    row = stack.row()
    assert row is not None
    assert (row["total"], row["count"], "lines" in row) == (PRESENT["total"], {"N": "9"}, False)


def test_attributes_are_not_written_into_a_row_that_is_gone(stack: Stack) -> None:
    made = partly(one="total")
    stack.record(made)
    result = stack.run("restore", id_of(made), "--yes")
    assert result.exit_code == 1
    assert "NothingFound" in result.stderr
    assert stack.row() is None


def test_of_lost_attributes_hashes_are_not_written_either(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(Redaction(frozenset({"card"}), b"secret"))
    made = partly(one="card")
    stack.record(made)
    assert "of card only hashes" in stack.run("restore", id_of(made), "--yes").stderr
    other = partly(one="total")
    stack.record(other)
    stack.client.put_item(TableName=TABLE, Item=stored(ARRIVING))
    assert stack.run("restore", id_of(other), "--yes").exit_code == 0
