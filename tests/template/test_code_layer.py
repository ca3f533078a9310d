"""The recipe of the code layer, run on wheels made here: what goes into the layer, and what is refused."""

import hashlib
import importlib.util
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.template.stack import PROJECT, read

RECIPE = PROJECT / "layers" / "distributary" / "Makefile"
ANY_MACHINE, THIS_MACHINE = "py3-none-any", "cp311-cp311-linux_x86_64"
UNCHECKED_HASH = 0b01
"""Flags of bytecode that is used without a look at its source (PEP 552)."""


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A folder like the layer's, with a package and requirements of its own."""
    shutil.copy(RECIPE, tmp_path)
    package = tmp_path / "distributary"
    package.mkdir()
    (package / "__init__.py").write_text("WHO = __file__\n", encoding="utf-8")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "gone.cpython-311.pyc").write_bytes(b"of a module that is no longer there")
    return tmp_path


def test_the_layer_is_built_by_the_recipe() -> None:
    code = read().body["Resources"]["CodeLayer"]
    assert code["Metadata"] == {"BuildMethod": "makefile"}
    assert PROJECT / code["Properties"]["ContentUri"] / "Makefile" == RECIPE


def test_every_module_is_compiled_for_an_archive_that_keeps_no_times(layer: Path) -> None:
    _require(layer, _wheel(layer, ANY_MACHINE))
    done = _build(layer)
    assert done.returncode == 0, done.stderr
    modules = sorted((layer / "built" / "python").rglob("*.py"))
    assert [module.parent.name for module in modules] == ["botocore", "distributary"]
    for module in modules:
        code = Path(importlib.util.cache_from_source(str(module))).read_bytes()
        assert code[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(code[4:8], "little") == UNCHECKED_HASH
        # Where Lambda unpacks layers, so that tracebacks are right and builds of one source are equal.
        assert f"/opt/python/{module.parent.name}/__init__.py".encode() in code
        assert str(layer).encode() not in code


def test_bytecode_of_the_working_copy_stays_out(layer: Path) -> None:
    _require(layer, _wheel(layer, ANY_MACHINE))
    assert _build(layer).returncode == 0
    assert list((layer / "built").rglob("gone*")) == []


def test_of_the_described_services_only_those_that_are_called_are_kept(layer: Path) -> None:
    _require(layer, _wheel(layer, ANY_MACHINE))
    assert _build(layer).returncode == 0
    kept = (layer / "built" / "python" / "botocore" / "data").iterdir()
    assert sorted(each.name for each in kept) == ["dynamodb", "endpoints.json", "sqs"]


def test_a_wheel_with_compiled_code_is_refused(layer: Path) -> None:
    _require(layer, _wheel(layer, THIS_MACHINE))
    done = _build(layer)
    assert done.returncode != 0
    assert "is not a supported wheel on this platform" in done.stderr


def test_a_wheel_other_than_the_pinned_one_is_refused(layer: Path) -> None:
    wheel = _wheel(layer, ANY_MACHINE)
    _require(layer, wheel)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("botocore/more.py", "")
    done = _build(layer)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def _wheel(folder: Path, tag: str) -> Path:
    """A wheel as small as can be, with the descriptions of three services."""
    wheel = folder / f"botocore-1-{tag}.whl"
    services = ("dynamodb", "sqs", "ec2")
    files = {
        "botocore/__init__.py": "WHO = __file__\n",
        **{f"botocore/data/{service}/service-2.json": "{}" for service in services},
        "botocore/data/endpoints.json": "{}",
        "botocore-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: botocore\nVersion: 1\n",
        "botocore-1.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, "botocore-1.dist-info/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {**files, "botocore-1.dist-info/RECORD": record}.items():
            archive.writestr(name, content)
    return wheel


def _require(layer: Path, wheel: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (layer / "requirements.txt").write_text(f"./{wheel.name} --hash=sha256:{digest}\n", encoding="utf-8")


def _build(layer: Path) -> "subprocess.CompletedProcess[str]":
    command = ["make", "build-CodeLayer", f"ARTIFACTS_DIR={layer / 'built'}"]
    return subprocess.run(command, cwd=layer, capture_output=True, text=True, timeout=120, check=False)
