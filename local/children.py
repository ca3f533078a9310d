"""Child processes that end with the command that started them, also when it is interrupted."""

import subprocess
import threading
from pathlib import Path
from typing import IO

import psutil


class Children:
    """The processes under way. `run` may be called from several threads, `stop` from any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: list[str], *, cwd: Path, env: dict[str, str], stdout: IO[bytes], stderr: int) -> int:
        """Run `command` to its end and return its exit status; negative when a signal ended it."""
        with self._lock:
            if self._stopped:
                return -1
            child = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
            self._running.add(child)
        try:
            return child.wait()
        except BaseException:
            self.stop()
            raise
        finally:
            with self._lock:
                self._running.discard(child)

    def stop(self) -> None:
        """End every process and its descendants, and start no more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for child in running:
            _end(child.pid)


def _end(pid: int) -> None:
    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
