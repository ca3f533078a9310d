"""The record of a running local world, kept in a file so that every command finds it again."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).resolve().parent.parent
STATE_FOLDER = Path(os.environ.get("DISTRIBUTARY_LOCAL", PROJECT / ".local"))
STATE_FILE = STATE_FOLDER / "world.json"


class LocalWorldError(Exception):
    """Something the user can put right; the message says what and how."""


@dataclass(frozen=True, eq=False)
class World:
    """Where the emulator listens, who may call it, and what runs in it.

    `started` is the emulator's time of creation: with it, a process that got the same id later is not
    mistaken for ours. `sources` is the digest of everything that was deployed. `tables` maps region and
    dataset to the DynamoDB table's name, `aurora` to the database's address, which holds its password. `complete`:
    whether every stack has been deployed. `servers`: process id, time of creation and folder of each PostgreSQL.
    """

    pid: int
    started: float
    endpoint: str
    account: str
    access_key_id: str
    secret_access_key: str
    sources: str
    tables: dict[str, dict[str, str]]
    aurora: dict[str, dict[str, str]] = field(default_factory=dict)
    servers: list[tuple[int, float, str]] = field(default_factory=list)
    complete: bool = False

    @property
    def regions(self) -> list[str]:
        """All regions, in the order of the file."""
        return list(dict.fromkeys((*self.tables, *self.aurora)))

    def process(self) -> psutil.Process | None:
        """The emulator's process, or None when it no longer runs."""
        try:
            process = psutil.Process(self.pid)
            ours = abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if ours else None

    def environment(self) -> dict[str, Any]:
        """What `make env` prints: all that an AWS client needs to know."""
        return {
            "endpoint": self.endpoint,
            "credentials": {
                "access_key_id": self.access_key_id,
                "secret_access_key": self.secret_access_key,
            },
            "regions": {
                region: {"tables": self.tables.get(region, {}), "aurora": self.aurora.get(region, {})}
                for region in self.regions
            },
        }

    def save(self) -> None:
        """Write the record; only its owner may read the credentials in it."""
        draft = STATE_FILE.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        draft.replace(STATE_FILE)


def recorded() -> World | None:
    """The world that was last started here, whether it still runs or not."""
    try:
        return World(**json.loads(STATE_FILE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def running() -> World:
    """The world that is up.

    Raises:
        LocalWorldError: when there is none.
    """
    world = recorded()
    if world is None or not world.complete or world.process() is None:
        raise LocalWorldError("The local world is not running. Start it with: make up")
    return world


def forget() -> None:
    """Remove the record of a world that has ended."""
    STATE_FILE.unlink(missing_ok=True)


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the project's lock, so that two commands never start or stop the same world at once.

    Raises:
        LocalWorldError: when another command holds it.
    """
    STATE_FOLDER.mkdir(parents=True, exist_ok=True)
    with (STATE_FOLDER / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise LocalWorldError(
                "Another `up` or `down` is at work in this project. Wait for it to end, then try again."
            ) from None
        yield
