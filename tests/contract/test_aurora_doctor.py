"""What the doctor finds in a database, and that it finds nothing in a healthy one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distributary.adapters.aurora import install
from distributary.adapters.aurora.catalog import tables
from distributary.adapters.aurora.doctor import Finding, Severity, compare, examine
from tests.contract.aurora_sites import BOTH_WAYS, Site, Sites

pytestmark = BOTH_WAYS


def found(site: Site) -> dict[tuple[str, str], Finding]:
    """The findings by subject and severity; there is one of each in these tests."""
    return {(each.subject, each.severity.value): each for each in examine(site.session(), site.dataset, site.region)}


def test_a_healthy_database_has_no_findings(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), v text)")
    aurora.install()
    assert found(aurora) == {}


def test_a_database_that_was_not_prepared_is_broken(aurora: Site) -> None:
    assert found(aurora)[("distributary", "broken")].remedy == "run `distributary aurora install`"


def test_the_database_of_another_region_is_broken(aurora: Site) -> None:
    # given
    aurora.write("CREATE TABLE t (id int PRIMARY KEY)")
    aurora.install()
    # when
    aurora.region = "eu-west-1"
    # then
    (told,) = found(aurora).values()
    assert (told.severity, told.subject) == (Severity.BROKEN, "distributary")
    assert "in us-east-1, not for" in told.problem


def test_a_table_without_a_key_is_broken(aurora: Site) -> None:
    aurora.install()
    aurora.write("CREATE TABLE t (id int)")
    assert "no primary key" in found(aurora)[('"public"."t"', "broken")].problem


def test_a_name_that_no_table_has_is_a_risk(aurora: Site) -> None:
    aurora.dataset = replace(aurora.dataset, tables=("public.*", "publik.*", "public.itmes"))
    aurora.write("CREATE TABLE t (id int PRIMARY KEY)")
    aurora.install()
    assert set(found(aurora)) == {("publik.*", "risk"), ("public.itmes", "risk")}


def test_a_table_that_came_later_is_named(aurora: Site) -> None:
    aurora.install()
    aurora.write("CREATE TABLE t (id int PRIMARY KEY)")
    assert found(aurora)[('"public"."t"', "broken")].problem == "is not replicated yet"


def test_tables_that_name_each_other_are_a_risk_and_those_beside_them_none(aurora: Site) -> None:
    aurora.write(
        "CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a)",
        "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)",
        "CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b)",
        "CREATE TABLE d (id int PRIMARY KEY, c int REFERENCES c)",
    )
    aurora.install()
    assert found(aurora) == {}
    aurora.write("ALTER TABLE a ADD COLUMN c int REFERENCES c")
    aurora.install()
    (finding,) = found(aurora).values()
    assert (finding.severity, finding.subject) == (Severity.RISK, '"public"."a", "public"."b", "public"."c"')


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["CREATE TABLE t (id serial PRIMARY KEY)"], "id is numbered by a sequence"),
        (["CREATE TABLE t (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY)"], "n is numbered by a sequence"),
        (["CREATE TABLE t (id int PRIMARY KEY, v int UNIQUE)"], "is unique in v"),
        (["CREATE TABLE t (id int PRIMARY KEY)", "CREATE UNIQUE INDEX i ON t ((id + 1))"], "i is unique over an exp"),
        (
            ["CREATE TABLE t (id int PRIMARY KEY, r int4range, CONSTRAINT x EXCLUDE USING gist (r WITH &&))"],
            "x excludes",
        ),
        (["CREATE TABLE t (id int PRIMARY KEY)", "ALTER TABLE t REPLICA IDENTITY NOTHING"], "replica identity NOTHING"),
        (
            [
                "CREATE TABLE t (id int PRIMARY KEY)",
                "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
                "ALTER TABLE t FORCE ROW LEVEL SECURITY",
            ],
            "row-level security holds for master",
        ),
        (
            [
                "CREATE TABLE t (id int PRIMARY KEY)",
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
                "CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
            ],
            "the trigger touch fires on replicated rows",
        ),
    ],
)
def test_what_may_end_otherwise_than_meant_is_a_risk(aurora: Site, statements: list[str], problem: str) -> None:
    aurora.write(*statements)
    aurora.install()
    assert problem in found(aurora)[('"public"."t"', "risk")].problem


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["CREATE TABLE t (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY)"], "n is GENERATED ALWAYS"),
        (
            ["CREATE TABLE t (id int PRIMARY KEY)", "CREATE RULE r AS ON UPDATE TO t DO ALSO NOTHING"],
            "has the rule r: PostgreSQL merges nothing",
        ),
    ],
)
def test_what_keeps_rows_from_being_merged_as_they_are_is_broken(
    aurora: Site, statements: list[str], problem: str
) -> None:
    aurora.write(*statements)
    aurora.install()
    assert problem in found(aurora)[('"public"."t"', "broken")].problem


def test_a_number_that_is_drawn_for_a_key_is_written_as_it_is(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
    aurora.install()
    assert [severity for _, severity in found(aurora)] == ["risk"]


def test_triggers_that_are_off_are_broken(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY)")
    aurora.install()
    aurora.write('ALTER TABLE t DISABLE TRIGGER "~distributary_insert"')
    assert "~distributary_insert is off" in found(aurora)[("public.t", "broken")].problem


def test_a_slot_that_is_gone_is_broken(aurora: Site) -> None:
    aurora.install()
    aurora.capture()
    slot = install.slot_of(aurora.dataset.name)
    aurora.ask(f"SELECT pg_drop_replication_slot('{slot}')")
    assert "is gone" in found(aurora)[(slot, "broken")].problem


def test_tables_that_differ_between_regions_are_broken(regions: Sites) -> None:
    home, peer, other = regions.all
    home.write("CREATE TABLE t (id int PRIMARY KEY, v int)")
    peer.write("CREATE TABLE t (id int PRIMARY KEY, v bigint)")
    other.write("CREATE TABLE only_here (id int PRIMARY KEY)")
    seen = {each.region: tables(each.session(), each.dataset.tables) for each in regions}
    problems = [(each.subject, each.problem) for each in compare(seen)]
    assert problems == [
        ('"public"."only_here"', "is not there in us-east-1, eu-west-1"),
        ('"public"."t"', "is not there in ap-southeast-2"),
        ('"public"."t"', "differs between us-east-1 and eu-west-1 in v"),
    ]
    assert {each.severity for each in compare(seen)} == {Severity.BROKEN}
