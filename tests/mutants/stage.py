"""Lays the project out as mutmut can take it: sources under src/, the unit tests, no decorator around a function.

mutmut leaves decorated functions alone, which here are the rules told as properties and the parser of stamps. A
decorator is a call, so the stage says `settled = property(settled)` instead. Caches are taken away: an answer
that was cached before a mutant came to life would hide it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import libcst as cst

ROOT = Path(__file__).parents[2]
STAGE = ROOT / ".mutants"
PACKAGE = Path("src/distributary")
DOMAIN = PACKAGE / "domain"
SETTINGS = Path("pyproject.toml")
LAWS = (Path("cli/__init__.py"), Path("cli/policy_laws.py"))
"""The laws of a join, which unit tests share with the operator's command."""
_REMADE = {"property": "property", "cached_property": "property", "lru_cache": None}


class UnknownDecorator(Exception):
    """A function of the domain would be left out of mutation testing; teach the stage its decorator."""


class _Undecorated(cst.CSTTransformer):
    """Rewrites decorated functions as plain ones, followed by the call that the decorator stands for."""

    def leave_FunctionDef(  # noqa: N802  # libcst finds its visitors by these names
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        del original_node
        if not updated_node.decorators:
            return updated_node
        name = updated_node.name.value
        remade = _remade(updated_node)
        plain = updated_node.with_changes(decorators=[])
        return cst.FlattenSentinel([plain, cst.parse_statement(f"{name} = {remade}({name})")]) if remade else plain


def _remade(function: cst.FunctionDef) -> str | None:
    (decorator, *others) = (each.decorator for each in function.decorators)
    called = decorator.func if isinstance(decorator, cst.Call) else decorator
    if others or not isinstance(called, cst.Name) or called.value not in _REMADE:
        raise UnknownDecorator(function.name.value)
    return _REMADE[called.value]


def undecorated(code: str) -> str:
    """The same module, whose functions mutmut can take; raises UnknownDecorator."""
    return cst.parse_module(code).visit(_Undecorated()).code


def lay_out(stage: Path) -> None:
    """Bring the stage up to date with the project. What mutmut has found out is kept only where nothing changed."""
    wanted = _wanted()
    there = {path.relative_to(stage): path.read_text() for path in _laid_out(stage)}
    if there == wanted:
        return
    shutil.rmtree(stage, ignore_errors=True)
    for path, text in wanted.items():
        (stage / path).parent.mkdir(parents=True, exist_ok=True)
        (stage / path).write_text(text)


def _wanted() -> dict[Path, str]:
    sources, tests = ROOT / "layers/distributary/distributary", ROOT / "tests/unit"
    files = {PACKAGE / path.relative_to(sources): path.read_text() for path in sources.rglob("*.py")}
    files |= {path: undecorated(text) for path, text in files.items() if path.is_relative_to(DOMAIN)}
    others = [*tests.rglob("*.py"), *(ROOT / path for path in (*LAWS, SETTINGS))]
    return files | {path.relative_to(ROOT): path.read_text() for path in others}


def _laid_out(stage: Path) -> list[Path]:
    others = [stage / path for path in (*LAWS, SETTINGS) if (stage / path).exists()]
    return [*(stage / "src").rglob("*.py"), *(stage / "tests").rglob("*.py"), *others]
