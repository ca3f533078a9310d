"""A function's environment is read once, and each mistake in it is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from distributary.domain.errors import InvalidSettings
from distributary.settings import function_settings
from tests.unit.test_replication_file import ORDERS


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What template.yaml and Lambda set."""
    file = tmp_path / "replication.toml"
    file.write_text(ORDERS, encoding="utf-8")
    return {
        "REPLICATION_FILE": str(file),
        "DATASET": "orders",
        "AWS_REGION": "us-east-1",
        "ACCOUNT_ID": "123456789012",
        "TABLE_NAME": "orders-table",
        "TOMBSTONES_TABLE": "tombstones",
        "INBOX_NAME": "distributary-orders-inbox",
        "PARKED_URL": "https://parked",
        "STREAM_FAILURES": "raise",
    }


def refusal(environment: Mapping[str, str]) -> str:
    """The message with which the environment is refused."""
    with pytest.raises(InvalidSettings) as refused:
        function_settings(environment)
    return str(refused.value)


def test_a_complete_environment_is_taken_as_it_is(environment: dict[str, str]) -> None:
    told = function_settings(environment)
    assert (told.dataset.name, told.region, told.account) == ("orders", "us-east-1", "123456789012")
    assert (told.table, told.tombstones, told.parked_url) == ("orders-table", "tombstones", "https://parked")
    assert told.raise_stream_failures


def test_what_a_function_has_no_use_for_is_empty(environment: dict[str, str]) -> None:
    assert function_settings(environment).outbox_url == ""


def test_a_function_without_a_journal_is_told_of_none(environment: dict[str, str]) -> None:
    assert (function_settings(environment).journal, function_settings(environment).journal_secret) == ("", "")
    told = function_settings({**environment, "JOURNAL_TABLE": "journal", "JOURNAL_SECRET": "arn:secret"})
    assert (told.journal, told.journal_secret) == ("journal", "arn:secret")


def test_failures_of_the_stream_are_reported_unless_told_otherwise(environment: dict[str, str]) -> None:
    del environment["STREAM_FAILURES"]
    assert not function_settings(environment).raise_stream_failures


@pytest.mark.parametrize("name", ["DATASET", "AWS_REGION"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(environment: dict[str, str], name: str, value: str | None) -> None:
    environment.pop(name)
    message = refusal(environment if value is None else {**environment, name: value})
    assert message == f"environment: {name}: is not set; deploy with template.yaml"


def test_a_dataset_that_the_file_lacks_is_named(environment: dict[str, str]) -> None:
    message = refusal({**environment, "DATASET": "invoices"})
    assert message.startswith("environment: DATASET: ")
    assert "has no dataset 'invoices'; build with the file that has it" in message


def test_a_region_that_holds_no_replica_is_named(environment: dict[str, str]) -> None:
    message = refusal({**environment, "AWS_REGION": "eu-north-1"})
    assert message.endswith("replication.toml: datasets.orders.replicas: lacks eu-north-1; add it or deploy elsewhere")


def test_an_unknown_way_to_fail_is_named(environment: dict[str, str]) -> None:
    message = refusal({**environment, "STREAM_FAILURES": "ignore"})
    assert message == "environment: STREAM_FAILURES: 'ignore' is unknown; use report or raise"


def test_a_file_that_is_not_there_is_named(environment: dict[str, str]) -> None:
    assert "/nowhere.toml: file: does not exist" in refusal({**environment, "REPLICATION_FILE": "/nowhere.toml"})


def test_the_bundled_file_is_found_on_the_import_path(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(environment.pop("REPLICATION_FILE")).parent
    monkeypatch.setattr("sys.path", ["/nowhere", str(folder)])
    assert function_settings(environment).dataset.regions == ("us-east-1", "eu-west-1")


def test_a_file_that_was_not_bundled_is_named(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    del environment["REPLICATION_FILE"]
    monkeypatch.setattr("sys.path", ["/nowhere"])
    assert "replication.toml: is not on the import path; build with `sam build`" in refusal(environment)


def test_a_cluster_is_reached_with_its_secret(environment: dict[str, str]) -> None:
    arns = {"DATABASE_CLUSTER_ARN": "arn:cluster", "DATABASE_SECRET_ARN": "arn:secret", "DATABASE_NAME": "shop"}
    told = function_settings({**environment, **arns}).database
    assert (told.cluster_arn, told.secret_arn, told.name, told.over_http) == ("arn:cluster", "arn:secret", "shop", True)
    assert not function_settings({**environment, **arns, "DATABASE_HOST": "writer"}).database.over_http
    assert not function_settings({**environment, **arns, "DATABASE_DSN": "host=x"}).database.over_http
    assert "DATABASE_SECRET_ARN: is not set" in refusal({**environment, "DATABASE_CLUSTER_ARN": "arn:cluster"})
