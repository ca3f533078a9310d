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

FIRST = ["tests/unit/test_agreements.py"]
"""What is tried first, since it takes a second and notices most of these mutants."""

LONGEST_RUN = 600
"""Seconds after which the tests of one mutant are taken for an endless loop; they take less than a minute."""


def run(stage: Path, workers: int) -> list[Mutant]:
    """Try every mutant; raises RuntimeError where the tests fail without any."""
    with chdir(stage):
        options, tests = config().pytest_add_cli_args, config().pytest_add_cli_args_test_selection
        paths = sorted(DOMAIN.glob("*.py"))
        mutated = [each for path in paths for each in _mutated(path)]
        unchanged = paths[0].read_text()
    if _try(stage, paths[0], unchanged, options, tests).fate is Fate.KILLED:
        raise RuntimeError("the unit tests fail without a mutant")
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda each: _try(stage, each[0], each[1], options, tests), mutated))


def _mutated(path: Path) -> Iterator[tuple[Path, str]]:
    module, mutations, *_ = create_mutations(str(path), path.read_text())
    for mutation in mutations:
        if isinstance(mutation.contained_by_top_level_function, cst.FunctionDef):
            continue
        mutated = deep_replace(module, mutation.original_node, mutation.mutated_node)
        if isinstance(mutated, cst.Module):
            yield path, mutated.code


def _try(stage: Path, path: Path, code: str, options: list[str], tests: list[str]) -> Mutant:
    was, now = changed((stage / path).read_text(), code)
    with TemporaryDirectory() as folder:
        for part in ("src", "tests"):
            shutil.copytree(stage / part, Path(folder, part))
        shutil.copy(stage / "pyproject.toml", folder)
        Path(folder, path).write_text(code)
        survived = _survives(folder, [*options, *FIRST]) and _survives(folder, [*options, *tests])
    return Mutant(path.stem, was, now, Fate.SURVIVED if survived else Fate.KILLED)


def _survives(folder: str, arguments: list[str]) -> bool:
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", *arguments]
    try:
        return not subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=LONGEST_RUN).returncode
    except subprocess.TimeoutExpired:
        return False
