"""Errors as an operator wants to read them: one message, with the advice that they carry."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from distributary.domain.errors import DistributaryError, InvalidSettings, RetryLater


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn errors into one message with the advice that they carry."""
    try:
        yield
    except DistributaryError as error:
        told = f"error: {type(error).__name__}: {error}\n{_advice(error)}"
        Console(stderr=True).print(told, style="red", markup=False)
        raise typer.Exit(1) from error


def _advice(error: DistributaryError) -> str:
    """What the operator can do: a command is not tried again by itself, and an option is no key of a file."""
    if isinstance(error, RetryLater):
        return "The command has ended; give it again once the cause is gone."
    if isinstance(error, InvalidSettings) and str(error).startswith("--"):
        return "Correct the option; --help tells what it takes."
    return error.hint
