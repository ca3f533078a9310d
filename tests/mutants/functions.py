"""Mutants of functions and methods: mutmut makes them, runs the unit tests that reach each, and keeps the results."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from tests.mutants.mutant import Fate, Mutant

KILLED = {"killed", "timeout", "suspicious", "segfault"}
SURVIVED = {"survived", "no tests"}
NOT_RUN = 255
"""The exit code of a worker that could not run the tests at all, which mutmut takes for one that was too slow."""


def run(stage: Path, workers: int) -> Iterator[Mutant]:
    """Try every mutant that has no result yet, and tell of all."""
    mutmut = Path(sys.executable).with_name("mutmut")
    subprocess.run([mutmut, "run", "--max-children", str(workers)], cwd=stage, check=True)
    with chdir(stage):
        for path in sorted(walk_mutatable_files()):
            results = SourceFileMutationData(path=path)
            results.load()
            for key, code in results.exit_code_by_key.items():
                if code == NOT_RUN:
                    raise RuntimeError(f"the tests of {key} could not be run; do the names of all of them last?")
                yield _mutant(path, key, status_by_exit_code[code])


def _mutant(path: Path, key: str, status: str) -> Mutant:
    if status not in KILLED | SURVIVED:
        raise RuntimeError(f"mutmut says of {key}: {status}")
    diff = get_diff_for_mutant(key, path=path).splitlines()[2:]
    was, now = (" ".join(line[1:].strip() for line in diff if line.startswith(sign)) for sign in "-+")
    function, owner = orig_function_and_class_names_from_key(key)
    where = ".".join(filter(None, (path.stem, owner, function)))
    return Mutant(where, was, now, Fate.KILLED if status in KILLED else Fate.SURVIVED)
