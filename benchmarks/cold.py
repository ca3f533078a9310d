"""Import time and memory of each function at cold start, in a process like Lambda's, beside botocore's own."""

import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local import deployment
from local.children import Children
from local.world import PROJECT, STATE_FOLDER

ROUNDS = 3
TOP = 15
SECONDS = 60
FUNCTIONS = {"capture": "CaptureFunction", "apply": "ApplyFunction", "forward": "ForwardFunction"}
PROBE = """
import json, resource, sys, time
sys.path[:0] = PATH
began = time.perf_counter(), time.process_time()
import MODULE
imported = time.perf_counter(), time.process_time()
FIRST
ready = time.perf_counter(), time.process_time()
print(json.dumps({
    "import_ms": 1000 * (imported[0] - began[0]), "import_cpu_ms": 1000 * (imported[1] - began[1]),
    "clients_ms": 1000 * (ready[0] - imported[0]), "clients_cpu_ms": 1000 * (ready[1] - imported[1]),
    "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "modules": len(sys.modules),
}))
"""
REFERENCE = "botocore alone"
_CLIENTS = "import botocore.session as s\nfor n in ('dynamodb', 'sqs'): s.get_session().create_client(n, 'us-east-1')"


def measure() -> dict[str, Any]:
    """Medians of processes that are started in turn: as built for deployment, and with every module compiled."""
    replication = PROJECT / "replication.toml"
    STATE_FOLDER.mkdir(exist_ok=True)
    deployment.build(replication, deployment.sources_digest(replication), Children())
    with TemporaryDirectory() as cache:
        for name in (REFERENCE, *FUNCTIONS):
            _run(_probe(name), cache=cache)
        found: dict[str, Any] = {"as built": _compared(None), "compiled": _compared(cache)}
        found["imports"] = {name: _imports(name, cache) for name in FUNCTIONS}
    return found


def _compared(cache: str | None) -> dict[str, Any]:
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in (REFERENCE, *FUNCTIONS)}
    for _ in range(ROUNDS):
        for name, each in samples.items():
            each.append(json.loads(_run(_probe(name), cache=cache).stdout))
    medians = {name: _medians(each) for name, each in samples.items()}
    reference = medians[REFERENCE]["import_ms"]
    return {name: {**each, "import_ratio": each["import_ms"] / reference} for name, each in medians.items()}


def _medians(samples: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in samples) for name in samples[0]}


def _probe(name: str) -> str:
    module = "botocore.session" if name == REFERENCE else "app"
    first = _CLIENTS if name == REFERENCE else f"app.wiring.{name}()"
    path = json.dumps([str(folder) for folder in _path(name)])
    return PROBE.replace("PATH", path).replace("MODULE", module).replace("FIRST", first)


def _path(name: str) -> list[Path]:
    """The folders of the function and its layers."""
    layers = [deployment.BUILD_FOLDER / layer / "python" for layer in ("CodeLayer", "ReplicationLayer")]
    return layers if name == REFERENCE else [deployment.BUILD_FOLDER / FUNCTIONS[name], *layers]


def _run(probe: str, *, cache: str | None, options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a probe without site-packages. cache: where compiled modules are kept; none: they are nowhere written."""
    environment = {
        "PATH": os.defpath,
        **({"PYTHONPYCACHEPREFIX": cache} if cache else {"PYTHONDONTWRITEBYTECODE": "1"}),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "REPLICATION_FILE": str(PROJECT / "replication.toml"),
        "DATASET": "orders",
        "ACCOUNT_ID": "111122223333",
        "TABLE_NAME": "orders",
        "TOMBSTONES_TABLE": "tombstones",
        "INBOX_NAME": "inbox",
        **dict.fromkeys(("INBOX_URL", "OUTBOX_URL", "PARKED_URL"), "https://example.invalid/queue"),
        "POWERTOOLS_METRICS_NAMESPACE": "Distributary",
        "POWERTOOLS_SERVICE_NAME": "distributary",
    }
    python = getattr(sys, "_base_executable", sys.executable)
    command = [python, "-S", *options, "-c", probe]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=True)


def _imports(name: str, cache: str) -> dict[str, Any]:
    """What `-X importtime` tells of one process with compiled modules: milliseconds, in all and by package."""
    lines = _run(_probe(name), cache=cache, options=("-X", "importtime")).stderr.splitlines()
    own: dict[str, float] = {}
    inside: dict[str, float] = {}
    for line in lines:
        found = re.fullmatch(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)", line)
        if found:
            own[found[3]], inside[found[3]] = int(found[1]) / 1000, int(found[2]) / 1000
    packages: Counter[str] = Counter()
    for module, spent in own.items():
        packages[module.split(".")[0]] += spent  # type: ignore[assignment]
    return {
        "total_ms": sum(own.values()),
        "packages": dict(packages.most_common(TOP)),
        "modules_own": dict(Counter(own).most_common(TOP)),
        "modules_inside": dict(Counter(inside).most_common(3 * TOP)),
    }
