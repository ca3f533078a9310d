"""The command `python -m benchmarks`: measures all, or one part, prints tables and keeps the numbers as JSON."""

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import aurora, aurora_lag, cold, cpu, lag, policies, throughput
from benchmarks.report import show
from benchmarks.stage import Stage, stage

RESULTS = Path(__file__).parent / "results"


class Part(Enum):
    """What can be measured by itself."""

    LAG = "lag"
    THROUGHPUT = "throughput"
    CPU = "cpu"
    COLD = "cold"
    AURORA = "aurora"
    AURORA_LAG = "aurora-lag"
    POLICIES = "policies"
    ALL = "all"


ON_STAGE: dict[Part, Callable[[Stage], dict[str, Any]]] = {
    Part.LAG: lag.measure,
    Part.THROUGHPUT: throughput.measure,
    Part.CPU: cpu.measure,
}


def main(
    part: Annotated[Part, typer.Argument(help="What to measure.")] = Part.ALL,
    file: Annotated[Path | None, typer.Option("--json", help="Where to keep the numbers.")] = None,
) -> None:
    """Measure Distributary beside plainer chains, in the same run on this machine; the ratios are what counts."""
    console, progress = Console(), Console(stderr=True, highlight=False)
    began = time.monotonic()
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "machine": _machine()}
    if part in (Part.COLD, Part.ALL):
        progress.print("Measuring cold …")
        found["cold"] = cold.measure()
    if part in (Part.AURORA, Part.ALL):
        progress.print("Measuring aurora …")
        found["aurora"] = aurora.measure()
    if part in (Part.AURORA_LAG, Part.ALL):
        progress.print("Measuring aurora-lag …")
        found["aurora_lag"] = aurora_lag.measure()
    if part in (Part.POLICIES, Part.ALL):
        progress.print("Measuring policies …")
        found["policies"] = policies.measure()
    wanted = [each for each in ON_STAGE if part in (each, Part.ALL)]
    if wanted:
        with stage() as on:
            for each in wanted:
                progress.print(f"Measuring {each.value} …")
                found[each.value] = ON_STAGE[each](on)
    found["seconds"] = time.monotonic() - began
    target = file or RESULTS / f"{part.value}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    show(found, console)
    progress.print(f"{found['seconds']:.0f} s; all numbers: {target}")


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()}


if __name__ == "__main__":
    typer.run(main)
