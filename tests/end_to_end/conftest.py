"""One local world for all tests of this folder, apart from the one that a developer may have running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.world import PROJECT, World

REPLICATION = Path(__file__).with_name("replication.toml")


def distributary(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, with its state in a folder of its own."""
    environment = {**os.environ, "DISTRIBUTARY_LOCAL": str(state)}
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=400
    )


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tests' own world."""
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="session")
def world(state: Path) -> Iterator[World]:
    """Three regions, up from the first test to the last."""
    try:
        up = distributary(state, "local", "up", "--replication", str(REPLICATION))
        assert up.returncode == 0, up.stderr
        yield World(**json.loads((state / "world.json").read_text(encoding="utf-8")))
    finally:
        distributary(state, "local", "down")
