"""Runs one function's handler in a process of its own, as Lambda would, and takes its CPU time.

Reads a job (JSON) from standard input: the function's folder, events to time, and events to profile by name. Writes
what it found to standard output. Its environment names the tables and queues.
"""

import cProfile
import importlib.util
import io
import json
import pstats
import sys
import time
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

TOP = 15


class Context:
    """What the functions ask of Lambda's context."""

    function_name = memory_limit_in_mb = aws_request_id = invoked_function_arn = "benchmark"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Always enough."""
        return 60_000


def main() -> None:
    """One line in, one line out."""
    job = json.loads(sys.stdin.readline())
    module = _module(Path(job["folder"]))
    spent = [_spent(module, event) for event in job["events"]]
    profiles = {name: _profile(module, event) for name, event in job["profiled"].items()}
    sys.stdout.write(json.dumps({"seconds": spent, "profiles": profiles}) + "\n")


def _module(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("app", folder / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _spent(module: ModuleType, event: dict[str, Any]) -> float:
    """CPU seconds of one call, all threads counted, what the service on the other end does not."""
    with redirect_stdout(io.StringIO()):
        began = time.process_time()
        answer = module.handler(event, Context())
        spent = time.process_time() - began
    assert not answer["batchItemFailures"], answer
    return spent


def _profile(module: ModuleType, event: dict[str, Any]) -> dict[str, Any]:
    """Shares of the CPU time of the calling thread, by function and by package."""
    profiler = cProfile.Profile(time.process_time)
    with redirect_stdout(io.StringIO()):
        profiler.runcall(module.handler, event, Context())
    entries: dict[tuple[str, int, str], tuple[int, int, float, float, object]]
    entries = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in entries.values())
    packages: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for (file, line, name), (_, calls, own, inside, _) in entries.items():
        packages[_package(file)] += own / total  # type: ignore[assignment]
        where = f"{Path(file).stem}:{line} {name}" if line else name
        rows.append({"where": where, "calls": calls, "own": own / total, "inside": inside / total})
    return {
        "packages": dict(packages.most_common()),
        "functions": sorted(rows, key=lambda row: -float(row["own"]))[:TOP],
        "inside": sorted(rows, key=lambda row: -float(row["inside"]))[:TOP],
    }


def _package(file: str) -> str:
    parts = Path(file).parts
    for name in ("domain", "services", "adapters"):
        if "distributary" in parts and name in parts:
            return f"distributary.{name}"
    for name in ("site-packages", "python3.11"):
        if name in parts:
            return parts[parts.index(name) + 1].removesuffix(".py")
    return "distributary" if "distributary" in parts else "built in"


if __name__ == "__main__":
    main()
