"""Errors as an operator wants to read them: one message, with the advice that they carry."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from distributary.domain.errors import DistributaryError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn errors into one message with the advice that they carry."""
    try:
        yield
    except DistributaryError as error:
        Console(stderr=True).print(f"error: {type(error).__name__}: {error}\n{error.hint}", style="red", markup=False)
        raise typer.Exit(1) from error
