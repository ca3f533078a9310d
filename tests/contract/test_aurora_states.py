"""The triggers of stateful tables: after any statement of an application a row's state is what the rules say."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from distributary.domain.policies import Policy
from tests.contract.aurora_sites import REGIONS, Site
from tests.contract.state_player import ATTRIBUTES, COLUMNS, FUNCTIONS, Player

PRIORITY = {Policy.REGION_PRIORITY: REGIONS}
GENERATIONS = {policy: 1 + 9 * at for at, policy in enumerate(Policy)}
FRESH = count(1, 10)
"""Keys that no other example has."""

NUMBERS = ["0", "1", "-1", "1.5", "1.50", "2", "10", "-12.25", "1e39", "-123456789012345678901234567890.123456789"]
TEXTS = ["", "a", "b", "a b", "NULL", 'q"\\', "{,}", "é\u00a0", "\u00a0x", "ß水"]
LITERALS = {
    "note": st.sampled_from(TEXTS),
    "other": st.sampled_from(['{"a":1}', '{"a": 1}', "null"]),
    "exact": st.sampled_from([*NUMBERS, "NaN", "Infinity", "1e200", f"0.{'0' * 190}1"]),
    "whole": st.sampled_from(["0", "1", "-7", "9223372036854775807", "-9223372036854775808"]),
    "cents": st.sampled_from(["0", "1.5", "1.50", "-3.25"]),
    "tags": st.lists(st.sampled_from(TEXTS), max_size=4).map(
        lambda some: "{" + ",".join('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in some) + "}"
    )
    | st.sampled_from(["{a,NULL}", "{{a,b},{c,d}}", "[2:3]={a,b}"]),
    "ids": st.lists(st.integers(-2, 12), max_size=4).map(lambda some: "{" + ",".join(map(str, some)) + "}"),
    "high": st.sampled_from([*NUMBERS, "NaN", "-Infinity", "Infinity"]),
    "low": st.sampled_from(["0", "1", "-1", "10", "9"]),
    "day": st.sampled_from(
        ["2024-01-01", "2024-01-01 00:00:00.5+00", "2023-12-31 23:00:00-05", "infinity", "-infinity"]
    ),
    "longest": st.sampled_from(TEXTS),
    "rate": st.sampled_from([*NUMBERS[:8], "NaN", "Infinity", "1e200", f"0.{'0' * 190}1"]),
    "ever": st.sampled_from(["t", "f"]),
    "bag": st.sampled_from(['{"a": 1}', '{"a": 1.0, "b": "x"}', '{"b": "\\"q\\u00e9"}', "null", "5", '["a", null]']),
}


@st.composite
def values(draw: st.DrawFn) -> dict[str, str | None]:
    """Some columns with what is written there."""
    names = draw(st.lists(st.sampled_from(list(COLUMNS)), max_size=5, unique=True))
    return {name: draw(st.none() | LITERALS[name]) for name in names}


KINDS = ["update", "update", "update", "arrive", "arrive", "same", "delete", "move", "doubt", "forget"]
"""Of a row that is there; one that is not is inserted."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["insert", "update", "update", "update", "arrive", "arrive", "same", "delete", "move", "doubt", "forget"]
        ),
        st.integers(0, 2),
        values(),
    ),
    max_size=12,
)


@pytest.fixture(params=list(Policy), ids=lambda policy: policy.value)
def player(aurora: Site, request: pytest.FixtureRequest) -> Player:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    aurora.write(
        f"CREATE TABLE t (id int PRIMARY KEY, {columns})", "SET TimeZone = 'UTC'", "SET extra_float_digits = 1"
    )
    aurora.dataset = replace(
        aurora.dataset,
        conflict=request.param,
        priority=PRIORITY.get(request.param, ()),
        attributes=ATTRIBUTES,
        functions=FUNCTIONS,
        generation=GENERATIONS[request.param],
    )
    aurora.install()
    return Player(aurora, aurora.dataset.policies_of("public.t"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example([("insert", 0, {"bag": '{"b": 1}'}), ("arrive", 0, {"bag": '{"a": 1}'})])
def test_a_row_has_the_state_that_the_rules_say(
    player: Player, steps: list[tuple[str, int, dict[str, str | None]]]
) -> None:
    first = next(FRESH)
    there: set[int] = set()
    for kind, place, written in steps:
        key = first + place
        if key not in there:
            player.insert(key, written)
            there.add(key)
        elif kind in ("update", "arrive") and written:
            getattr(player, kind)(key, written)
        elif kind == "same":
            player.update(key, {"note": "as it is"})
            player.update(key, {"note": "as it is"})
        elif kind in ("doubt", "forget"):
            getattr(player, kind)(key)
        elif kind == "delete":
            player.delete(key)
            there.remove(key)
        elif kind == "move" and len(there) < 3:
            to = min({first, first + 1, first + 2} - there)
            player.move(key, to)
            there = (there - {key}) | {to}
