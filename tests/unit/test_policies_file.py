"""What replication.toml says of conflicts: read as said, or refused with the file, the key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from distributary.domain.dataset import Dataset, Engine, KeySchema
from distributary.domain.errors import InvalidSettings
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Policies, Policy
from distributary.settings import load
from distributary.settings_file import SettingsFile
from distributary.settings_policies import attributes
from tests.unit.test_aurora_settings import SHOP
from tests.unit.test_replication_file import ORDERS, Mistake

ATTRIBUTES = ORDERS + "[datasets.orders.attributes]\n"
COLUMNS = SHOP + 'tables = ["public.*", "sales.orders", "old.sales.prices"]\n[datasets.shop.attributes]\n'
PRIORITY = ORDERS + 'conflict = "region_priority"\n'
A_FUNCTION = '{ custom = "prices.rules:highest" }'
COUNTER = AttributeRule(AttributePolicy.COUNTER)

EVERY_REGION_ONCE = "list each of us-east-1, eu-west-1 once, the region that wins first"
KINDS = "use one of text, number, boolean, json"
ANY_POLICY = (
    'use one of counter, add_wins_set, max, min, or { custom = "package.module:function" }, and quote a name with dots'
)

MISTAKES = {
    "priority of another policy": Mistake(
        ORDERS + 'conflict = "attribute_merge"\nregion_priority = ["us-east-1", "eu-west-1"]',
        "datasets.orders.region_priority", 'remove it, or write conflict = "region_priority"'),
    "priority of no policy": Mistake(
        ORDERS + 'region_priority = ["us-east-1", "eu-west-1"]',
        "datasets.orders.region_priority", 'remove it, or write conflict = "region_priority"'),
    "no priority": Mistake(PRIORITY, "datasets.orders.region_priority", EVERY_REGION_ONCE),
    **{f"priority {value}": Mistake(
        PRIORITY + f"region_priority = {value}", "datasets.orders.region_priority", EVERY_REGION_ONCE)
       for value in ('"us-east-1"', "5", "{}", "[]", '["us-east-1"]', '["us-east-1", "eu-north-1"]', '["us-east-1", 5]',
                     '["us-east-1", "eu-west-1", "eu-west-1"]', '["us-east-1", "eu-west-1", "eu-north-1"]',
                     '["us-east-1", ["eu-west-1"]]')},
    "attributes are no table": Mistake(
        ORDERS + 'attributes = ["stock"]', "datasets.orders.attributes", "write [datasets.orders.attributes]"),
    **{f"policy {value}": Mistake(ATTRIBUTES + f"stock = {value}", "datasets.orders.attributes.stock", ANY_POLICY)
       for value in ('"newest"', '""', "5", "true", "[]", "{}", '"custom"', '["counter"]', '{ function = "a:b" }',
                     '{ custom = "a:b", limit = 5 }', '"last_writer_wins"')},
    "name with dots that lacks its quotes": Mistake(
        ATTRIBUTES + 'a.b = "counter"', "datasets.orders.attributes.a", ANY_POLICY),
    **{f"function {value}": Mistake(
        ATTRIBUTES + f"stock = {{ custom = {value} }}", "datasets.orders.attributes.stock.custom",
        'write "package.module:function"')
       for value in ('"highest"', '"rules.highest"', '"rules:"', '":highest"', '"a:b:c"', '"a:b.c"', '"a..b:c"',
                     '".a:b"', '"a b:c"', '"1a:b"', '"a/b:c"', '"prices:größte"', '""', "5", "[]")},
    "attribute without a name": Mistake(
        ATTRIBUTES + '"" = "max"', "datasets.orders.attributes.", "write a text of 1 to 255 characters"),
    "attribute of ours": Mistake(
        ATTRIBUTES + 'replication_stamp = "max"', "datasets.orders.attributes.replication_stamp", "remove it"),
    "state of ours": Mistake(
        ATTRIBUTES + 'replication_state = "max"', "datasets.orders.attributes.replication_state", "remove it"),
    "attribute of the key": Mistake(ATTRIBUTES + 'pk = "max"', "datasets.orders.attributes.pk", "remove it"),
    "attribute of a key with a sort": Mistake(
        ORDERS + 'key = { partition = "id", sort = "at" }\n[datasets.orders.attributes]\nat = "max"',
        "datasets.orders.attributes.at", "remove it"),
    **{f"column {name}": Mistake(
        COLUMNS + f'"{name}" = "max"', f"datasets.shop.attributes.{name}", 'write "schema.table.column" in quotes')
       for name in ("units", "items.units", ".items.units", "public..units", "public.items.", "..", "")},
    "column that lacks its quotes": Mistake(
        COLUMNS + 'public.items.units = "max"', "datasets.shop.attributes.public", ANY_POLICY),
    "column of ours": Mistake(
        COLUMNS + '"public.items.replication_state" = "max"',
        "datasets.shop.attributes.public.items.replication_state", "remove it"),
    **{f"column of {table}": Mistake(
        COLUMNS + f'"{table}.units" = "max"', f"datasets.shop.attributes.{table}.units",
        "add the table to tables, or remove the line")
       for table in ("sales.items", "stock.items", "Public.items")},
    **{f"column handed over as {value}": Mistake(
        COLUMNS + f'"public.items.units" = {{ custom = "a:b", type = {value} }}',
        "datasets.shop.attributes.public.items.units.type", KINDS)
       for value in ('"numeric"', '""', "5", "[]", "true")},
    "type of an attribute": Mistake(
        ATTRIBUTES + 'stock = { custom = "a:b", type = "number" }', "datasets.orders.attributes.stock.type",
        "remove it"),
    "type without a function": Mistake(
        COLUMNS + '"public.items.units" = { type = "number" }', "datasets.shop.attributes.public.items.units",
        ANY_POLICY),
    **{f"from {value}": Mistake(
        ORDERS + f"policies_from = {value}", "datasets.orders.policies_from",
        "write one with its zone, as in 2026-12-01T00:00:00Z")
       for value in ("2026-12-01", "2026-12-01T00:00:00", "00:00:00", "5", '"2026-12-01T00:00:00Z"', "true",
                     "1969-12-31T23:59:59Z")},
    **{f"generation {value}": Mistake(
        ORDERS + f"policies_generation = {value}", "datasets.orders.policies_generation", "a whole number, 1 or more")
       for value in ("0", "-1", "1.0", "true", '"2"', "[]")},
    **{f"days {value}": Mistake(
        ORDERS + f"journal_days = {value}", "datasets.orders.journal_days", "a whole number, 1 to 3650")
       for value in ("0", "-1", "3651", "90.5", "true", '"90"', "inf")},
    **{f"redact {value}": Mistake(
        ORDERS + f"redact = {value}", "datasets.orders.redact", 'list them, as in ["email", "phone"]')
       for value in ('"email"', "5", "true", "{}")},
    **{f"redact {value}": Mistake(
        ORDERS + f"redact = {value}", "datasets.orders.redact", "write a text of 1 to 255 characters")
       for value in ("[5]", '[""]', '[["email"]]')},
    **{f"redact {value}": Mistake(
        'datasets.shop = { engine = "aurora", replicas = ["us-east-1", "eu-west-1"],'
        f' tables = ["public.items", "audit.*"], redact = ["{value}"] }}', "datasets.shop.redact",
        f'write the column alone, "{value.split(".")[2]}"')
       for value in ("public.items.card", "audit.any.iban")},
    "redact twice": Mistake(ORDERS + 'redact = ["email", "email"]', "datasets.orders.redact", "keep one"),
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "replication.toml"


def loaded(file: Path, text: str) -> Dataset:
    file.write_text(text, encoding="utf-8")
    (dataset,) = load(file).datasets
    return dataset


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_refused_with_file_key_and_remedy(file: Path, mistake: Mistake) -> None:
    with pytest.raises(InvalidSettings) as refused:
        loaded(file, mistake.text)
    path, key, rest = str(refused.value).split(": ", 2)
    assert (path, key) == (str(file), mistake.key)
    assert mistake.remedy in rest.rpartition("; ")[2]


def test_what_is_left_out_has_its_default(file: Path) -> None:
    dataset = loaded(file, ORDERS)
    assert dataset.policies_of() == Policies(Policy.LAST_WRITER_WINS, (), {}, {})
    assert (dataset.generation, dataset.redact, dataset.journal_days) == (1, frozenset(), 90)


@pytest.mark.parametrize("policy", [each for each in Policy if each is not Policy.REGION_PRIORITY], ids=str)
def test_a_policy_for_rows_is_taken_alone(file: Path, policy: Policy) -> None:
    dataset = loaded(file, ORDERS + f'conflict = "{policy.value}"')
    assert (dataset.conflict, dataset.priority) == (policy, ())


@pytest.mark.parametrize("order", [("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")])
def test_a_priority_is_kept_in_its_order(file: Path, order: tuple[str, ...]) -> None:
    dataset = loaded(file, PRIORITY + f"region_priority = {list(order)}")
    assert (dataset.conflict, dataset.priority) == (Policy.REGION_PRIORITY, order)


def test_each_attribute_has_its_rule(file: Path) -> None:
    # given: one attribute of each policy, with names of every kind
    lines = (
        'stock = "counter"\ntags = "add_wins_set"\nbest = "max"\nprice = "min"\n'
        f'score = {A_FUNCTION}\n"a.b" = "max"\n"größe" = "min"\nPK = "counter"\n'
    )

    # when
    dataset = loaded(file, ATTRIBUTES + lines)

    # then
    rules = {
        "stock": COUNTER,
        "tags": AttributeRule(AttributePolicy.ADD_WINS_SET),
        "best": AttributeRule(AttributePolicy.MAX),
        "price": AttributeRule(AttributePolicy.MIN),
        "score": AttributeRule(AttributePolicy.CUSTOM, "prices.rules:highest"),
        "a.b": AttributeRule(AttributePolicy.MAX),
        "größe": AttributeRule(AttributePolicy.MIN),
        "PK": COUNTER,
    }
    assert dataset.attributes == rules
    assert dataset.policies_of().rules == rules


@pytest.mark.parametrize("name", ["public.items.units", "sales.orders.units", "old.sales.prices.units", "public.ä b.c"])
def test_a_column_is_named_with_schema_and_table(file: Path, name: str) -> None:
    tables = ("public.*", "sales.orders", "old.sales.prices")
    rules = attributes(SettingsFile(file), {name: "counter"}, "here", Engine.AURORA, KeySchema(), tables)
    assert rules == {name: COUNTER}


@pytest.mark.parametrize("handed", list(Handed), ids=lambda handed: handed.value)
def test_a_column_is_handed_to_its_function_as_the_file_says(file: Path, handed: Handed) -> None:
    dataset = loaded(file, COLUMNS + f'"public.items.units" = {{ custom = "a:b", type = "{handed.value}" }}')
    assert dataset.attributes == {"public.items.units": AttributeRule(AttributePolicy.CUSTOM, "a:b", handed)}


def test_a_column_of_which_the_file_says_nothing_is_handed_over_as_text(file: Path) -> None:
    dataset = loaded(file, COLUMNS + f'"public.items.units" = {A_FUNCTION}')
    rule = AttributeRule(AttributePolicy.CUSTOM, "prices.rules:highest", Handed.TEXT)
    assert dataset.policies_of("public.items").rules == {"units": rule}


@pytest.mark.parametrize("policy", [policy for policy in Policy if policy is not Policy.REGION_PRIORITY])
def test_an_aurora_database_has_the_policies_of_rows_for_all_its_tables(file: Path, policy: Policy) -> None:
    dataset = loaded(file, SHOP + f'conflict = "{policy.value}"')
    assert dataset.policies_of("public.orders") == dataset.policies_of('"public"."lines"') == Policies(policy)


def test_a_table_of_an_aurora_database_has_the_rules_of_its_columns_and_no_others(file: Path) -> None:
    dataset = loaded(file, COLUMNS + '"public.items.units" = "counter"')
    assert dataset.policies_of("public.items").rules == {"units": COUNTER}
    assert dataset.policies_of("public.orders").plain


@pytest.mark.parametrize(
    ("table", "name"),
    [('"public"."items"', "public.items"), ('"a.b"."c"', "a.b.c"), ('"pub""lic"."it""ems"', 'pub"lic.it"ems')],
)
def test_a_change_names_its_table_with_quotes(table: str, name: str) -> None:
    dataset = Dataset("shop", Engine.AURORA, (), attributes={f"{name}.units": COUNTER})
    assert dataset.policies_of(table) == dataset.policies_of(name)
    assert not dataset.policies_of(table).plain


@pytest.mark.parametrize(("key", "attribute", "values"), [
    ("policies_generation", "generation", [1, 2, 10**9]), ("journal_days", "journal_days", [1, 90, 3650])
])  # fmt: skip
def test_numbers_are_taken_within_their_bounds(file: Path, key: str, attribute: str, values: list[int]) -> None:
    assert [getattr(loaded(file, ORDERS + f"{key} = {value}"), attribute) for value in values] == values


@pytest.mark.parametrize("instant", ["2026-12-01T01:00:00.000001+01:00", "2026-12-01T00:00:00.000001Z"])
def test_the_beginning_of_policies_is_an_instant_whatever_its_zone(file: Path, instant: str) -> None:
    assert loaded(file, ORDERS + f"policies_from = {instant}").policies_from == 1_796_083_200_000_001


def test_redacted_attributes_are_a_set_of_names_and_may_be_the_keys(file: Path) -> None:
    assert loaded(file, ORDERS + 'redact = ["email", "pk"]').redact == {"email", "pk"}


# --- the digest that travels with each message


def test_every_part_of_the_policies_has_its_own_digest(file: Path) -> None:
    # given: files of which each decides otherwise
    texts = [
        ORDERS,
        ORDERS + 'conflict = "first_writer_wins"',
        PRIORITY + 'region_priority = ["us-east-1", "eu-west-1"]',
        PRIORITY + 'region_priority = ["eu-west-1", "us-east-1"]',
        ATTRIBUTES + 'stock = "counter"',
        ATTRIBUTES + 'stock = "max"',
        ATTRIBUTES + f"stock = {A_FUNCTION}",
        ATTRIBUTES + 'stock = { custom = "prices.rules:lowest" }',
        ATTRIBUTES + 'price = "counter"',
        ORDERS + 'policies_from = 2026-12-01T00:00:00Z\n[datasets.orders.attributes]\nstock = "max"',
    ]

    texts += [COLUMNS + f'"public.items.units" = {{ custom = "a:b", type = "{each.value}" }}' for each in Handed]

    # when / then
    assert len({loaded(file, text).policies for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "line", ["policies_generation = 2", "journal_days = 1", 'redact = ["a"]', "max_clock_drift = 1"]
)
def test_what_decides_no_conflict_is_not_in_the_digest(file: Path, line: str) -> None:
    assert loaded(file, ORDERS + line).policies == loaded(file, ORDERS).policies


def test_the_order_of_attributes_is_not_in_the_digest(file: Path) -> None:
    lines = ['stock = "counter"\n', 'price = "max"\n']
    assert (
        loaded(file, ATTRIBUTES + "".join(lines)).policies == loaded(file, ATTRIBUTES + "".join(lines[::-1])).policies
    )
