"""Builds what the operator's commands about conflicts take: the journal to be read, and ordinary writes.

Functions do not import this module: PynamoDB is not in their layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distributary import wiring
from distributary.adapters.conflict_model import RecordedConflicts
from distributary.adapters.dynamodb.ordinary_writes import OrdinaryTable
from distributary.adapters.sdk_errors import translated
from distributary.domain.dataset import Dataset
from distributary.domain.errors import MissingResource
from distributary.ports import Recorded

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def deployed(dataset: str, region: str) -> Mapping[str, str]:
    """What the apply function of a replica is told by its environment: the names that the stack has given.

    Raises MissingResource where there is no such stack.
    """
    made: LambdaClient = wiring.client("lambda", region, wiring.QUEUE)
    with translated(f"GetFunctionConfiguration of distributary-{dataset}-apply"):
        answer = made.get_function_configuration(FunctionName=f"distributary-{dataset}-apply")
    return answer.get("Environment", {}).get("Variables", {})


def recorded(dataset: Dataset, region: str, told: Mapping[str, str]) -> Recorded:
    """The journal of a replica. told: by `deployed`; raises MissingResource where the stack has no journal."""
    table = told.get("JOURNAL_TABLE")
    if not table:
        raise MissingResource(f"the stack of {dataset.name} in {region} has no journal: deploy the present release")
    redaction = wiring.redaction(dataset, region, told.get("JOURNAL_SECRET", ""))
    return RecordedConflicts(table, region, dataset.name, redaction)


def ordinary_table(region: str, table: str) -> OrdinaryTable:
    """A table of a region, to be written to as applications do."""
    return OrdinaryTable(wiring.client("dynamodb", region, wiring.DATABASE), table)
