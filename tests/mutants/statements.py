"""Mutants of statements outside of functions, which mutmut cannot switch on at run time: constants, defaults, members.

They are made by the same operators, written to the file one at a time, and tried with all unit tests.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import libcst as cst
from mutmut.configuration import config
from mutmut.mutation.file_mutation import create_mutations, deep_replace

from tests.mutants.mutant import Fate, Mutant, changed
from tests.mutants.stage import DOMAIN

LONGEST_RUN = 600
"""Seconds after which the tests of one mutant are taken for an endless loop; they take less than a minute."""


def run(stage: Path) -> Iterator[Mutant]:
    """Try every mutant. `stage` is laid out, and is so again afterwards."""
    with chdir(stage):
        arguments = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
        for path in sorted(DOMAIN.glob("*.py")):
            code = path.read_text()
            try:
                for mutated in _mutated(str(path), code):
                    path.write_text(mutated)
                    was, now = changed(code, mutated)
                    yield Mutant(path.stem, was, now, _fate(arguments))
            finally:
                path.write_text(code)


def _mutated(path: str, code: str) -> Iterator[str]:
    module, mutations, *_ = create_mutations(path, code)
    for mutation in mutations:
        if isinstance(mutation.contained_by_top_level_function, cst.FunctionDef):
            continue
        mutated = deep_replace(module, mutation.original_node, mutation.mutated_node)
        if isinstance(mutated, cst.Module):
            yield mutated.code


def _fate(arguments: list[str]) -> Fate:
    tests = [sys.executable, "-B", "-m", "pytest", "-x", "-q", *arguments]
    try:
        done = subprocess.run(tests, capture_output=True, check=False, timeout=LONGEST_RUN)
    except subprocess.TimeoutExpired:
        return Fate.KILLED
    return Fate.KILLED if done.returncode else Fate.SURVIVED
