"""The local world made ready for faults: a proxy under the functions, and streams that are read region by region."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.proxy import Proxy, proxy
from chaos.streams import Stream
from distributary import settings
from distributary.adapters.queues import SqsOutbox
from local.clients import client
from local.convergence import wait_for_convergence
from local.cutoff import queue_url
from local.world import LocalWorldError, World

DATASET = "orders"
FUNCTIONS = tuple(f"distributary-{DATASET}-{name}" for name in ("capture", "apply", "forward"))
SHORT_VISIBILITY, FULL_VISIBILITY = 20, 390
"""Seconds that messages of a killed function stay out of sight: in the fault runs, and as the template has it."""
WAKE_SECONDS = 90.0
CONCURRENCY = 2
"""Of apply and of forward in each region: the least that AWS takes, for a machine of two cores."""


@dataclass(frozen=True)
class Stage:
    """What faults are played on."""

    world: World
    proxy: Proxy
    streams: dict[str, Stream]

    def check(self) -> None:
        """Raise what a reader of streams met, if one failed: nothing would be captured in its region any more."""
        for stream in self.streams.values():
            if stream.errors:
                raise stream.errors[0]


@contextmanager
def staged(world: World, replication: Path) -> Iterator[Stage]:
    """Make a world that is at rest ready. Proxy and readers end with the block; the world is of no use after it."""
    with ExitStack() as undo:
        running = undo.enter_context(proxy(world))
        for region in world.tables:
            functions = client(world, "lambda", region)
            switch(functions, FUNCTIONS[0], on=False)
            for function in FUNCTIONS[1:]:
                limit = {"MaximumConcurrency": CONCURRENCY}
                functions.update_event_source_mapping(UUID=_mapping(functions, function), ScalingConfig=limit)
            for function in FUNCTIONS:
                _put_behind(running, functions, function, region)
        set_visibility(world, SHORT_VISIBILITY)
        streams = {region: Stream(world, region) for region in world.tables}
        for stream in streams.values():
            stream.start()
            undo.callback(stream.stop)
        stage = Stage(world, running, streams)
        _wake(stage, _policies(replication))
        yield stage


def set_visibility(world: World, seconds: int) -> None:
    """How long a message that a function has taken stays out of sight, in the inbox and outbox of every region."""
    for region in world.tables:
        for queue in ("inbox", "outbox"):
            url = queue_url(world, f"distributary-{DATASET}-{queue}", region)
            attributes = {"VisibilityTimeout": str(seconds)}
            client(world, "sqs", region).set_queue_attributes(QueueUrl=url, Attributes=attributes)


def _put_behind(running: Proxy, functions: Any, function: str, region: str) -> None:
    """The function's SDK keeps the emulator's address, which it signs, and goes through the proxy."""
    before = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    changed = {**before, "HTTP_PROXY": running.url, "AWS_SDK_UA_APP_ID": region}
    if "STREAM_FAILURES" in before:
        # Our own reader of streams understands the report of a failure, which the emulator's does not.
        changed["STREAM_FAILURES"] = "report"
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": changed})


def _wake(stage: Stage, policies: str) -> None:
    """Let every function of every region start, so that no cold start is measured."""
    nothing = {"format": 1, "dataset": DATASET, "policies": policies, "changes": []}
    for region, tables in stage.world.tables.items():
        item = {"pk": {"S": f"wake-{region}"}, "write": {"S": "wake"}}
        client(stage.world, "dynamodb", region).put_item(TableName=tables[DATASET], Item=item)
        outbox = SqsOutbox(
            client(stage.world, "sqs", region), queue_url(stage.world, f"distributary-{DATASET}-outbox", region)
        )
        outbox.hold(region, [json.dumps({**nothing, "home": region})])
    comparison = wait_for_convergence(stage.world, DATASET, seconds=WAKE_SECONDS)
    if comparison.differences:
        raise LocalWorldError(f"Before any fault the regions did not become equal: {comparison.sentence()}")


@contextmanager
def mapping_off(world: World, region: str, function: str) -> Iterator[None]:
    """While this lasts, the emulator does not invoke the function."""
    functions = client(world, "lambda", region)
    switch(functions, function, on=False)
    try:
        yield
    finally:
        switch(functions, function, on=True)


def _policies(replication: Path) -> str:
    dataset = settings.load(replication).dataset(DATASET)
    if dataset is None:
        raise LocalWorldError(f"{replication}: the fault runs need a dataset {DATASET!r}")
    return dataset.policies


def _mapping(functions: Any, function: str) -> str:
    (found,) = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    return str(found["UUID"])


def switch(functions: Any, function: str, *, on: bool) -> None:
    """Let the emulator poll for a function, or not; returns when that is so."""
    mapping = _mapping(functions, function)
    functions.update_event_source_mapping(UUID=mapping, Enabled=on)
    wanted = "Enabled" if on else "Disabled"
    deadline = time.monotonic() + 20
    while functions.get_event_source_mapping(UUID=mapping)["State"] != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
