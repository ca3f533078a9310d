"""Columns that a function joins: what triggers keep for it, what travels, and what the home row shows then."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from distributary.domain.change import Change
from distributary.domain.message import unpack
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Join
from tests.contract.aurora_sites import Site

THERE = "eu-west-1"


def with_function(site: Site, kind: str, handed: Handed, function: Join) -> None:
    """A table with a column that it joins."""
    site.write(f"CREATE TABLE t (id int PRIMARY KEY, v {kind}, note text)")
    rules = {"public.t.v": AttributeRule(AttributePolicy.CUSTOM, "users:own", handed)}
    site.dataset = replace(site.dataset, attributes=rules, functions={"users:own": function})
    site.install()


def part(site: Site) -> Any:
    """What the row keeps of the column."""
    ((text,),) = site.ask("SELECT replication_state FROM t")
    return json.loads(text).get("a", {}).get("v")


def shipped(site: Site) -> Change:
    site.capture()
    (message,) = site.queues[THERE].messages.values()
    (change,) = unpack(message.body, site.dataset)
    return change


@pytest.mark.parametrize(
    ("kind", "handed", "values", "joined"),
    [
        ("text", Handed.TEXT, ["b", "ccc", "dd"], "ccc"),
        ("varchar(5)", Handed.TEXT, ["b", "ccc", "dd"], "ccc"),
        ("char(4)", Handed.TEXT, ["b", "ccc", "dd"], "dd  "),
        ("boolean", Handed.TEXT, ["t", "f"], "t"),
        ("date", Handed.TEXT, ["2024-02-01", "2024-01-01"], "2024-02-01"),
        ("timestamptz", Handed.TEXT, ["2024-02-01 00:00+01", "2024-01-01 00:00+00"], "2024-01-31 23:00:00+00"),
        ("float8", Handed.TEXT, ["1e-7", "0.1"], "1e-07"),
        ("text[]", Handed.TEXT, ['{"a b",NULL}', "{}"], '{"a b",NULL}'),
        ("smallint", Handed.NUMBER, ["10", "9"], "10"),
        ("numeric", Handed.NUMBER, ["10.0", "9.5", "10"], "10.0"),
        ("numeric(6,2)", Handed.NUMBER, ["10", "9.5"], "10.00"),
        ("boolean", Handed.BOOLEAN, ["t", "f"], "t"),
        ("json", Handed.JSON, ['{"b": 1}', '{"a":  2}'], '{"b": 1}'),
        ("jsonb", Handed.JSON, ['{"b":1.50}', "null"], '{"b": 1.50}'),
    ],
)
def test_what_writes_have_replaced_is_joined_and_shown(
    aurora: Site, kind: str, handed: Handed, values: list[str], joined: str
) -> None:
    # given: a function by which the longer text stands, of two as long the later; or the greater value
    def longer(one: Any, other: Any) -> Any:
        return max(one, other, key=lambda value: (len(str(value)), str(value)) if handed is Handed.JSON else value)

    longest: Join = (lambda one, other: max(one, other, key=lambda text: (len(text), text))) if kind in (
        "text", "varchar(5)", "char(4)", "text[]", "float8"
    ) else longer  # fmt: skip
    with_function(aurora, kind, handed, longest)
    # when
    aurora.write(f"INSERT INTO t VALUES (1, '{values[0]}')", *(f"UPDATE t SET v = '{value}'" for value in values[1:]))
    assert len(part(aurora)["q"]) == len(values) - 1
    change = shipped(aurora)
    # then: what travels is joined, and so is the home row, as the same write by replication
    assert change.image is not None
    assert change.image["v"] == {"S": joined}
    assert aurora.ask("SELECT format('%s', v), split_part(replication_stamp, ' ', 2) FROM t") == [(joined, "r")]
    assert part(aurora) is None
    # and: that was an echo
    aurora.queues[THERE].messages.clear()
    aurora.capture()
    assert not aurora.queues[THERE].messages


def test_the_text_that_is_kept_depends_on_no_setting_of_the_application(aurora: Site) -> None:
    with_function(aurora, "timestamptz", Handed.TEXT, max)
    aurora.write("SET TimeZone = 'Asia/Tokyo'", "SET DateStyle = 'German'")
    aurora.write("INSERT INTO t VALUES (1, '2024-02-01 00:00+00')", "UPDATE t SET v = '2024-01-01 00:00+00'")
    assert part(aurora) == {"q": ["2024-02-01 00:00:00+00"]}


def test_what_is_written_twice_is_kept_once(aurora: Site) -> None:
    with_function(aurora, "int", Handed.NUMBER, max)
    aurora.write("INSERT INTO t VALUES (1, 1)", *(f"UPDATE t SET v = {1 + at % 3}" for at in range(30)))
    assert part(aurora) == {"q": ["1", "2", "3"]}


@pytest.mark.parametrize("nothing", ["NULL", "'NaN'", "'Infinity'", "1e200"])
def test_what_the_function_cannot_mean_begins_anew(aurora: Site, nothing: str) -> None:
    with_function(aurora, "numeric", Handed.NUMBER, max)
    aurora.write("INSERT INTO t VALUES (1, 9)", f"UPDATE t SET v = {nothing}", "UPDATE t SET v = 5")
    assert list(part(aurora)) == ["e"]
    assert shipped(aurora).image["v"] == {"S": "5"}  # type: ignore[index]


def test_a_row_that_an_application_keeps_locked_does_not_hold_up_the_log(aurora: Site) -> None:
    # given: what capture has to join, and a transaction that does not end
    with_function(aurora, "int", Handed.NUMBER, max)
    aurora.write("INSERT INTO t VALUES (1, 9)", "UPDATE t SET v = 5")
    with psycopg.connect(aurora.address) as other:
        other.execute("SELECT FROM t FOR UPDATE")
        # when
        change = shipped(aurora)
        # then: peers have it, and this region will
        assert change.image is not None
        assert change.image["v"] == {"S": "9"}
        assert aurora.ask("SELECT v FROM t") == [(5,)]
        other.rollback()
    held = [each.body for each in aurora.held.messages.values()]
    assert [each.image["v"] for body in held for each in unpack(body, aurora.dataset) if each.image] == [{"S": "9"}]
    for body in held:
        aurora.queues[aurora.region].send(body)
    aurora.apply()
    assert aurora.ask("SELECT v FROM t") == [(9,)]
    assert not aurora.parking.parcels
