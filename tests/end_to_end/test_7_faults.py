"""The deployed system under injected faults: a short selection of `make chaos`. The last tests of their world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.faults import FAULTS
from chaos.poison import poison
from chaos.run import Pace, play
from chaos.stage import Stage, staged
from local.clients import client
from local.convergence import LOST, messages, wait_for_convergence
from local.cutoff import queue_url
from local.world import World
from tests.end_to_end.conftest import REPLICATION
from tests.end_to_end.rows import PATIENCE

SHORT = Pace(quiet=1.0, stretch=0.4, rate=0.7)


def clear(world: World) -> None:
    """Leave no row and no message of earlier tests, some of which have written rows in one region alone."""
    for region in world.tables:
        table = client(world, "dynamodb", region)
        for row in table.scan(TableName="orders", ConsistentRead=True)["Items"]:
            table.delete_item(TableName="orders", Key={"pk": row["pk"]})
        for queue in LOST:
            client(world, "sqs", region).purge_queue(QueueUrl=queue_url(world, f"distributary-orders-{queue}", region))
    comparison = wait_for_convergence(world, "orders", seconds=PATIENCE)
    assert (comparison.items, messages(world, "orders", LOST)) == (0, 0), comparison


@pytest.fixture(scope="module")
def stage(world: World) -> Iterator[Stage]:
    """The world with a proxy under its functions; what is changed for that stays changed."""
    clear(world)
    with staged(world, REPLICATION) as ready:
        yield ready


@pytest.mark.parametrize("name", ["resets", "black hole"])
def test_a_fault_loses_nothing_and_leaves_nothing_different(stage: Stage, name: str) -> None:
    # given: writers of both kinds in all regions, on shared rows and on their own
    (fault,) = (each for each in FAULTS if each.name == name)
    # when: the fault has come and gone
    outcome = play(stage, fault, SHORT)
    # then: it has done something, yet all regions are equal and every acknowledged write has an explanation
    assert outcome.interference > 0
    assert outcome.writes > 0
    assert outcome.differences == {}
    assert outcome.lost == []
    assert outcome.parked == 0


def test_one_poison_record_is_parked_whole_and_all_others_are_applied(stage: Stage) -> None:
    outcome = poison(stage, 200)
    assert (outcome.others, outcome.applied, outcome.parked) == (199, 199, 1)
    assert outcome.reason == "RejectedByDatabase"
    assert outcome.with_payload
    assert outcome.redriven
    assert outcome.differences == 0
