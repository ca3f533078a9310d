"""The layer of PostgreSQL: pinned for both architectures, built by its recipe, given to who connects and no other."""

import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.template.deployed import deployed
from tests.template.stack import PROJECT, Stack, read
from tests.template.test_aurora_roles import KINDS

LAYER = PROJECT / "layers" / "postgresql"
ARCHITECTURES = ("x86_64", "aarch64")
PINNED = re.compile(r"^([a-z][a-z0-9-]*)==(\S+)( ; [^\\]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
ON_LAMBDA = re.compile(r"sys_platform == 'win32'")
WITH_THE_LAYER = {
    "direct": {"CaptureAuroraFunction", "ApplyFunction"},
    "in a network": {"CaptureAuroraFunction", "ApplyFunction"},
    "emulated": {"CaptureAuroraFunction", "ApplyFunction"},
    "data api": {"CaptureAuroraFunction"},
    "data api, in a network": {"CaptureAuroraFunction"},
    "dynamodb": set[str](),
    "redacting": {"CaptureAuroraFunction", "ApplyFunction"},
    "dynamodb, redacting": set[str](),
}


# --- what is pinned


@pytest.fixture(scope="module")
def requirements() -> str:
    return (LAYER / "requirements.txt").read_text(encoding="utf-8")


def test_every_requirement_is_pinned_with_its_hashes(requirements: str) -> None:
    named = [line for line in requirements.splitlines() if line and not line.startswith(" ")]
    assert [match[1] for match in PINNED.finditer(requirements)] == [re.split("[=<>~ ;]", line)[0] for line in named]
    assert {"psycopg", "psycopg-binary", "typing-extensions"} <= {match[1] for match in PINNED.finditer(requirements)}


def test_the_driver_and_its_library_are_of_one_release(requirements: str) -> None:
    versions = {match[1]: match[2] for match in PINNED.finditer(requirements)}
    assert versions["psycopg"] == versions["psycopg-binary"]


def test_the_layer_has_the_release_that_is_tested_here(requirements: str) -> None:
    tested = (PROJECT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    pins = {match[1]: match[2] for match in PINNED.finditer(tested)}
    ours = {match[1]: match[2] for match in PINNED.finditer(requirements)}
    assert {name: pins[name] for name in ("psycopg", "psycopg-binary")} == {
        name: ours[name] for name in ("psycopg", "psycopg-binary")
    }


def test_no_library_of_the_code_layer_comes_in_another_release(requirements: str) -> None:
    code = (PROJECT / "layers" / "distributary" / "requirements.txt").read_text(encoding="utf-8")
    shared = {match[1]: match[2] for match in PINNED.finditer(code)}
    ours = {match[1]: match[2] for match in PINNED.finditer(requirements) if not ON_LAMBDA.search(match[3] or "")}
    assert {name: version for name, version in ours.items() if shared.get(name, version) != version} == {}


# --- what the recipe makes


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A folder like the layer's, with a driver of our own for each architecture."""
    shutil.copy(LAYER / "Makefile", tmp_path)
    wheels = [_wheel(tmp_path, architecture) for architecture in ARCHITECTURES]
    hashes = "".join(f" --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" for wheel in wheels)
    (tmp_path / "requirements.txt").write_text(f"psycopg-binary==1{hashes}\n", encoding="utf-8")
    return tmp_path


def test_the_layer_is_built_by_the_recipe() -> None:
    layer = read().body["Resources"]["PostgresqlLayer"]
    assert layer["Metadata"] == {"BuildMethod": "makefile"}
    assert PROJECT / layer["Properties"]["ContentUri"] == LAYER
    assert "build-PostgresqlLayer:" in (LAYER / "Makefile").read_text(encoding="utf-8")


def test_the_layer_serves_both_architectures(layer: Path) -> None:
    done = _build(layer)
    assert done.returncode == 0, done.stderr
    site = layer / "built" / "python"
    for architecture in ARCHITECTURES:
        assert (site / "psycopg_binary" / f"_psycopg.cpython-311-{architecture}-linux-gnu.so").is_file()
        assert (site / "psycopg_binary.libs" / f"libpq-{architecture}.so").is_file()
    assert not list(layer.glob("built/*.other"))
    assert list(site.rglob("__init__.cpython-311.pyc"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_the_driver_of_an_architecture_there_is_no_layer(layer: Path, architecture: str) -> None:
    for wheel in layer.glob(f"*{architecture}.whl"):
        wheel.unlink()
    assert _build(layer).returncode != 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_driver_other_than_the_pinned_one_is_refused(layer: Path, architecture: str) -> None:
    (wheel,) = layer.glob(f"*{architecture}.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("psycopg_binary/more.py", "")
    done = _build(layer)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_certificates_are_taken_in_where_they_are_there(layer: Path) -> None:
    assert _build(layer).returncode == 0
    assert not (layer / "built" / "rds").exists()
    (layer / "authorities.pem").write_text("certificates", encoding="utf-8")
    assert _build(layer).returncode == 0
    told = read().body["Parameters"]["DatabaseAuthorities"]["Default"]
    assert (layer / "built" / Path(told).relative_to("/opt")).read_text(encoding="utf-8") == "certificates"


# --- who gets it


def layers(stack: Stack) -> dict[str, list[str]]:
    """The layers of each function, those of all functions first, as the transform joins them."""
    shared: list[str] = stack.body["Globals"]["Function"]["Layers"]
    functions = stack.resources("AWS::Serverless::Function")
    own: dict[str, list[str]] = {name: each["Properties"].get("Layers", []) for name, each in functions.items()}
    return {name: list(dict.fromkeys([*shared, *some])) for name, some in own.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_who_connects_has_the_driver_and_nobody_else(kind: str) -> None:
    found = layers(deployed(read(), **KINDS[kind]))
    assert {name for name, some in found.items() if "PostgresqlLayer" in some} == WITH_THE_LAYER[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_every_function_has_the_code_and_what_is_replicated(kind: str) -> None:
    stack = deployed(read(), **KINDS[kind])
    assert len(layers(stack)) == 3
    for some in layers(stack).values():
        assert some[:3] == ["CodeLayer", "ReplicationLayer", "PoliciesLayer"]
        assert set(some) <= stack.resources("AWS::Serverless::LayerVersion").keys()


def _wheel(folder: Path, architecture: str) -> Path:
    """A driver as small as can be."""
    tag = f"cp311-cp311-manylinux2014_{architecture}"
    wheel = folder / f"psycopg_binary-1-{tag}.whl"
    files = {
        "psycopg_binary/__init__.py": "WHO = __file__\n",
        f"psycopg_binary/_psycopg.cpython-311-{architecture}-linux-gnu.so": architecture,
        f"psycopg_binary.libs/libpq-{architecture}.so": architecture,
        "psycopg_binary-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: psycopg-binary\nVersion: 1\n",
        "psycopg_binary-1.dist-info/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n"
        ),
    }
    record = "".join(f"{name},,\n" for name in (*files, "psycopg_binary-1.dist-info/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {**files, "psycopg_binary-1.dist-info/RECORD": record}.items():
            archive.writestr(name, content)
    return wheel


def _build(layer: Path) -> "subprocess.CompletedProcess[str]":
    """Run the recipe with the wheels of the folder only."""
    command = ["make", "build-PostgresqlLayer", f"ARTIFACTS_DIR={layer / 'built'}"]
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(layer), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        command, cwd=layer, env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
