"""A dataset of Aurora in replication.toml, and what a function is told of its database: read as said, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from distributary.domain.dataset import Database, Dataset, Engine, ReplicaSite
from distributary.domain.errors import InvalidSettings
from distributary.settings import function_settings, load

SHOP = '[datasets.shop]\nengine = "aurora"\nreplicas = ["us-east-1", "eu-west-1"]\n'
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "replication.toml"


@pytest.fixture
def environment(file: Path) -> dict[str, str]:
    """What template.yaml and Lambda set for every function of the dataset."""
    file.write_text(SHOP, encoding="utf-8")
    return {"REPLICATION_FILE": str(file), "DATASET": "shop", "AWS_REGION": "eu-west-1"}


def loaded(file: Path, more: str = "") -> Dataset:
    file.write_text(SHOP + more, encoding="utf-8")
    dataset = load(file).dataset("shop")
    assert dataset is not None
    return dataset


def refusal(file: Path, more: str) -> str:
    """The message with which the file is refused, without its path."""
    with pytest.raises(InvalidSettings) as refused:
        loaded(file, more)
    return str(refused.value).removeprefix(f"{file}: ")


# --- replication.toml


def test_what_is_left_out_has_its_default(file: Path) -> None:
    sites = (ReplicaSite("us-east-1"), ReplicaSite("eu-west-1"))
    assert loaded(file) == Dataset("shop", Engine.AURORA, sites, tables=("public.*",))


def test_everything_can_be_said(file: Path) -> None:
    dataset = loaded(
        file, 'conflict = "last_writer_wins"\ntables = ["public.*", "sales.orders"]\nmax_clock_drift = 1.5'
    )
    assert (dataset.tables, dataset.max_clock_drift) == (("public.*", "sales.orders"), 1_500_000)


@pytest.mark.parametrize("table", ["public.*", "public.orders", "Sales.Größen", "a b.c d", "a.b.c", "public.or*ders"])
def test_a_table_is_a_schema_and_a_name(file: Path, table: str) -> None:
    assert loaded(file, f'tables = ["{table}"]').tables == (table,)


@pytest.mark.parametrize("value", ["[]", '"public.*"', "5", "{}", "true"])
def test_what_is_no_list_of_tables_is_refused(file: Path, value: str) -> None:
    assert refusal(file, f"tables = {value}") == (
        'datasets.shop.tables: is no list of tables; write ["public.*"], or schema.name for each'
    )


@pytest.mark.parametrize("value", ['"orders"', '"*"', '"public."', '".orders"', '"."', '""', "5", "[]", "true"])
def test_a_table_without_its_schema_or_name_is_refused(file: Path, value: str) -> None:
    message = refusal(file, f'tables = ["public.*", {value}]')
    assert message.startswith("datasets.shop.tables: ")
    assert message.endswith("is no table; write schema.name, or schema.* for all of a schema")


@pytest.mark.parametrize("line", [
    "ttl_deletes = 'ignore'", "policies_from = 2026-12-01T00:00:00Z", "key = {}",
    "[datasets.shop.key]\npartition = 'pk'"
])  # fmt: skip
def test_what_is_said_of_another_engine_is_refused(file: Path, line: str) -> None:
    message = refusal(file, line)
    name = next(name for name in ("ttl_deletes", "policies_from", "key") if name in line)
    assert message == f"datasets.shop.{name}: means nothing to the engine aurora; remove it"


def test_tables_are_refused_for_the_other_engine(file: Path) -> None:
    file.write_text(SHOP.replace("aurora", "dynamodb") + 'tables = ["public.*"]', encoding="utf-8")
    with pytest.raises(InvalidSettings, match=r"datasets\.shop\.tables: means nothing to the engine dynamodb"):
        load(file)


@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql", "Aurora", ""])
def test_an_engine_that_there_is_not_is_refused(file: Path, engine: str) -> None:
    file.write_text(SHOP.replace('"aurora"', f'"{engine}"'), encoding="utf-8")
    with pytest.raises(InvalidSettings, match=r"datasets\.shop\.engine: .* use one of dynamodb, aurora"):
        load(file)


def test_the_dataset_in_the_repository_is_good() -> None:
    dataset = load(PROJECT / "replication.toml").dataset("shop")
    assert dataset is not None
    assert (dataset.engine, dataset.tables) == (Engine.AURORA, ("public.*",))


# --- the environment


def test_a_function_that_needs_no_database_is_told_of_none(environment: dict[str, str]) -> None:
    assert function_settings(environment).database == Database()


def test_a_database_is_told_by_host_and_user(environment: dict[str, str]) -> None:
    told = function_settings(
        {
            **environment,
            "DATABASE_HOST": "writer.example",
            "DATABASE_PORT": "5433",
            "DATABASE_NAME": "shop",
            "DATABASE_USER": "replicator",
            "DATABASE_CA": "/opt/rds/global-bundle.pem",
        }
    )
    assert told.database == Database(
        host="writer.example", port=5433, name="shop", user="replicator", authorities="/opt/rds/global-bundle.pem"
    )


def test_an_emulators_database_is_told_by_its_dsn(environment: dict[str, str]) -> None:
    assert function_settings({**environment, "DATABASE_DSN": "host=x"}).database == Database(dsn="host=x")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DATABASE_DSN", Database()),
        ("DATABASE_HOST", Database()),
        ("DATABASE_PORT", Database(port=5432)),
        ("DATABASE_NAME", Database(name="postgres")),
        ("DATABASE_CA", Database(authorities="")),
        ("DATABASE_CLUSTER_ARN", Database()),
    ],
)
def test_a_parameter_that_is_left_empty_is_as_if_it_were_not_there(
    environment: dict[str, str], name: str, expected: Database
) -> None:
    assert function_settings({**environment, name: ""}).database == expected


@pytest.mark.parametrize("port", ["0", "65536", "-1", "5432.0", "5_432", " 5432", "postgres", "9" * 40, "0x1538"])
def test_a_port_that_is_none_is_refused(environment: dict[str, str], port: str) -> None:
    with pytest.raises(InvalidSettings, match=r"environment: DATABASE_PORT: .* is no port; write a number up to 65535"):
        function_settings({**environment, "DATABASE_PORT": port})


@pytest.mark.parametrize("port", ["1", "5432", "65535"])
def test_a_port_that_is_one_is_taken(environment: dict[str, str], port: str) -> None:
    assert function_settings({**environment, "DATABASE_PORT": port}).database.port == int(port)


def test_a_password_is_in_no_refusal(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings) as refused:
        function_settings({**environment, "DATABASE_DSN": "password=4929", "DATABASE_PORT": "x"})
    assert "4929" not in str(refused.value)
