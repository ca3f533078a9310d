"""The fault-injecting proxy (microburst) between the deployed functions and the emulator."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from local.emulator import LOOPBACK, free_port
from local.world import STATE_FOLDER, LocalWorldError, World

PROGRAM = Path(sys.executable).with_name("microburst")
START_SECONDS = 30.0

Rule = dict[str, Any]
"""One rule as microburst takes it; of several that match, the first whose dice fall acts."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Proxy:
    """A running proxy.

    It reads in a call's signature which region the call is for, and in its user agent which region it comes from.
    """

    url: str

    def obey(self, rules: Sequence[Rule]) -> None:
        """Replace all rules; none lets everything pass."""
        self._control("rules", "POST", rules)

    def faults(self) -> int:
        """How many calls it has interfered with so far."""
        return int(self._control("stats", "GET")["requests"]["faulted"])

    def answers(self) -> bool:
        """Whether it has come up."""
        try:
            self._control("health", "GET")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def _control(self, what: str, method: str, body: Sequence[Rule] | None = None) -> Any:
        data = None if body is None else json.dumps(list(body)).encode()
        request = urllib.request.Request(f"{self.url}/_microburst/{what}", data, method=method)  # noqa: S310 - loopback
        with _DIRECT.open(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def proxy(world: World) -> Iterator[Proxy]:
    """A proxy in front of the world's emulator; it ends with the block."""
    port = free_port()
    STATE_FOLDER.mkdir(parents=True, exist_ok=True)
    log = STATE_FOLDER / "proxy.log"
    command = [str(PROGRAM), "--upstream", world.endpoint, "--host", LOOPBACK, "--port", str(port)]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        started = Proxy(f"http://{LOOPBACK}:{port}")
        _wait_for(started, child, log)
        _warm_up(world, started)
        yield started
    finally:
        # Killed, not asked: it would first wait for the calls that it lets hang.
        child.kill()
        child.wait()


def _wait_for(started: Proxy, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not started.answers():
        if child.poll() is not None or time.monotonic() > deadline:
            raise LocalWorldError(f"The proxy did not come up. Its log: {log}")
        time.sleep(0.1)


def _warm_up(world: World, started: Proxy) -> None:
    """One call, since the proxy reads the SDK's models of all services before it lets the first one pass."""
    patient = Config(proxies={"http": started.url}, read_timeout=90, retries={"total_max_attempts": 1})
    database: Any = get_session().create_client(
        "dynamodb",
        region_name=next(iter(world.tables)),
        endpoint_url=world.endpoint,
        aws_access_key_id=world.access_key_id,
        aws_secret_access_key=world.secret_access_key,
        config=patient,
    )
    database.list_tables()
