"""Kills functions: processes that the emulator has started for the functions of a region."""

import random
import threading
from dataclasses import dataclass, field

import psutil

from local.world import World

PAUSE_SECONDS = (2.0, 4.0)
"""Seldom, since a function that starts anew computes on cores that the healthy regions share here."""


@dataclass
class Killer:
    """Kills one process after the other, from a thread of its own. killed: how many so far."""

    world: World
    region: str
    killed: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._kill, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the functions live."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _kill(self) -> None:
        dice = random.Random(self.region)
        while not self._ended.wait(dice.uniform(*PAUSE_SECONDS)):
            victims = functions_of(self.world, self.region)
            if victims:
                dice.choice(victims).kill()
                self.killed += 1


def functions_of(world: World, region: str) -> list[psutil.Process]:
    """The processes of the functions of a region: children of the emulator that were told this region."""
    emulator = world.process()
    found: list[psutil.Process] = []
    for process in emulator.children(recursive=True) if emulator else []:
        try:
            told = process.environ()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if told.get("AWS_REGION") == region and "AWS_LAMBDA_FUNCTION_NAME" in told:
            found.append(process)
    return found
