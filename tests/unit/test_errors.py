"""Each error knows what is to be done about it, and the tree in the module's docstring is the real one."""

from __future__ import annotations

import inspect
import re

import pytest

from distributary.domain import errors
from distributary.domain.errors import (
    Disposition,
    DistributaryError,
    MalformedStamp,
    Misconfigured,
    RetryLater,
    Unacceptable,
)

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, DistributaryError) and each.__module__ == errors.__name__
]
LEAVES = [each for each in CLASSES if not each.__subclasses__()]
_LINE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:\s{2,}(?P<about>\S.*))?$")


def drawn_tree() -> dict[str, str | None]:
    """Each class in the docstring's drawing, with the class that it hangs on."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.match(line)
        if match is None or not (path or match["name"] == DistributaryError.__name__):
            continue
        path[len(match["indent"]) // 4 :] = [match["name"]]
        parents[match["name"]] = path[-2] if len(path) > 1 else None
    return parents


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    real = {
        each.__name__: each.__base__.__name__ for each in CLASSES if each.__base__ and each is not DistributaryError
    }
    assert drawn_tree() == {**real, DistributaryError.__name__: None}


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_each_error_tells_the_operator_what_to_do(kind: type[DistributaryError]) -> None:
    assert "hint" in vars(kind)
    assert kind.hint.endswith((".", "?"))
    assert len(kind.hint) < 120


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_no_error_advises_what_the_program_cannot_do(kind: type[DistributaryError]) -> None:
    assert not re.search("backfill|repair command|comparison", kind.hint)


def test_no_two_errors_give_the_same_advice() -> None:
    hints = [kind.hint for kind in LEAVES]
    assert len(set(hints)) == len(hints)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_branch_of_an_error_says_what_becomes_of_the_work(kind: type[DistributaryError]) -> None:
    expected = Disposition.RETRY
    if issubclass(kind, Unacceptable):
        expected = Disposition.PARK
    if issubclass(kind, Misconfigured):
        expected = Disposition.STOP
    assert kind.disposition is expected


def test_every_error_is_on_exactly_one_branch() -> None:
    branches = (RetryLater, Unacceptable, Misconfigured)
    assert all(sum(issubclass(kind, branch) for branch in branches) == 1 for kind in LEAVES)


def test_an_unreadable_stamp_is_no_error_of_the_program() -> None:
    assert not issubclass(MalformedStamp, DistributaryError)
