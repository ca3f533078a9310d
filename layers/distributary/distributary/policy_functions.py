"""Loads the functions of custom policies, once at a cold start, and guards each call of them."""

from __future__ import annotations

import importlib
import inspect
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from distributary.domain.dataset import Dataset
from distributary.domain.errors import InvalidSettings, PolicyFailed
from distributary.domain.plain import typed
from distributary.domain.policies import Join
from distributary.settings_file import FILE

LONGEST_CALL = 1.0
"""Seconds that one call may take."""


class _TooSlow(BaseException):
    """Raised inside a function that takes too long; no `except Exception` of its own stops it."""


def load_functions(dataset: Dataset) -> Mapping[str, Join]:
    """The functions that the custom rules of a dataset name, by these names, each of them guarded.

    Raises:
        InvalidSettings: for the first that cannot be imported or called, with its key in replication.toml.
    """
    return {
        rule.function: guarded(rule.function, f"{FILE}: datasets.{dataset.name}.attributes.{attribute}.custom")
        for attribute, rule in dataset.attributes.items()
        if rule.function
    }


def guarded(name: str, where: str) -> Join:
    """The function of the name "package.module:function"; its calls raise PolicyFailed and nothing else.

    Raises:
        InvalidSettings: where it cannot be imported or does not take two values; `where` names the place of the name.
    """
    remedy = "put its package into layers/policies and build again"
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:
        told = f"{type(error).__name__}: {error}"
        raise InvalidSettings(f"{where}: {name} cannot be imported ({told}); {remedy}") from error
    if not callable(found) or not _takes_two(found):
        raise InvalidSettings(f"{where}: {name} is no function of two values; {remedy}")
    return _Guarded(name, found)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a function in C does not always tell what it takes
        return True
    return True


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A function whose failures are ours to park."""

    name: str
    function: Join

    def __call__(self, left: Any, right: Any) -> Any:
        try:
            with _limited():
                result = self.function(left, right)
        except _TooSlow:
            raise PolicyFailed(f"{self.name} took longer than {LONGEST_CALL:g} s") from None
        except (Exception, SystemExit) as error:
            # Not the error's own text: it may tell of the row, and the reason of what is parked is logged.
            raise PolicyFailed(f"{self.name} raised {type(error).__name__} in line {_line(error)}") from error
        try:
            typed(result)
        except (ValueError, RecursionError) as error:
            raise PolicyFailed(f"{self.name} gave what no row can hold: {error}") from error
        return result


def _line(error: BaseException) -> int:
    """Where it was raised."""
    return [line for _, line in traceback.walk_tb(error.__traceback__)][-1]


@contextmanager
def _limited() -> Iterator[None]:
    """Let what is inside take a second. Where no timer can be set, outside the main thread, measure afterwards."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        begin = time.monotonic()
        yield
        if time.monotonic() - begin > LONGEST_CALL:
            raise _TooSlow
        return

    begin, before = time.monotonic(), signal.signal(signal.SIGALRM, _interrupt)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, LONGEST_CALL)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
        if delay:  # somebody else's timer, such as a test's
            signal.setitimer(signal.ITIMER_REAL, max(0.001, delay - (time.monotonic() - begin)), interval)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlow
