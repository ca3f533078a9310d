"""Mutants of statements outside of functions, which mutmut cannot switch on at run time: constants, defaults, members.

They are made by the same operators; each is written into a copy of the stage and tried with all its unit tests.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import libcst as cst
from mutmut.configuration import config
from mutmut.mutation.file_mutation import create_mutations, deep_replace

from tests.mutants.mutant import Fate, Mutant, changed
from tests.mutants.stage import DOMAIN

LONGEST_RUN = 600
"""Seconds after which the tests of one mutant are taken for an endless loop; they take less than a minute."""


def run(stage: Path, workers: int) -> list[Mutant]:
    """Try every mutant."""
    with chdir(stage):
        tests = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
        mutated = [each for path in sorted(DOMAIN.glob("*.py")) for each in _mutated(path)]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda each: _try(stage, each[0], each[1], tests), mutated))


def _mutated(path: Path) -> Iterator[tuple[Path, str]]:
    module, mutations, *_ = create_mutations(str(path), path.read_text())
    for mutation in mutations:
        if isinstance(mutation.contained_by_top_level_function, cst.FunctionDef):
            continue
        mutated = deep_replace(module, mutation.original_node, mutation.mutated_node)
        if isinstance(mutated, cst.Module):
            yield path, mutated.code


def _try(stage: Path, path: Path, code: str, tests: list[str]) -> Mutant:
    was, now = changed((stage / path).read_text(), code)
    with TemporaryDirectory() as folder:
        for part in ("src", "tests"):
            shutil.copytree(stage / part, Path(folder, part))
        shutil.copy(stage / "pyproject.toml", folder)
        Path(folder, path).write_text(code)
        command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", *tests]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=LONGEST_RUN)
        except subprocess.TimeoutExpired:
            return Mutant(path.stem, was, now, Fate.KILLED)
    return Mutant(path.stem, was, now, Fate.KILLED if done.returncode else Fate.SURVIVED)
