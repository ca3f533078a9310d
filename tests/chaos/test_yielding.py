"""The ailing region's functions yield their cores, those that start later too; nobody else does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic, sleep

import psutil
import pytest

from chaos.faults import HOME, LONELY
from chaos.yielding import NICENESS, yielding
from local.world import World

Start = Callable[[str], psutil.Process]


@dataclass(frozen=True, eq=False)
class EmulatorHere(World):
    """A world whose emulator is this process."""

    def process(self) -> psutil.Process:
        return psutil.Process()


WAITS = "import time; time.sleep(60)"
WORLD = EmulatorHere(
    pid=os.getpid(), started=0.0, endpoint="", account="", access_key_id="", secret_access_key="", sources="", tables={}
)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts what looks like a function of a region."""
    with ExitStack() as undo:

        def begin(region: str) -> psutil.Process:
            told = {"AWS_REGION": region, "AWS_LAMBDA_FUNCTION_NAME": "capture", "PATH": os.environ["PATH"]}
            process = undo.enter_context(subprocess.Popen([sys.executable, "-c", WAITS], env=told))
            undo.callback(process.kill)
            return psutil.Process(process.pid)

        yield begin


def yields(process: psutil.Process) -> bool:
    """Whether it does within some seconds."""
    until = monotonic() + 5
    while process.nice() != NICENESS and monotonic() < until:
        sleep(0.02)
    return bool(process.nice() == NICENESS)


def test_functions_of_the_ailing_region_yield(start: Start) -> None:
    function = start(LONELY)
    with yielding(WORLD, LONELY):
        assert yields(function)


def test_functions_that_start_later_yield_too(start: Start) -> None:
    with yielding(WORLD, LONELY):
        assert yields(start(LONELY))
        assert yields(start(LONELY))


def test_functions_of_the_other_regions_do_not(start: Start) -> None:
    healthy, before = start(HOME), psutil.Process().nice()
    with yielding(WORLD, LONELY):
        assert yields(start(LONELY))
        assert healthy.nice() == before


def test_where_no_region_is_ailing_alone_none_yields(start: Start) -> None:
    function, before = start(LONELY), psutil.Process().nice()
    with yielding(WORLD, None):
        sleep(0.3)
    assert function.nice() == before
