"""Which stack goes to which region of the local world, with which parameters."""

from dataclasses import dataclass
from pathlib import Path

from distributary import settings
from distributary.domain.dataset import Engine, KeySchema
from distributary.domain.errors import InvalidSettings
from local.world import LocalWorldError


@dataclass(frozen=True)
class Replica:
    """One stack to deploy: a dataset in one region."""

    dataset: str
    region: str
    engine: Engine
    key: KeySchema
    redacts: bool = False

    @property
    def stack(self) -> str:
        """The stack's name, the same in every region."""
        return f"distributary-{self.dataset}"

    @property
    def table(self) -> str:
        """The table's name: what the stack calls a table that it creates itself."""
        return self.dataset

    def parameters(self, address: str) -> list[str]:
        """The stack parameters that tell this replica from any other, as the SAM CLI takes them.

        address: of the database, for Aurora.
        """
        journal = ["Redact=true"] if self.redacts else []
        if self.engine is Engine.AURORA:
            return [f"Dataset={self.dataset}", "Engine=aurora", f"DatabaseDsn={address}", *journal]
        parameters = [
            f"Dataset={self.dataset}",
            *journal,
            f"PartitionKeyName={self.key.partition}",
            f"PartitionKeyType={self.key.partition_type.value}",
        ]
        if self.key.sort is not None:
            parameters += [f"SortKeyName={self.key.sort}", f"SortKeyType={self.key.sort_type.value}"]
        return parameters


def read_replicas(file: Path) -> list[Replica]:
    """Every replica of `file`.

    Raises:
        LocalWorldError: when the file has a mistake, or names accounts that are not there locally.
    """
    try:
        replication = settings.load(file)
    except InvalidSettings as error:
        raise LocalWorldError(str(error)) from error
    for dataset in replication.datasets:
        if any(site.account is not None for site in dataset.replicas):
            raise LocalWorldError(
                f"{file}: datasets.{dataset.name}.replicas: the local world has one account; "
                "leave `account` out, or use a file of your own with: make up REPLICATION=FILE"
            )
    return [
        Replica(dataset.name, site.region, dataset.engine, dataset.key, bool(dataset.redact))
        for dataset in replication.datasets
        for site in dataset.replicas
    ]
