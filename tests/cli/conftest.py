"""Stacks for the tests of commands, in moto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from rich.console import Console

from cli import conflicts as commands
from distributary import wiring
from distributary.domain.journal import REDACTS_NOTHING
from tests.cli.stacks import Stack, made_stack
from tests.unit.conflicts import HOUR, NOW


@pytest.fixture
def new_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes the stack, of a dataset that redacts or does not."""
    monkeypatch.setattr(commands, "console", Console(highlight=False, width=200))
    monkeypatch.setattr(wiring, "clock", lambda: NOW + HOUR)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    wiring._session.cache_clear()
    with mock_aws():
        yield lambda redaction=REDACTS_NOTHING: made_stack(redaction, tmp_path)


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    return new_stack()
