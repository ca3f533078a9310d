"""Three regions under each policy: whatever is written where, and in whatever order it arrives, they end alike."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from random import Random

import psycopg
import pytest

from distributary.adapters.aurora.known_tables import KnownTables
from distributary.adapters.aurora.names import TableName
from distributary.domain.errors import PoliciesAhead, TriggersBehind
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Policy
from tests.contract.aurora_sites import REGIONS, Site, Sites
from tests.contract.state_player import ATTRIBUTES, COLUMNS, FUNCTIONS

pytestmark = pytest.mark.xdist_group("postgresql_regions")

COUNTER = AttributeRule(AttributePolicy.COUNTER)
KEYS = 6
TURNS = 150
LITERALS = {
    "note": ["'a'", "'b'", "NULL"],
    "other": ["'{\"a\": 1}'", "'null'"],
    "exact": ["exact + 1.50", "exact - 0.25", "exact * 2", "0"],
    "whole": ["whole + 1", "whole - 10", "5"],
    "cents": ["cents + 0.01", "NULL"],
    "tags": ["tags || '{a,b}'::text[]", "array_remove(tags, 'a')", "tags || ARRAY['x y', '']", "'{}'", "'{b,NULL}'"],
    "ids": ["ids || 10", "array_remove(ids, 2)", "ids || '{2,1}'::int[]"],
    "high": ["high + 1", "7.0", "7", "3"],
    "low": ["low - 1", "0", "5"],
    "day": ["'2024-01-01'", "day + interval '1 day'", "'2025-06-30 12:00+02'"],
    "longest": ["'x'", "'yy'", "longest || 'z'", "NULL"],
    "rate": ["rate + 1.50", "-rate", "2.0", "'NaN'"],
    "ever": ["NOT ever", "true", "NULL"],
    "bag": ["bag || '{\"a\": 1}'", "'{\"b\": [1.50]}'", 'bag || \'{"a": 2, "c": null}\''],
}
FIRST = {
    "exact": "0", "whole": "0", "cents": "1", "tags": "'{a}'", "ids": "'{1,2}'", "high": "1", "low": "9",
    "day": "'2023-05-05'", "longest": "'w'", "rate": "1", "ever": "false", "bag": "'{}'",
}  # fmt: skip


def write(site: Site, random: Random) -> None:
    """Some statement of an application; one that makes no sense just now is refused by the database."""
    key = random.randint(1, KEYS)
    kind = random.choices(["update", "insert", "delete", "move"], [8, 4, 1, 1])[0]
    names = random.sample(list(COLUMNS), random.randint(1, 4))
    statements = {
        "insert": f"INSERT INTO t (id, {', '.join(FIRST)}) VALUES ({key}, {', '.join(FIRST.values())})",
        "update": f"UPDATE t SET {', '.join(f'{n} = {random.choice(LITERALS[n])}' for n in names)} WHERE id = {key}",
        "delete": f"DELETE FROM t WHERE id = {key}",
        "move": f"UPDATE t SET id = {random.randint(1, KEYS)} WHERE id = {key}",
    }
    try:
        site.write(statements[kind])
    except psycopg.errors.UniqueViolation:
        pass
    except psycopg.errors.NumericValueOutOfRange:
        pass


def played(regions: Sites, random: Random) -> None:
    """A turn: somebody writes, and some of the functions may run, on whatever messages there are."""
    site = random.choice(regions.all)
    for _ in range(random.choice([1, 1, 3])):
        write(site, random)
    if random.random() < 0.4:
        with suppress(PoliciesAhead):  # of what newer triggers have left to be joined; the functions follow
            random.choice(regions.all).capture()
    if random.random() < 0.4:
        random.choice(regions.all).apply(
            lambda names: random.sample(names, random.randint(0, len(names))), again=lambda: random.random() < 0.3
        )


def alike(regions: Sites) -> None:
    """All regions have the same rows, versions and states, and nothing was parked."""
    regions.same("SELECT id, format('%s', t.*) FROM (SELECT id, {} FROM t) t ORDER BY id".format(", ".join(COLUMNS)))
    regions.same("SELECT id, split_part(replication_stamp, ' ', 1) FROM t ORDER BY id")
    states = [
        [(key, json.loads(text or "null")) for key, text in each.ask("SELECT id, replication_state FROM t ORDER BY id")]
        for each in regions
    ]
    assert states[0] == states[1] == states[2]
    assert all(not each.parking.parcels for each in regions)


def table(regions: Sites) -> None:
    """A table with a row from before replication."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    regions.write(f"CREATE TABLE t (id int PRIMARY KEY, {columns})")
    regions.write(f"INSERT INTO t (id, {', '.join(FIRST)}) VALUES (1, {', '.join(FIRST.values())})")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("policy", list(Policy), ids=lambda policy: policy.value)
def test_regions_end_alike(regions: Sites, policy: Policy, seed: int) -> None:
    # given: a table with some rows from before replication, and some from before its policies
    table(regions)
    random = Random(f"{policy} {seed}")
    plain = regions.all[0].dataset
    for each in regions:
        each.dataset = plain
    regions.install()
    for each in regions:
        write(each, random)
    regions.settle()
    priority = random.sample(REGIONS, 3) if policy is Policy.REGION_PRIORITY else []
    for each in regions:
        each.dataset = replace(
            plain, conflict=policy, priority=tuple(priority), attributes=ATTRIBUTES, functions=FUNCTIONS, generation=2
        )
    regions.install()
    # when
    for _ in range(TURNS):
        played(regions, random)
    regions.settle()
    # then
    alike(regions)


@pytest.mark.parametrize("policy", list(Policy), ids=lambda policy: policy.value)
def test_regions_end_alike_that_get_other_policies_one_after_the_other(regions: Sites, policy: Policy) -> None:
    # given: a table with policies
    table(regions)
    random = Random(f"{policy} then others")
    plain = regions.all[0].dataset
    earlier, later = (
        replace(
            plain,
            conflict=each,
            priority=tuple(random.sample(REGIONS, 3)) if each is Policy.REGION_PRIORITY else (),
            attributes=dict(random.sample(list(ATTRIBUTES.items()), 8)),
            functions=FUNCTIONS,
            generation=generation,
        )
        for generation, each in enumerate((policy, random.choice([each for each in Policy if each is not policy])), 1)
    )
    for each in regions:
        each.dataset = earlier
    regions.install()
    # when: in each region functions and triggers are replaced, either first
    steps = [step for each in regions for step in ((each, "functions"), (each, "triggers"))]
    random.shuffle(steps)
    for turn in range(TURNS):
        played(regions, random)
        if turn >= TURNS // 3 and turn % 10 == 0 and steps:
            site, what = steps.pop()
            if what == "functions":
                site.dataset = later
            else:
                site.install_as(later)
    assert not steps
    regions.settle()
    # then
    alike(regions)


def test_what_two_regions_decided_by_earlier_policies_and_the_third_by_later_ones_is_alike(regions: Sites) -> None:
    # given: two writes that knew nothing of each other, and policies by which the later of them stands
    regions.write("CREATE TABLE t (id int PRIMARY KEY, v text)")
    home, peer, far = regions.all
    earlier = replace(home.dataset, conflict=Policy.REGION_PRIORITY, priority=REGIONS)
    later = replace(home.dataset, conflict=Policy.FIRST_WRITER_WINS, generation=2)
    for each in regions:
        each.dataset = earlier
    regions.install()
    peer.write("INSERT INTO t VALUES (1, 'first')")
    home.write("INSERT INTO t VALUES (1, 'more important')")
    home.capture()
    peer.capture()
    # when: two regions have both, and the third has them only once other policies are there
    home.apply()
    peer.apply()
    far.dataset = later
    far.install()
    far.apply()
    decided = [each.ask("SELECT v FROM t") for each in regions]
    for each in (home, peer):
        each.dataset = later
        each.install()
    regions.settle()
    # then: what they decided differently is decided again, by the later policies
    assert decided == [[("more important",)], [("more important",)], [("first",)]]
    assert regions.same("SELECT v FROM t") == [("first",)]
    regions.same("SELECT split_part(replication_stamp, ' ', 1), replication_state FROM t")


def test_a_column_that_loses_its_policy_keeps_what_applications_make_of_it_meanwhile(regions: Sites) -> None:
    """The shortest history that showed it: a row of two contents and one version, see `check_triggers`."""
    # given: a column with a policy of its own, and a peer where the functions have lost it and the triggers have not
    regions.write("CREATE TABLE t (id int PRIMARY KEY, c text, n int)")
    home, peer, far = regions.all
    rules = {"public.t.c": AttributeRule(AttributePolicy.CUSTOM, "users:longest", Handed.TEXT)}
    earlier = replace(home.dataset, attributes={**rules, "public.t.n": COUNTER}, functions={"users:longest": max})
    later = replace(home.dataset, conflict=Policy.FIRST_WRITER_WINS, attributes={"public.t.n": COUNTER}, generation=2)
    for each in regions:
        each.dataset = earlier
    regions.install()
    home.write("INSERT INTO t VALUES (1, '1', 5)")
    regions.settle()
    home.write("UPDATE t SET n = n + 1")
    peer.write("UPDATE t SET n = n + 1")
    home.capture()
    # when: what arrives there is in conflict with what is there
    peer.dataset = later
    failed = [type(error) for error in peer.apply().failed.values()]
    peer.write("UPDATE t SET c = '333'")
    # then: it waits for the triggers
    assert failed == [TriggersBehind]
    assert peer.ask("SELECT c, n FROM t") == [("333", 6)]
    # and: nothing is lost, and all regions end alike
    far.write("UPDATE t SET n = n + 1")
    for each in regions:
        each.dataset = later
        each.install()
    regions.settle()
    assert regions.same("SELECT c, n FROM t") == [("333", 8)]
    regions.same("SELECT split_part(replication_stamp, ' ', 1), replication_state FROM t")


@pytest.mark.parametrize("generation", [1, 2, 17])
def test_the_catalogue_tells_whose_policies_triggers_keep(regions: Sites, generation: int) -> None:
    # given
    regions.write("CREATE TABLE t (id int PRIMARY KEY, n int)")
    home = regions.all[0]
    home.dataset = replace(home.dataset, attributes={"public.t.n": COUNTER}, generation=generation)
    # when
    home.install()
    # then
    assert (
        KnownTables(home.session(), home.dataset, home.region)(TableName("public", "t"), False).generation == generation
    )
