"""The local world made ready for faults: a proxy under the functions, and streams that are read region by region."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from chaos.proxy import Proxy, proxy
from chaos.streams import Stream
from local.clients import client
from local.convergence import wait_for_convergence
from local.cutoff import queue_url
from local.world import World

DATASET = "orders"
FUNCTIONS = tuple(f"distributary-{DATASET}-{name}" for name in ("capture", "apply", "forward"))
VISIBILITY_SECONDS = 20
"""In place of the template's 360 and more: how long messages of a killed function stay out of sight."""


@dataclass(frozen=True)
class Stage:
    """What faults are played on."""

    world: World
    proxy: Proxy
    streams: dict[str, Stream]

    def healthy(self) -> bool:
        """Whether every stream is still being read."""
        return not any(stream.errors for stream in self.streams.values())


@contextmanager
def staged(world: World) -> Iterator[Stage]:
    """Make a world that is at rest ready, and put everything back at the end."""
    with ExitStack() as undo:
        running = undo.enter_context(proxy(world))
        streams = {}
        for region in world.tables:
            for function in FUNCTIONS:
                undo.enter_context(_behind_proxy(world, region, function, running))
            for queue in ("inbox", "outbox"):
                undo.enter_context(_short_visibility(world, region, queue))
            undo.enter_context(mapping_off(world, region, FUNCTIONS[0]))
        wait_for_convergence(world, DATASET, seconds=60)
        for region in world.tables:
            streams[region] = Stream(world, region)
            streams[region].start()
            undo.callback(streams[region].stop)
        yield Stage(world, running, streams)


@contextmanager
def _behind_proxy(world: World, region: str, function: str, through: Proxy) -> Iterator[None]:
    """The function's SDK keeps the emulator's address, which it signs, and goes through the proxy."""
    functions = client(world, "lambda", region)
    before = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    # Our own reader of streams understands the report of a failure, which the emulator's does not.
    changed = {**before, "HTTP_PROXY": through.url, "AWS_SDK_UA_APP_ID": region}
    if "STREAM_FAILURES" in before:
        changed["STREAM_FAILURES"] = "report"
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": changed})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": before})


@contextmanager
def _short_visibility(world: World, region: str, queue: str) -> Iterator[None]:
    queues = client(world, "sqs", region)
    url = queue_url(world, f"distributary-{DATASET}-{queue}", region)
    name = "VisibilityTimeout"
    before = queues.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    queues.set_queue_attributes(QueueUrl=url, Attributes={name: str(VISIBILITY_SECONDS)})
    try:
        yield
    finally:
        queues.set_queue_attributes(QueueUrl=url, Attributes={name: before})


@contextmanager
def mapping_off(world: World, region: str, function: str) -> Iterator[None]:
    """While this lasts, the emulator does not invoke the function."""
    functions = client(world, "lambda", region)
    (mapping,) = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    _switch(functions, mapping["UUID"], on=False)
    try:
        yield
    finally:
        _switch(functions, mapping["UUID"], on=True)


def _switch(functions: Any, mapping: str, *, on: bool) -> None:
    functions.update_event_source_mapping(UUID=mapping, Enabled=on)
    wanted = "Enabled" if on else "Disabled"
    deadline = time.monotonic() + 20
    while functions.get_event_source_mapping(UUID=mapping)["State"] != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
