"""A PostgreSQL server for the contract suites: on a unix socket in a folder of its own, stopped when left."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.postgresql import START_SECONDS, launch, programs, wait_for

OPTIONS = {
    "listen_addresses": "",
    "wal_level": "logical",
    "logical_decoding_work_mem": "64kB",
    "max_replication_slots": "50",
    "track_commit_timestamp": "on",
    "fsync": "off",
}


@contextmanager
def postgresql(version: int, **options: str) -> Iterator[str]:
    """The connection string of a new server. options: beside those of all, or instead of them."""
    # Not pytest's folder: that one is closed to other users, and too long a path for a socket.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        tools = programs(version, folder)
        if tools.user is not None:
            shutil.chown(folder, tools.user)
        data, log = folder / "data", folder / "log"
        tools.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N", cwd=folder)
        server = launch(tools, data, log, {**OPTIONS, **options, "unix_socket_directories": str(folder)})
        try:
            address = f"host={folder} user=postgres dbname=postgres client_encoding=UTF8"
            wait_for(address, server, log)
            yield address
        finally:
            server.send_signal(signal.SIGINT)  # which ends sessions and stops, SIGTERM would wait for them
            server.wait(timeout=START_SECONDS)
