"""Starts and stops the AWS emulator, which serves every region from one process on the loopback interface."""

import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import psutil

from local.world import PROJECT, STATE_FOLDER, LocalWorldError, World

ACCOUNT = "111122223333"
LOOPBACK = "127.0.0.1"
PYTHON = PROJECT / ".venv-ministack" / "bin" / "python"
LOG = STATE_FOLDER / "emulator.log"
SCRATCH = STATE_FOLDER / "scratch"
START_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Credentials:
    """The account's root key in the emulator, made anew for every start."""

    access_key_id: str
    secret_access_key: str


def start(sources: str) -> World:
    """Start the emulator on a free port and return once it answers.

    Raises:
        LocalWorldError: when it is not installed or does not come up.
    """
    if not PYTHON.exists():
        raise LocalWorldError("The emulator is not installed. Install it with: make venv")
    port = free_port()
    key = Credentials("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    with LOG.open("wb") as log:
        child = subprocess.Popen(
            [PYTHON, "-m", "ministack"],
            cwd=SCRATCH,
            env=_environment(port, key),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C is for this command, which then stops the emulator in order.
            start_new_session=True,
        )
    try:
        world = _record(child.pid, port, key, sources)
    except BaseException:
        # Without a record nothing would ever stop it.
        child.kill()
        raise
    _wait_until_it_answers(world, child)
    return world


def _record(pid: int, port: int, key: Credentials, sources: str) -> World:
    world = World(
        pid=pid,
        started=psutil.Process(pid).create_time(),
        endpoint=f"http://{LOOPBACK}:{port}",
        account=ACCOUNT,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        sources=sources,
        tables={},
    )
    world.save()
    return world


def stop(world: World) -> bool:
    """End the emulator and the functions that run under it; False when it was not running."""
    process = world.process()
    if process is None:
        return False
    # Functions ignore the end of their parent and are slow to end when asked. None of these processes has
    # anything to save: the emulator is halted, so that it starts no more functions, and all are ended at once.
    process.suspend()
    family = [*process.children(recursive=True), process]
    for member in family:
        _kill(member)
    psutil.wait_procs(family, timeout=STOP_SECONDS)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    return True


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _environment(port: int, key: Credentials) -> dict[str, str]:
    # Functions inherit the emulator's environment. It is made from nothing, so that they see what they
    # would see on AWS, and neither the developer's profile nor his credentials.
    return {
        "PATH": os.defpath,
        "HOME": str(SCRATCH),
        "TMPDIR": str(SCRATCH),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        # IAM is enforced: a function may do what its role allows, and nothing else.
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "LAMBDA_EXECUTOR": "local",
        # "INFO" writes a line for every request.
        "LOG_LEVEL": os.environ.get("EMULATOR_LOG_LEVEL", "WARNING"),
    }


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(world: World, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise LocalWorldError(f"The emulator ended with status {child.returncode}. Its log: {LOG}")
        try:
            with direct.open(f"{world.endpoint}/_ministack/health", timeout=5):
                # Whoever answers has to be the process just started, not one that took the port first.
                if _listens(world):
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.1)
    raise LocalWorldError(f"The emulator did not answer within {START_SECONDS:.0f} s. Its log: {LOG}")


def _listens(world: World) -> bool:
    process = world.process()
    if process is None:
        return False
    port = int(world.endpoint.rsplit(":", 1)[1])
    return any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in process.net_connections(kind="tcp"))
