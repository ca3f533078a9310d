"""Histories that once broke a promise, reduced and kept as files, one a lesson."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.histories import Kind, Played
from tests.simulation.setting import Writing

FOLDER = Path(__file__).with_name("lessons_kept")


@dataclass(frozen=True)
class Fixture:
    """One history. lesson: what it taught, or the promise it broke."""

    name: str
    kind: Kind
    record: tuple[int, ...]
    lesson: str


def kept() -> list[Fixture]:
    """All fixtures, by name."""
    return [_read(file) for file in sorted(FOLDER.glob("*.json"))]


def keep(failing: Played, folder: Path = FOLDER) -> Path:
    """Write a failing history down, so that the tests play it from now on."""
    lesson = str(failing.broken[0]) if failing.broken else "nothing was broken"
    name = f"{lesson.replace(' ', '-').replace(chr(39), '')}-{failing.kind}-{failing.seed or 0}"
    kind = {"writing": failing.kind.writing.value, "writes": failing.kind.writes, "year_ahead": failing.kind.year_ahead}
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"lesson": lesson, "kind": kind, "record": failing.record}) + "\n", encoding="utf-8")
    return file


def _read(file: Path) -> Fixture:
    document = json.loads(file.read_text(encoding="utf-8"))
    kind = document["kind"]
    return Fixture(
        file.stem,
        Kind(Writing(kind["writing"]), kind["writes"], kind["year_ahead"]),
        tuple(document["record"]),
        document["lesson"],
    )
