"""Kills functions: processes that the emulator has started for the functions of a region."""

import random
import threading
from dataclasses import dataclass, field

from chaos.functions import functions_of
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
