"""Fetches DynamoDB Local once: the npm package that carries it, without its dependencies, checked by its hash."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "amplify-dynamodb-simulator@2.9.30"
INTEGRITY = "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
HOME = Path(__file__).resolve().parents[2] / ".dynamodb-local"
JAR = HOME / "emulator" / "DynamoDBLocal.jar"
_READY = HOME / INTEGRITY[7:23].replace("/", "_")


def install() -> str | None:
    """Make sure that the engine is there; says what is missing if it cannot be had."""
    HOME.mkdir(exist_ok=True)
    # Parallel test processes wait here for the first of them.
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _READY.exists():
            return None
        npm = shutil.which("npm")
        if npm is None:
            return "npm is missing: DynamoDB Local comes in an npm package"
        with tempfile.TemporaryDirectory(dir=HOME) as folder:
            return _fetch(npm, Path(folder))


def _fetch(npm: str, folder: Path) -> str | None:
    packed = subprocess.run(
        [npm, "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if packed.returncode:
        return f"npm could not fetch {PACKAGE}: {packed.stderr.strip()[-500:]}"
    (archive,) = folder.glob("*.tgz")
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise RuntimeError(f"{PACKAGE} is not the pinned one: {found}")
    with tarfile.open(archive) as tar:
        members = [each for each in tar.getmembers() if each.name.startswith("package/emulator/")]
        tar.extractall(folder, members, filter="data")
    shutil.rmtree(HOME / "emulator", ignore_errors=True)
    (folder / "package" / "emulator").rename(HOME / "emulator")
    _READY.touch()
    return None
