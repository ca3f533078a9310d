"""The commands `distributary conflicts list | show` over a stack in moto: what an operator sees, and a program."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import boto3
import pytest
from rich.console import Console

from cli import conflicts as commands
from distributary import settings
from distributary.domain.conflict import Resolution
from distributary.domain.dataset import Engine, Replication
from distributary.domain.journal import HASHED, Redaction
from tests.cli.stacks import TABLE, Stack, documents
from tests.unit.conflicts import ARRIVING, HERE, HOUR, NOW, conflict, dataset, id_of

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


def test_a_row_with_a_redacted_key_is_found_by_its_key(
    new_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    redaction = Redaction(frozenset({"pk"}), b"secret")
    stack = new_stack(redaction)
    monkeypatch.setattr(settings, "load", lambda _: Replication((dataset(redaction),)))
    stack.record(conflict(table=TABLE), conflict("order-2", table=TABLE))
    (told,) = documents(stack.run("list", "--json", "--key", '{"pk": "order-1"}'))
    assert told["id"] == id_of(conflict(table=TABLE), redaction)
    assert told["key"]["pk"]["S"].startswith(HASHED)


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


@pytest.mark.parametrize(
    "key", ['{"pk": 5}', '{"id": "order-1"}', '{"pk": "order-1", "sk": "1"}', '{"pk": {"S": {"a": 1}}}', '{"pk": null}']
)
def test_a_key_that_no_row_can_have_is_refused(stack: Stack, key: str) -> None:
    stack.record(conflict())
    result = stack.run("list", "--key", key)
    assert result.exit_code == 1
    assert "InvalidSettings: --key" in result.stderr


@pytest.mark.parametrize("key", ['{"id": {"N": "5"}}', '{"id": {"S": 5}}', '{"id": {}}'])
def test_a_key_of_an_sql_database_is_of_texts(stack: Stack, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    shop = replace(dataset(), engine=Engine.AURORA)
    monkeypatch.setattr(settings, "load", lambda _: Replication((shop,)))
    result = stack.run("list", "--table", "public.t", "--key", key)
    assert result.exit_code == 1
    assert "InvalidSettings: --key: id: is no text" in result.stderr


def test_a_narrow_terminal_cuts_no_value_off(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "console", Console(highlight=False, width=60))
    made = conflict()
    url = "https://example.org/a/long/path/without/blanks?region="
    sides = [
        replace(side, image={**(side.image or {}), "url": {"S": url + name}})
        for side, name in ((made.arriving, "AAA"), (made.present, "BBB"))
    ]
    made = replace(made, arriving=sides[0], present=sides[1])
    stack.record(made)
    told = stack.run("show", id_of(made)).output
    assert [each in told for each in ("AAA", "BBB", "…")] == [True, True, False]
