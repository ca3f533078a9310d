"""The layer of custom policies: what its recipe takes in, that it is never empty, and who gets it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.template.stack import PROJECT, read

LAYER = PROJECT / "layers" / "policies"


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A folder like the layer's, without any function."""
    (tmp_path / "policies").mkdir()
    shutil.copy(LAYER / "Makefile", tmp_path / "policies")
    return tmp_path / "policies"


def _build(layer: Path) -> "subprocess.CompletedProcess[str]":
    command = ["make", "build-PoliciesLayer", f"ARTIFACTS_DIR={layer.parent / 'built'}"]
    return subprocess.run(command, cwd=layer, capture_output=True, text=True, timeout=120, check=False)


def _built(layer: Path) -> set[str]:
    site = layer.parent / "built" / "python"
    return {str(file.relative_to(site)) for file in site.rglob("*") if file.is_file()}


def test_the_layer_is_built_by_the_recipe() -> None:
    layer = read().body["Resources"]["PoliciesLayer"]
    assert layer["Metadata"] == {"BuildMethod": "makefile"}
    assert PROJECT / layer["Properties"]["ContentUri"] == LAYER


def test_without_a_function_the_layer_is_built_all_the_same(layer: Path) -> None:
    done = _build(layer)
    assert done.returncode == 0, done.stderr
    assert _built(layer) == {".policies"}


def test_modules_and_packages_are_taken_in_and_compiled(layer: Path) -> None:
    # given
    (layer / "rules.py").write_text("def larger(left, right): return max(left, right)\n", encoding="utf-8")
    (layer / "README.md").write_text("not for Lambda", encoding="utf-8")
    package = layer / "prices"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__" / "gone.cpython-311.pyc").write_bytes(b"of a module that is no longer there")
    (package / "__init__.py").write_text("", encoding="utf-8")

    # when
    done = _build(layer)

    # then
    assert done.returncode == 0, done.stderr
    compiled = {"__pycache__/rules.cpython-311.pyc", "prices/__pycache__/__init__.cpython-311.pyc"}
    assert _built(layer) == {".policies", "rules.py", "prices/__init__.py", *compiled}


def test_a_module_that_is_no_python_is_refused(layer: Path) -> None:
    (layer / "rules.py").write_text("def", encoding="utf-8")
    done = _build(layer)
    assert done.returncode != 0
    assert "SyntaxError" in done.stdout + done.stderr


@pytest.mark.parametrize(("function", "accepted"), [("furthest_state", True), ("nothing", False)])
def test_the_build_refuses_a_file_that_names_a_function_which_is_not_there(
    tmp_path: Path, function: str, accepted: bool
) -> None:
    # given
    file = tmp_path / "replication.toml"
    file.write_text(
        '[datasets.orders]\nengine = "dynamodb"\nreplicas = ["us-east-1", "eu-west-1"]\n'
        f'attributes = {{ state = {{ custom = "example_policies:{function}" }} }}\n',
        encoding="utf-8",
    )

    # when: the recipe of the layer that carries the file runs, as SAM does, in the project's folder
    recipe = ["make", "-f", "layers/replication/Makefile", "build-ReplicationLayer"]
    command = [*recipe, f"REPLICATION={file}", f"ARTIFACTS_DIR={tmp_path / 'built'}"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    # then
    assert (done.returncode == 0) == accepted, done.stderr
    assert ("datasets.orders.attributes.state.custom: example_policies:nothing" in done.stderr) != accepted
