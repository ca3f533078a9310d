"""Runs one history, or many, and says which promise was broken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.simulation.checks import Witness, misread, verdict, watching_origins
from tests.simulation.world import World


@dataclass(frozen=True)
class Broken:
    """A history that broke a promise; the same seed, writes and kinds play it again."""

    seed: int
    writes: int
    kinds: str
    promise: tuple[Any, ...]


def play(seed: int, writes: int, kinds: str) -> Broken | None:
    """Play one history to its end, then check it."""
    world = World(seed, writes, kinds)
    witness = Witness(world)
    with watching_origins() as origins:
        rested = world.run()
    if not rested:
        return Broken(seed, writes, kinds, ("never at rest",))
    broken = verdict(world, witness) or misread(world, witness, origins)
    return Broken(seed, writes, kinds, broken) if broken else None


def play_all(seeds: Iterable[int], writes: int, kinds: str) -> list[Broken]:
    """Play many histories; the broken ones."""
    return [broken for seed in seeds if (broken := play(seed, writes, kinds))]
