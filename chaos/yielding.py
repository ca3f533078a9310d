"""Keeps the ailing region's functions from the cores that the healthy regions compute on: on AWS they share none."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from chaos.functions import functions_of
from local.world import World

NICENESS = 15
"""Such a process gets a thirtieth of a core that others want, and all of one that nobody does."""
LOOKS_SECONDS = 0.1
"""Between two looks for functions that have been started since; a cold start takes several times as long."""


@contextmanager
def yielding(world: World, region: str | None) -> Iterator[None]:
    """While this lasts, the functions of a region compute only where nobody else wants to.

    Those that run at its end go on like that, since only root may take it back.
    """
    if region is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(world, region, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(world: World, region: str, ended: threading.Event) -> None:
    while not ended.wait(LOOKS_SECONDS):
        for process in functions_of(world, region):
            with suppress(psutil.NoSuchProcess):
                process.nice(NICENESS)
