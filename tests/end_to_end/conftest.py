"""One local world for all tests of this folder, apart from the one that a developer may have running."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from local.world import PROJECT, World

REPLICATION = Path(__file__).with_name("replication.toml")
GUARD = Path(__file__).with_name("guard.py")
LIMIT = 400
"""Seconds that one command may take."""


def command(state: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command as a user would, with its state in a folder of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=PROJECT,
        env={**os.environ, "DISTRIBUTARY_LOCAL": str(state)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def distributary(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    with command(state, *arguments) as running:
        try:
            output, errors = running.communicate(timeout=LIMIT)
        except BaseException:
            running.kill()
            raise
    return subprocess.CompletedProcess(arguments, running.returncode, output, errors)


def family(pid: int) -> list[psutil.Process]:
    """A process with all that it has started."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def guarded(state: Path) -> Iterator[None]:
    """Whatever becomes of this process, the world in the folder is stopped."""
    guard = subprocess.Popen(
        [sys.executable, GUARD],
        cwd=PROJECT,
        env={**os.environ, "DISTRIBUTARY_LOCAL": str(state)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Ctrl-C is for the tests; the guard works when they have ended.
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.communicate()
    assert guard.returncode == 0, "the world was not stopped"


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tests' own world."""
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="session")
def world(state: Path) -> Iterator[World]:
    """Three regions, up from the first test to the last; then none of their processes may be left."""
    with guarded(state):
        up = distributary(state, "local", "up", "--replication", str(REPLICATION))
        assert up.returncode == 0, up.stderr
        started = World(**json.loads((state / "world.json").read_text(encoding="utf-8")))
        yield started
        running = [each for pid in (started.pid, *(server[0] for server in started.servers)) for each in family(pid)]
        down = distributary(state, "local", "down")
        assert (down.returncode, alive(running)) == (0, []), down.stderr
        assert not (state / "world.json").exists()
    shutil.rmtree(state / "build")
