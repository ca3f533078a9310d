"""Stops the tests' world when the process that holds this one's standard input has ended, however it ended.

`python tests/end_to_end/guard.py`, with DISTRIBUTARY_LOCAL naming the world's folder.
"""

from __future__ import annotations

import subprocess
import sys
import time

PATIENCE = 300.0
DOWN = [sys.executable, "-m", "cli", "local", "down"]


def main() -> int:
    """Wait for the end, then stop the world; an `up` that is still at work holds the lock until it is done."""
    sys.stdin.read()
    deadline = time.monotonic() + PATIENCE
    while (status := subprocess.run(DOWN, check=False, stderr=subprocess.DEVNULL).returncode) != 0:
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return status


if __name__ == "__main__":
    sys.exit(main())
