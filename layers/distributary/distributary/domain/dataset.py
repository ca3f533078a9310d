"""What is replicated: datasets, their replicas and their policies, as frozen values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from distributary.domain.image import fingerprint
from distributary.domain.policies import AttributeRule, Join, Policies, Policy
from distributary.domain.version import MICROSECONDS

_QUOTED = re.compile(r'"((?:[^"]|"")+)"\."((?:[^"]|"")+)"', re.DOTALL)


class Engine(Enum):
    """The database that holds a dataset."""

    DYNAMODB = "dynamodb"
    AURORA = "aurora"


class TtlDeletes(Enum):
    """What becomes of deletions by the database's time to live."""

    REPLICATE = "replicate"
    IGNORE = "ignore"


class KeyType(Enum):
    """The DynamoDB type of a key attribute."""

    STRING = "S"
    NUMBER = "N"
    BINARY = "B"


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The key attributes of a dataset's table; no sort key where `sort` is none."""

    partition: str = "pk"
    partition_type: KeyType = KeyType.STRING
    sort: str | None = None
    sort_type: KeyType = KeyType.STRING

    @property
    def names(self) -> frozenset[str]:
        """The names of the key attributes."""
        return frozenset((self.partition, self.sort) if self.sort else (self.partition,))


@dataclass(frozen=True, slots=True)
class ReplicaSite:
    """Where a replica lives. account: twelve digits, none where all replicas are in one."""

    region: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset. max_clock_drift: microseconds that a version may lie in the future.

    key: of DynamoDB's one table. tables: patterns of the tables of an Aurora database, schema and name or *.
    priority: of `region_priority`. attributes: rules by attribute or, of an Aurora database, by schema.table.column.
    generation: grows with each change of policies, so that of two files that are live at once the newer is known.
    policies_from: microseconds; what was written before that is decided by the last write, 0 where nothing was.
    redact: attributes (columns, of whatever table) whose values the journal keeps as keyed hashes only. journal_days:
    how long it keeps a conflict. functions: what custom rules name, once loaded.
    """

    name: str
    engine: Engine
    replicas: tuple[ReplicaSite, ...]
    conflict: Policy = Policy.LAST_WRITER_WINS
    ttl_deletes: TtlDeletes = TtlDeletes.REPLICATE
    key: KeySchema = KeySchema()
    tables: tuple[str, ...] = ("public.*",)
    max_clock_drift: int = 60 * MICROSECONDS
    priority: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeRule] = field(default_factory=dict)
    generation: int = 1
    policies_from: int = 0
    redact: frozenset[str] = frozenset()
    journal_days: int = 90
    functions: Mapping[str, Join] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions of all replicas, in the file's order."""
        return tuple(site.region for site in self.replicas)

    def peers(self, region: str) -> tuple[str, ...]:
        """The regions of the other replicas."""
        return tuple(other for other in self.regions if other != region)

    @property
    def policies(self) -> str:
        """A digest of everything that decides how states become one; it travels with every message."""
        told: dict[str, object] = {"conflict": self.conflict.value}
        if self.priority:
            told["priority"] = self.priority
        if self.attributes:
            told["attributes"] = {name: rule.told for name, rule in self.attributes.items()}
        if self.policies_from:
            told["from"] = self.policies_from
        return fingerprint(json.dumps(told, sort_keys=True))

    def policies_of(self, table: str = "") -> Policies:
        """The policies of the rows of a table; of DynamoDB's one table where none is named.

        table: schema and name, as `schema.name` or as a change says it, both quoted.
        """
        if match := _QUOTED.fullmatch(table):
            table = ".".join(part.replace('""', '"') for part in match.groups())
        rules = dict(self.attributes)
        if self.engine is Engine.AURORA:
            parts = {name: name.rpartition(".") for name in self.attributes}
            rules = {parts[name][2]: rule for name, rule in self.attributes.items() if parts[name][0] == table}
        return Policies(self.conflict, self.priority, rules, self.functions, self.generation)


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is. dsn: all that a connection needs, for emulators only.

    Else host, port, name, and a user who logs in by IAM. Or, where neither is told: the cluster that the RDS Data API
    reaches, and the secret that it logs in with, by their ARNs.

    authorities: a file of certificates that the server's has to come from; the platform's own where empty.
    """

    dsn: str = ""
    host: str = ""
    port: int = 5432
    name: str = "postgres"
    user: str = ""
    authorities: str = ""
    cluster_arn: str = ""
    secret_arn: str = ""

    @property
    def over_http(self) -> bool:
        """Whether it is reached through the Data API."""
        return bool(self.cluster_arn) and not (self.dsn or self.host)


@dataclass(frozen=True, slots=True)
class Replication:
    """All of replication.toml."""

    datasets: tuple[Dataset, ...]

    def dataset(self, name: str) -> Dataset | None:
        """The dataset of that name."""
        return next((dataset for dataset in self.datasets if dataset.name == name), None)
