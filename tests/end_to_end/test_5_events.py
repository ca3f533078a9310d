"""Every file of events/ leads the deployed functions, called by the real SAM CLI, to what is expected of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.deployment import SAM
from local.world import PROJECT, World
from tests.end_to_end.rows import HOME
from tests.functions.expectations import COMES_AGAIN, EXPECTED
from tests.functions.payloads import EVENTS

FUNCTIONS = {
    "capture_dynamodb": "CaptureFunction",
    "apply": "ApplyFunction",
    "forward": "ForwardFunction",
}


def documents(line: str) -> Iterator[dict[str, Any]]:
    """The log lines in a line of output: once one came with something behind it, of a run that had gone well."""
    at, decoder = 0, json.JSONDecoder()
    while line.startswith("{", at):
        told, at = decoder.raw_decode(line, at)
        yield told


def remote_invoke(world: World, name: str) -> tuple[str, Any, dict[str, Any]]:
    """Run `sam remote invoke` with one file: its name, the answer, and the facts in the log."""
    function = FUNCTIONS[name.partition("/")[0]]
    command = [
        *(str(SAM), "remote", "invoke", function, "--stack-name", "distributary-orders", "--region", HOME),
        *("--event-file", str(EVENTS / f"{name}.json")),
    ]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "AWS_ENDPOINT_URL": world.endpoint,
        "AWS_ACCESS_KEY_ID": world.access_key_id,
        "AWS_SECRET_ACCESS_KEY": world.secret_access_key,
        "SAM_CLI_TELEMETRY": "0",
    }
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = [told for line in done.stderr.splitlines() for told in documents(line)]
    facts: dict[str, Any] = next(
        (line for line in lines if line.get("message") in ("captured", "applied", "forwarded")), {}
    )
    return name, json.loads(done.stdout), facts


def test_every_payload_leads_to_what_is_expected(world: World) -> None:
    # when: each file is sent to its function
    with ThreadPoolExecutor(max_workers=3) as pool:
        told = list(pool.map(lambda name: remote_invoke(world, name), sorted(EXPECTED)))

    # then: each was worked off, and the function told the expected facts
    wrong = [
        (name, answer, facts)
        for name, answer, facts in told
        if len(answer["batchItemFailures"]) != (name in COMES_AGAIN)
        or {key: facts.get(key) for key in EXPECTED[name]} != EXPECTED[name]
    ]
    assert wrong == []
