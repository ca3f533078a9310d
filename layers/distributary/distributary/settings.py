"""Reads replication.toml and a function's environment into frozen dataclasses, once, and refuses every mistake.

Run as a command it checks a file: `python -m distributary.settings replication.toml`.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distributary.domain.dataset import (
    Database,
    Dataset,
    Engine,
    KeySchema,
    KeyType,
    ReplicaSite,
    Replication,
    TtlDeletes,
)
from distributary.domain.errors import InvalidSettings
from distributary.domain.image import OWN_ATTRIBUTES
from distributary.domain.policies import Policy
from distributary.domain.version import MICROSECONDS
from distributary.settings_file import FILE, SettingsFile
from distributary.settings_policies import KEYS as POLICY_KEYS
from distributary.settings_policies import LONGEST_JOURNAL, attributes, instant, priority, redacted

_NAME = re.compile(r"[a-z][a-z0-9-]{0,27}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"\d{12}")
_DATASET_KEYS = POLICY_KEYS | {"engine", "replicas", "ttl_deletes", "key", "tables", "max_clock_drift"}
_FOREIGN = {Engine.DYNAMODB: {"tables"}, Engine.AURORA: {"key", "ttl_deletes", "policies_from"}}
_KEY_KEYS = frozenset({"partition", "partition_type", "sort", "sort_type"})


def load(path: Path) -> Replication:
    """Read the file; raises InvalidSettings with file, key and remedy for the first mistake found."""
    file = SettingsFile(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise file.refuse("file", "does not exist", "write one; README.md shows an example") from None
    except OSError as error:
        raise file.refuse("file", f"cannot be read ({error.strerror})", "name a file that can") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise file.refuse("file", f"is not TOML ({error})", "correct the line") from error
    file.table(document, "file", frozenset({"datasets"}))
    datasets = file.table(document.get("datasets", {}), "datasets")
    if not datasets:
        raise file.refuse("datasets", "is empty", "write a [datasets.NAME] table")
    return Replication(tuple(_dataset(file, name, value) for name, value in datasets.items()))


def _dataset(file: SettingsFile, name: str, value: Any) -> Dataset:
    here = f"datasets.{name}"
    if not _NAME.fullmatch(name):
        raise file.refuse(here, "is no dataset name", "use up to 28 lower-case letters, digits and hyphens")
    table = file.table(value, here, _DATASET_KEYS)
    for required in ("engine", "replicas"):
        if required not in table:
            raise file.refuse(f"{here}.{required}", "is missing", "add it")
    engine = file.choice(Engine, table["engine"], f"{here}.engine")
    for foreign in _FOREIGN[engine] & table.keys():
        raise file.refuse(f"{here}.{foreign}", f"means nothing to the engine {engine.value}", "remove it")
    dataset = Dataset(
        name=name,
        engine=engine,
        replicas=_replicas(file, table["replicas"], f"{here}.replicas"),
        ttl_deletes=file.choice(TtlDeletes, table.get("ttl_deletes", "replicate"), f"{here}.ttl_deletes"),
        key=_key(file, table.get("key", {}), f"{here}.key"),
        tables=_tables(file, table.get("tables", ["public.*"]), f"{here}.tables"),
        max_clock_drift=_seconds(file, table.get("max_clock_drift", 60), f"{here}.max_clock_drift"),
    )
    return _with_policies(file, table, here, dataset)


def _with_policies(file: SettingsFile, table: Mapping[str, Any], here: str, dataset: Dataset) -> Dataset:
    engine, key, tables = dataset.engine, dataset.key, dataset.tables
    return replace(
        dataset,
        conflict=file.choice(Policy, table.get("conflict", "last_writer_wins"), f"{here}.conflict"),
        priority=priority(file, table, here, dataset.regions),
        attributes=attributes(file, table.get("attributes", {}), f"{here}.attributes", engine, key, tables),
        generation=file.whole(table.get("policies_generation", 1), f"{here}.policies_generation"),
        policies_from=instant(file, table.get("policies_from"), f"{here}.policies_from"),
        redact=redacted(file, table.get("redact", []), f"{here}.redact", tables if engine is Engine.AURORA else ()),
        journal_days=file.whole(table.get("journal_days", 90), f"{here}.journal_days", LONGEST_JOURNAL),
    )


def _tables(file: SettingsFile, value: Any, here: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise file.refuse(here, "is no list of tables", 'write ["public.*"], or schema.name for each')
    for each in value:
        if not isinstance(each, str) or not all(each.rpartition(".")[::2]):
            raise file.refuse(here, f"{each!r} is no table", "write schema.name, or schema.* for all of a schema")
    return tuple(value)


def _replicas(file: SettingsFile, value: Any, here: str) -> tuple[ReplicaSite, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise file.refuse(here, "names fewer than two regions", 'list them, as in ["us-east-1", "eu-west-1"]')
    sites = tuple(_site(file, each, here) for each in value)
    for site in sites:
        if sum(other.region == site.region for other in sites) > 1:
            raise file.refuse(here, f"names {site.region} twice", "keep one; a region holds one replica")
    without = next((site.region for site in sites if site.account is None), None)
    if without is not None and any(site.account for site in sites):
        # The stack in the account that is named would look for it in its own.
        raise file.refuse(here, f"names no account for {without}, but for others", "name the account of each")
    return sites


def _site(file: SettingsFile, value: Any, here: str) -> ReplicaSite:
    known = frozenset({"region", "account"})
    table = {"region": value} if isinstance(value, str) else file.table(value, here, known)
    region, account = table.get("region"), table.get("account")
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise file.refuse(here, f"{region!r} is no region", "use a name such as eu-west-1")
    if account is not None and not (isinstance(account, str) and _ACCOUNT.fullmatch(account)):
        raise file.refuse(here, f"{account!r} is no account", "write its twelve digits in quotes")
    return ReplicaSite(region, account)


def _key(file: SettingsFile, value: Any, here: str) -> KeySchema:
    table = file.table(value, here, _KEY_KEYS)
    if "sort_type" in table and "sort" not in table:
        raise file.refuse(f"{here}.sort_type", "stands without sort", "add sort or remove it")
    partition = file.text(table.get("partition", "pk"), f"{here}.partition")
    sort = file.text(table["sort"], f"{here}.sort") if "sort" in table else None
    for name, attribute in (("partition", partition), ("sort", sort)):
        if attribute in OWN_ATTRIBUTES:
            raise file.refuse(f"{here}.{name}", "is an attribute that replication keeps for itself", "name another")
    if sort == partition:
        raise file.refuse(f"{here}.sort", "is the partition key", "name another attribute")
    return KeySchema(
        partition,
        file.choice(KeyType, table.get("partition_type", "S"), f"{here}.partition_type"),
        sort,
        file.choice(KeyType, table.get("sort_type", "S"), f"{here}.sort_type"),
    )


def _seconds(file: SettingsFile, value: Any, here: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-6 <= value <= 3600:
        raise file.refuse(here, f"{value!r} is no drift", "write seconds, more than 0 and at most 3600")
    return int(value * MICROSECONDS)


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """What a function is told by its environment; a name is empty where the function has no use for it."""

    dataset: Dataset
    region: str
    account: str
    url_suffix: str
    table: str
    tombstones: str
    inbox_name: str
    inbox_url: str
    outbox_url: str
    parked_url: str
    raise_stream_failures: bool
    batched_row_writes: bool
    database: Database = field(default_factory=Database)
    journal: str = ""
    journal_secret: str = ""


def function_settings(environment: Mapping[str, str] = os.environ) -> FunctionSettings:
    """Read the environment and the bundled replication.toml; raises InvalidSettings with the name that is wrong."""
    path = Path(environment.get("REPLICATION_FILE") or _bundled())
    name = _variable(environment, "DATASET")
    dataset = load(path).dataset(name)
    if dataset is None:
        raise InvalidSettings(f"environment: DATASET: {path} has no dataset {name!r}; build with the file that has it")
    region = _variable(environment, "AWS_REGION")
    if region not in dataset.regions:
        raise InvalidSettings(f"{path}: datasets.{name}.replicas: lacks {region}; add it or deploy elsewhere")
    failures = _one_of(environment, "STREAM_FAILURES", ("report", "raise"))
    return FunctionSettings(
        dataset=dataset,
        region=region,
        account=environment.get("ACCOUNT_ID", ""),
        url_suffix=environment.get("URL_SUFFIX", "amazonaws.com"),
        table=environment.get("TABLE_NAME", ""),
        tombstones=environment.get("TOMBSTONES_TABLE", ""),
        inbox_name=environment.get("INBOX_NAME", ""),
        inbox_url=environment.get("INBOX_URL", ""),
        outbox_url=environment.get("OUTBOX_URL", ""),
        parked_url=environment.get("PARKED_URL", ""),
        raise_stream_failures=failures == "raise",
        batched_row_writes=_one_of(environment, "ROW_WRITES", ("batched", "single")) == "batched",
        database=_database(environment),
        journal=environment.get("JOURNAL_TABLE", ""),
        journal_secret=environment.get("JOURNAL_SECRET", ""),
    )


def _database(environment: Mapping[str, str]) -> Database:
    port = environment.get("DATABASE_PORT") or "5432"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidSettings(f"environment: DATABASE_PORT: {port!r} is no port; write a number up to 65535")
    cluster, secret = environment.get("DATABASE_CLUSTER_ARN", ""), environment.get("DATABASE_SECRET_ARN", "")
    if cluster and not secret:
        raise InvalidSettings("environment: DATABASE_SECRET_ARN: is not set; the Data API logs in with a secret")
    return Database(
        dsn=environment.get("DATABASE_DSN", ""),
        host=environment.get("DATABASE_HOST", ""),
        port=int(port),
        name=environment.get("DATABASE_NAME") or "postgres",
        user=environment.get("DATABASE_USER", ""),
        authorities=environment.get("DATABASE_CA", ""),
        cluster_arn=cluster,
        secret_arn=secret,
    )


def _one_of(environment: Mapping[str, str], name: str, choices: tuple[str, str]) -> str:
    value = environment.get(name) or choices[0]
    if value not in choices:
        raise InvalidSettings(f"environment: {name}: {value!r} is unknown; use {choices[0]} or {choices[1]}")
    return value


def _bundled() -> Path:
    for folder in sys.path:
        if (path := Path(folder, FILE)).is_file():
            return path
    raise InvalidSettings(f"{FILE}: is not on the import path; build with `sam build`, which puts it there")


def _variable(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise InvalidSettings(f"environment: {name}: is not set; deploy with template.yaml")
    return value


if __name__ == "__main__":
    from distributary.policy_functions import load_functions

    if len(sys.argv) != 2:
        sys.exit("usage: python -m distributary.settings FILE")
    try:
        for each in load(Path(sys.argv[1])).datasets:
            load_functions(each)
    except InvalidSettings as mistake:
        sys.exit(str(mistake))
