"""`distributary policy check` finds what is no policy and shows why; `policy show` tells what decides."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.policy_check import ALL_LAWS, ANSWERS, KINDS, check
from distributary.policy_functions import guarded
from distributary.settings import load
from local.world import PROJECT

EXAMPLES = 30
serial = count()

FUNCTIONS = {
    "first": ("return a", {"commutative"}),
    "last_letters": ("return max(a, b, key=lambda v: canonical_text(v)[-2:])", {"commutative"}),
    "concatenated": (
        "return a + b if type(a) is type(b) is str else max(a, b, key=canonical_text)",
        {"commutative", "idempotent", "made of its inputs"},
    ),
    "mean": (
        "return (a + b) / 2 if type(a) is type(b) is Decimal else max(a, b, key=canonical_text)",
        {"associative", "made of its inputs"},
    ),
    "invented": ('return "x" if canonical_text(a) != canonical_text(b) else a', {"made of its inputs"}),
    "by_repr": ("return max(a, b, key=repr)", {"the same however values are written"}),
    "appending": (
        "if type(a) is type(b) is list:\n        a.append(0)\n    return max(a, b, key=canonical_text)",
        {"leaves its inputs alone"},
    ),
    "texts_only": ("return max(a, b) if type(a) is type(b) is str else int('x')", {ANSWERS.name}),
}
JOINS = {
    "larger": "return max(a, b, key=canonical_text)",
    "largest_of_each_name": (
        "if not type(a) is type(b) is dict:\n"
        "        return max(a, b, key=lambda v: (type(v) is dict, canonical_text(v)))\n"
        "    return {n: max((m[n] for m in (a, b) if n in m), key=canonical_text) for n in {**a, **b}}"
    ),
}


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def written(folder: Path, body: str) -> str:
    """The name of a function with that body, in a module of its own."""
    name = f"judged{next(serial)}"
    imports = "from decimal import Decimal\nimport time\nfrom distributary.domain.plain import canonical_text\n"
    (folder / f"{name}.py").write_text(f"{imports}\ndef judged(a, b):\n    {body}\n", encoding="utf-8")
    return f"{name}:judged"


def broken_by(folder: Path, body: str) -> set[str]:
    name = written(folder, body)
    sys.path.insert(0, str(folder))
    return {law for law, breach in check(guarded(name, "here"), EXAMPLES).items() if breach is not None}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_policy_breaks_its_laws(folder: Path, name: str) -> None:
    body, laws = FUNCTIONS[name]
    assert laws <= broken_by(folder, body)


@pytest.mark.parametrize("name", JOINS)
def test_a_policy_breaks_none(folder: Path, name: str) -> None:
    assert broken_by(folder, JOINS[name]) == set()


def test_the_example_of_the_layer_is_a_policy(runner: CliRunner) -> None:
    done = runner.invoke(app, ["policy", "check", "example_policies:furthest_state", "--examples", str(EXAMPLES)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"{law.name}: held for {EXAMPLES} examples of each of {len(KINDS)} kinds of values" for law in ALL_LAWS
    ]


def table_of(output: str) -> list[list[str]]:
    """The cells of a printed table, line by line, without its head."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if "│" in line]


def test_a_broken_law_is_shown_with_its_simplest_inputs_and_both_outcomes(runner: CliRunner, folder: Path) -> None:
    name = written(folder, "return a + b if type(a) is type(b) is str else max(a, b, key=canonical_text)")
    done = runner.invoke(app, ["policy", "check", name, "--path", str(folder), "--examples", str(EXAMPLES)])
    assert done.exit_code == 1
    assert "leaves its inputs alone: held for" in done.output
    assert table_of(done.output)[:4] == [
        ["commutative", 'a = "1"', 'f(a, b) = "1a"'],
        ["", 'b = "a"', 'f(b, a) = "a1"'],
        ["idempotent", 'a = "1"', 'f(a, a) = "11"'],
        ["", "", 'a = "1"'],
    ]


def test_an_error_is_a_finding_and_the_other_laws_are_tried_on(runner: CliRunner, folder: Path) -> None:
    name = written(folder, "return min(a, b, key=len)")
    done = runner.invoke(app, ["policy", "check", name, "--path", str(folder), "--examples", str(EXAMPLES)])
    cells = table_of(done.output)
    assert done.exit_code == 1
    assert "raised TypeError in line 6" in " ".join(outcome for _, _, outcome in cells)
    assert "commutative" in {law for law, _, _ in cells}
    assert "idempotent: held for" in done.output


def test_slowness_is_a_finding_and_ends_the_check(runner: CliRunner, folder: Path) -> None:
    # given: a function that takes long for some texts
    name = written(folder, "return max(a, b, key=canonical_text) if a != '' else time.sleep(30)")

    # when
    done = runner.invoke(app, ["policy", "check", name, "--path", str(folder), "--examples", str(EXAMPLES)])

    # then
    cells = table_of(done.output)
    assert done.exit_code == 1
    assert {law for law, _, _ in cells} == {ANSWERS.name, ""}
    assert "took longer than 1 s" in " ".join(outcome for _, _, outcome in cells)
    assert 'a = ""' in {states for _, states, _ in cells}
    assert "held" not in done.output


def test_a_function_that_is_not_there_is_told_plainly(runner: CliRunner, folder: Path) -> None:
    done = runner.invoke(app, ["policy", "check", "nowhere:judged", "--path", str(folder)])
    assert done.exit_code == 1
    assert "InvalidSettings: the function: nowhere:judged cannot be imported" in done.output


def test_without_hypothesis_the_command_says_what_it_needs(
    runner: CliRunner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "cli.policy_check")
    monkeypatch.delattr("cli.policy_check")
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    done = runner.invoke(app, ["policy", "check", written(folder, "return a"), "--path", str(folder)])
    assert done.exit_code == 1
    assert "the check needs hypothesis: pip install hypothesis" in done.output


def test_the_other_commands_do_not_need_it(monkeypatch: pytest.MonkeyPatch, runner: CliRunner) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    done = runner.invoke(app, ["policy", "show", "--replication", str(PROJECT / "replication.toml")])
    assert (done.exit_code, "last_writer_wins" in done.output) == (0, True)


def test_all_that_decides_is_shown(runner: CliRunner, tmp_path: Path) -> None:
    # given
    file = tmp_path / "replication.toml"
    file.write_text(
        '[datasets.orders]\nengine = "dynamodb"\nreplicas = ["us-east-1", "eu-west-1"]\nconflict = "region_priority"\n'
        'region_priority = ["eu-west-1", "us-east-1"]\npolicies_generation = 3\npolicies_from = 2026-12-01T00:00:00Z\n'
        '[datasets.orders.attributes]\nstate = { custom = "rules:furthest" }\n"[red]x" = "counter"\n',
        encoding="utf-8",
    )

    # when
    done = runner.invoke(app, ["policy", "show", "--replication", str(file)])

    # then
    (dataset,) = load(file).datasets
    assert table_of(done.output) == [
        ["orders", "3, from", dataset.policies, "region_priority", "state: custom"],
        ["", "2026-12-01", "", "1. eu-west-1", "rules:furthest"],
        ["", "00:00:00Z", "", "2. us-east-1", "[red]x: counter"],
    ]


def test_a_mistake_in_the_file_is_told_plainly(runner: CliRunner, tmp_path: Path) -> None:
    done = runner.invoke(app, ["policy", "show", "--replication", str(tmp_path / "nowhere.toml")])
    assert done.exit_code == 1
    assert "does not exist" in done.output
