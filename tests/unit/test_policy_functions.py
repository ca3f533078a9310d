"""Functions of custom policies: found by name or refused with their key, and guarded in every call."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from distributary.domain.errors import InvalidSettings, PolicyFailed
from distributary.domain.policies import AttributePolicy, AttributeRule, Join
from distributary.policy_functions import LONGEST_CALL, guarded, load_functions
from tests.unit.sites import ORDERS

serial = count()

FUNCTIONS = """
def larger(left, right):
    return max(left, right)

def fails(left, right):
    raise KeyError("a secret of the row: %s" % left)

def leaves(left, right):
    raise SystemExit(1)

def sleeps(left, right):
    import time
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass

def dawdles(left, right):
    import time
    time.sleep(1.1)
    return left

def halves(left, right):
    return 1.5

def turns(left, right):
    left = []
    left.append(left)
    return left

def one(value): ...
def three(one, two, three): ...
def some(*values): return values[0]
def keyword(left, right, *, more): ...

class Larger:
    def __new__(cls, left, right):
        return max(left, right)

five = 5
biggest = max
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with functions, which no test before has imported."""
    name = f"rules{next(serial)}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / name / "prices.py").write_text(FUNCTIONS, encoding="utf-8")
    (tmp_path / name / "broken.py").write_text("def", encoding="utf-8")
    (tmp_path / name / "raising.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / name / "leaving.py").write_text("import sys\nsys.exit(0)", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return f"{name}.prices"


@pytest.fixture
def function(module: str) -> Callable[[str], Join]:
    return lambda name: guarded(f"{module}:{name}", "here")


@pytest.fixture
def alarms() -> Iterator[list[float]]:
    """Somebody else's timer, due in a minute; ends with how long it had left."""
    rung: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    signal.setitimer(signal.ITIMER_REAL, 60)
    yield rung
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


# --- by name


def test_the_functions_of_a_dataset_are_found_by_their_names(module: str) -> None:
    # given: two attributes with one function, one with another, one with none
    larger, biggest = f"{module}:larger", f"{module}:biggest"
    rules = {name: AttributeRule(AttributePolicy.CUSTOM, function)
             for name, function in (("a", larger), ("b", biggest), ("c", larger))}  # fmt: skip
    dataset = replace(ORDERS, attributes={**rules, "d": AttributeRule(AttributePolicy.MAX)})

    # when
    functions = load_functions(dataset)

    # then
    assert functions.keys() == {larger, biggest}
    assert [join(Decimal(1), Decimal(2)) for join in functions.values()] == [2, 2]


@pytest.mark.parametrize("name", ["larger", "some", "Larger", "biggest"])
def test_whatever_takes_two_values_is_a_function(function: Callable[[str], Join], name: str) -> None:
    assert function(name)("b", "a") in ("a", "b")


@pytest.mark.parametrize("name", ["one", "three", "keyword", "five"])
def test_what_does_not_take_two_values_is_refused(function: Callable[[str], Join], name: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"here: rules\d+.prices:{name} is no function of two values; put its"):
        function(name)


@pytest.mark.parametrize(
    ("instead", "why"),
    [
        ("nowhere:larger", "ModuleNotFoundError: No module named 'nowhere'"),
        ("{}.nowhere:larger", "ModuleNotFoundError: No module named"),
        ("{}.prices:nothing", "AttributeError: module"),
        ("{}.broken:larger", "SyntaxError: invalid syntax"),
        ("{}.raising:larger", "ZeroDivisionError: division by zero"),
        ("{}.leaving:larger", "SystemExit: 0"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_its_key(module: str, instead: str, why: str) -> None:
    name = instead.format(module.partition(".")[0])
    dataset = replace(ORDERS, attributes={"score": AttributeRule(AttributePolicy.CUSTOM, name)})
    with pytest.raises(InvalidSettings) as refused:
        load_functions(dataset)
    told = str(refused.value)
    assert told.startswith(f"replication.toml: datasets.orders.attributes.score.custom: {name} cannot be imported")
    assert why in told
    assert told.endswith("; put its package into layers/policies and build again")


# --- in each call


def test_an_error_of_the_function_is_told_without_the_row(function: Callable[[str], Join]) -> None:
    with pytest.raises(PolicyFailed, match=r"^rules\d+.prices:fails raised KeyError in line 6$"):
        function("fails")("4929", "4929")


def test_a_function_cannot_end_the_process(function: Callable[[str], Join]) -> None:
    with pytest.raises(PolicyFailed, match="raised SystemExit"):
        function("leaves")("a", "b")


@pytest.mark.parametrize(("name", "why"), [("halves", "a float is no value of a row"), ("turns", "recursion")])
def test_a_result_that_no_row_can_hold_is_refused(function: Callable[[str], Join], name: str, why: str) -> None:
    with pytest.raises(PolicyFailed, match=f"gave what no row can hold: .*{why}"):
        function(name)("a", "b")


def test_a_function_that_takes_too_long_is_interrupted(function: Callable[[str], Join]) -> None:
    begin = time.monotonic()
    with pytest.raises(PolicyFailed, match=r"sleeps took longer than 1 s"):
        function("sleeps")("a", "b")
    assert time.monotonic() - begin < 10 * LONGEST_CALL


def test_outside_the_main_thread_the_time_is_measured(function: Callable[[str], Join]) -> None:
    outcomes: list[Any] = []

    def call(name: str) -> None:
        try:
            outcomes.append(function(name)("a", "b"))
        except PolicyFailed as error:
            outcomes.append(str(error).partition(":")[2])

    for name in ("dawdles", "larger"):
        thread = threading.Thread(target=call, args=[name])
        thread.start()
        thread.join()
    assert outcomes == ["dawdles took longer than 1 s", "b"]


@pytest.mark.parametrize("name", ["larger", "fails", "sleeps"])
def test_a_call_leaves_signals_and_timers_as_they_were(
    function: Callable[[str], Join], alarms: list[float], name: str
) -> None:
    # given
    handler = signal.getsignal(signal.SIGALRM)

    # when
    with suppress(PolicyFailed):
        function(name)("a", "b")

    # then
    assert signal.getsignal(signal.SIGALRM) is handler
    assert 30 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert alarms == []


def test_without_a_call_under_way_no_timer_is_set(function: Callable[[str], Join]) -> None:
    function("larger")("a", "b")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
