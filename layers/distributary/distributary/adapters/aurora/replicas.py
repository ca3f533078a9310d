"""The replicas of all tables of a database, each made once."""

from __future__ import annotations

from distributary.adapters.aurora.known_tables import KnownTables
from distributary.adapters.aurora.names import table_name
from distributary.adapters.aurora.replica import PostgresReplica
from distributary.adapters.aurora.session import Session
from distributary.domain.dataset import Dataset
from distributary.domain.errors import TriggersBehind
from distributary.domain.policies import check_triggers


class PostgresReplicas:
    """Gives the replica of a table.

    dataset: where policies decide, for which a table needs a column, and triggers of the same policies.
    """

    def __init__(self, session: Session, known: KnownTables, dataset: Dataset | None = None) -> None:
        self._session, self._known, self._dataset = session, known, dataset
        self._made: dict[str, PostgresReplica] = {}

    def __call__(self, table: str) -> PostgresReplica:
        """The replica of a table as changes name it; raises UnknownTable, and TriggersBehind where policies decide."""
        if table not in self._made:
            name = table_name(table)
            self._known(name, False)
            stateful = self._dataset is not None and not self._dataset.policies_of(table).plain
            self._made[table] = PostgresReplica(self._session, name, self._known, stateful=stateful)
        if self._dataset is not None:
            self._check_triggers(self._dataset, table)
        return self._made[table]

    def _check_triggers(self, dataset: Dataset, table: str) -> None:
        name, policies = table_name(table), dataset.policies_of(table)
        try:
            check_triggers(policies, table, self._known(name, False).generation)
        except TriggersBehind:  # they may have been made anew since they were looked up
            check_triggers(policies, table, self._known(name, True).generation)
