"""Brings up what the chains run on: the local world, and beside it the stacks to compare with."""

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.chains import Chain
from local import world
from local.clients import client
from local.commands import bring_up, take_down
from local.deployment import SAM
from local.world import PROJECT, World

DATASET = "orders"
STACK = "benchmark-baselines"
REPLICATION = Path(__file__).parent / "baselines" / "replication.toml"
"""DynamoDB only: what follows a log would take time from what is measured."""
TEMPLATE = Path(__file__).parent / "baselines" / "template.yaml"
SHARED = ("StreamBatchSize", "InboxBatchSize", "InboxBatchingWindow")
"""Settings of the mappings, the same for every chain."""
DEPLOY_SECONDS = 120


@dataclass(frozen=True)
class Stage:
    """Chains from one region into the same peers, on one emulator."""

    world: World
    distributary: Chain
    bare: Chain
    naive: Chain


@contextmanager
def stage() -> Iterator[Stage]:
    """The local world with the baselines in it; what was not running before does not run afterwards."""
    with world.exclusive():
        known = world.recorded()
        was_running = known is not None and known.process() is not None
        running = bring_up(REPLICATION)
        try:
            _deploy(running)
            source, *peers = running.tables
            ours = Chain("distributary", running, running.tables[source][DATASET], "pk", source, tuple(peers))
            bare, naive = (
                replace(ours, name=name, table=f"benchmark-{name}", written=set()) for name in ("bare", "naive")
            )
            yield Stage(running, ours, bare, naive)
            if was_running:
                ours.clear()
                rest(running)
        finally:
            if was_running and running.process() is not None:
                _delete(running)
            else:
                take_down(running)
                world.forget()


def rest(of: World, *, calm: float = 0.6, seconds: float = 30.0) -> None:
    """Wait until the emulator and its functions have nothing left to do, at most so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = _cpu_seconds(of)
        time.sleep(calm)
        if _cpu_seconds(of) - before < 0.08 * calm:
            return


def _cpu_seconds(of: World) -> float:
    root = of.process()
    total = 0.0
    for process in [root, *root.children(recursive=True)] if root else []:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _deploy(running: World) -> None:
    settings = _settings()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda region: _deploy_one(running, region, settings), running.tables))


def _settings() -> dict[str, str]:
    """The mappings' settings of the project's own stacks."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", lambda *_: None)  # type: ignore[attr-defined]
    text = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    parameters: dict[str, dict[str, Any]] = yaml.load(text, Loader=loader)["Parameters"]  # noqa: S506
    return {name: str(parameters[name]["Default"]) for name in SHARED} | {"ParallelizationFactor": "1"}


def _deploy_one(running: World, region: str, settings: dict[str, str]) -> None:
    parameters = {**settings, "Peers": ",".join(each for each in running.tables if each != region)}
    command = [
        *(str(SAM), "deploy", "--template-file", str(TEMPLATE), "--stack-name", STACK, "--region", region),
        *("--resolve-s3", "--no-progressbar", "--no-fail-on-empty-changeset", "--capabilities", "CAPABILITY_IAM"),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    environment = kept | {
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(PROJECT / ".local" / "sam"),
        "AWS_ACCESS_KEY_ID": running.access_key_id,
        "AWS_SECRET_ACCESS_KEY": running.secret_access_key,
        "AWS_ENDPOINT_URL": running.endpoint,
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        command, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=DEPLOY_SECONDS, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"sam deploy of the baselines to {region} failed:\n{done.stdout[-2000:]}{done.stderr}")


def _delete(running: World) -> None:
    for region in running.tables:
        client(running, "cloudformation", region).delete_stack(StackName=STACK)
