"""Plays many histories in several processes, keeps count in a file so that it can go on, and stops at a failure."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.simulation.histories import KINDS, Kind, Played, play

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = ("layers/distributary/distributary", "tests/simulation")
SHARES = (
    50, 6, 1, 8, 40, 4, 1, 2, 28, 7, 1, 2, 12, 4, 1, 2, 14, 6, 1, 3, 10, 4, 10, 4, 12, 4, 1, 2, 14, 6, 1, 3, 10, 4,
)  # fmt: skip
"""How many of each portion are of each kind: short histories are quick, and show most."""

PORTION = 10


@dataclass
class Tally:
    """What was played so far. code: a digest of what was run. seeds: the next one of each kind.

    misjudged: how often conflicts were told wrongly, and how. examples: in which histories, by kind and seed.
    """

    code: str
    seeds: Counter[str] = field(default_factory=Counter)
    vanished: Counter[str] = field(default_factory=Counter)
    misjudged: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def histories(self) -> int:
        """How many in all."""
        return self.seeds.total()

    def save(self, file: Path) -> None:
        """Keep it for the next campaign."""
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(vars(self), indent=2), encoding="utf-8")
        draft.replace(file)


def resumed(file: Path) -> Tally:
    """The tally in the file, or a new one if there is none or the code has changed since."""
    code = _digest()
    if file.exists():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["code"] == code:
            seeds, vanished, misjudged = (Counter(kept[each]) for each in ("seeds", "vanished", "misjudged"))
            return Tally(code, seeds, vanished, misjudged, kept["examples"])
    return Tally(code)


@dataclass(frozen=True)
class Portion:
    """Some seeds of one kind, and what came of them. broken: the first failure, none if all held."""

    kind: Kind
    seeds: range
    vanished: Counter[str] = field(default_factory=Counter)
    misjudged: Counter[str] = field(default_factory=Counter)
    examples: tuple[str, ...] = ()
    broken: Played | None = None


def play_on(tally: Tally, histories: int, processes: int | None = None) -> Iterator[Portion]:
    """Play until so many histories are in the tally, or one fails; yields each portion when it has been counted."""
    workers = processes or os.cpu_count() or 1
    waiting = _portions(Counter(tally.seeds), histories - tally.histories)
    with ProcessPoolExecutor(workers) as pool:
        running = [pool.submit(_play, portion) for portion in islice(waiting, 3 * workers)]
        while running:
            played = running.pop(0).result()
            tally.seeds[str(played.kind)] = played.seeds.stop
            tally.vanished += played.vanished
            tally.misjudged += played.misjudged
            tally.examples += played.examples
            yield played
            if played.broken is not None:
                waiting = iter(())
            running += [pool.submit(_play, portion) for portion in islice(waiting, 1)]


def _portions(next_seeds: Counter[str], histories: int) -> Iterator[Portion]:
    left = histories
    while left > 0:
        for kind, share in zip(KINDS, SHARES, strict=True):
            size = min(left, share * PORTION)
            if size > 0:
                start = next_seeds[str(kind)]
                next_seeds[str(kind)] = start + size
                left -= size
                yield Portion(kind, range(start, start + size))


def _play(portion: Portion) -> Portion:
    gc.disable()  # a tenth faster, since a history makes little rubbish; the portion's goes with its end
    try:
        return _played(portion)
    finally:
        gc.enable()
        gc.collect()


def _played(portion: Portion) -> Portion:
    vanished: Counter[str] = Counter()
    misjudged: Counter[str] = Counter()
    examples: list[str] = []
    for seed in portion.seeds:
        played = play(portion.kind, seed)
        for reader, count in played.vanished.items():
            vanished[f"{reader.value}, {portion.kind.writing.value} table"] += count
        misjudged.update({f"{fault[0]}, {portion.kind.writing.value} table" for fault in played.misjudged})
        examples += [f"{portion.kind} {seed}"] if played.misjudged else []
        if played.broken is not None:
            seeds = range(portion.seeds.start, seed + 1)
            return Portion(portion.kind, seeds, vanished, misjudged, tuple(examples), played)
    return Portion(portion.kind, portion.seeds, vanished, misjudged, tuple(examples))


def _digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(file for source in SOURCES for file in (PROJECT / source).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
