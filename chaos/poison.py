"""One poison record among ten thousand: the others are applied, it is parked whole, and a redrive mends it."""

import json
import time
from dataclasses import dataclass

from chaos.run import ended
from chaos.stage import DATASET, FULL_VISIBILITY, Stage, set_visibility
from chaos.writers import History, Stamping
from distributary.adapters.parcels import parcel_from
from distributary.adapters.queues import SqsOutbox, SqsParked
from distributary.domain.parcel import Parcel
from distributary.services.redrive import Redrive
from local.clients import client
from local.convergence import WORKING, messages, wait_for_convergence
from local.cutoff import queue_url
from local.world import LocalWorldError, World

PREFIX = "poison"
PATIENCE = 600.0


@dataclass(frozen=True)
class PoisonOutcome:
    """What became of the records. applied: rows that the target had while the poison was parked, of `others`.

    seconds: from the first write until all of them were there.
    """

    others: int
    applied: int
    parked: int
    reason: str
    with_payload: bool
    redriven: bool
    differences: int
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether exactly the one record was parked, whole, and is applied after the redrive."""
        whole = self.with_payload and self.redriven
        return self.applied == self.others and self.parked == 1 and whole and self.differences == 0


def poison(stage: Stage, records: int) -> PoisonOutcome:
    """Write so many records at home; the database of a peer refuses one of them, until that is mended."""
    world = stage.world
    home, target = list(world.tables)[:2]
    bad = f"{PREFIX}-{records // 2}"
    refused = {"error": {"code": "ValidationException", "message": "refused by a fault"}}
    at_target = {"headers": {"User-Agent": f"app/{target}"}, "service": "dynamodb"}
    stage.proxy.obey(
        [
            {**at_target, "operation": "PutItem", "body": f"Item.pk.S == '{bad}'", **refused},
            {**at_target, "operation": "UpdateItem", "body": f"Key.pk.S == '{bad}'", **refused},
        ]
    )
    # Messages of a thousand changes take longer here than the fault runs let them be out of sight.
    set_visibility(world, FULL_VISIBILITY)
    began = time.monotonic()
    _write(world, home, records)
    parked = _wait_for_the_others(world, target, records - 1)
    seconds = time.monotonic() - began
    applied = len(ended(world, target, PREFIX))
    parcel = _peek(world, target)
    stage.proxy.obey(())
    sent_again = _redrive(world, target)
    comparison = wait_for_convergence(world, DATASET, seconds=PATIENCE)
    left = messages(world, DATASET, ("parked", *WORKING))
    mended = bad in ended(world, target, PREFIX)
    return PoisonOutcome(
        others=records - 1,
        applied=applied,
        parked=parked,
        reason=parcel.reason,
        with_payload=_is_whole(parcel, bad),
        redriven=mended and sent_again == parked and left == 0,
        differences=len(comparison.differences),
        seconds=seconds,
    )


def _write(world: World, home: str, records: int) -> None:
    """Stamped, in batches, as a fast application writes."""
    model = Stamping(world, home, History()).model
    with model.batch_write() as batch:
        for number in range(records):
            batch.save(model(f"{PREFIX}-{number}", write=f"{PREFIX}-{number}", amount=number, status="new"))


def _wait_for_the_others(world: World, target: str, others: int) -> int:
    """Until all but the poison are there and something is parked; how much is parked then."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        parked = messages(world, DATASET, ("parked",))
        if parked and len(ended(world, target, PREFIX)) >= others:
            return parked
        time.sleep(1)
    raise LocalWorldError(f"After {PATIENCE:.0f} s the {others} other records are not there, or none is parked.")


def _peek(world: World, target: str) -> Parcel:
    url = queue_url(world, f"distributary-{DATASET}-parked", target)
    (message,) = client(world, "sqs", target).receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    return parcel_from(message["Body"])


def _redrive(world: World, target: str) -> int:
    """Send all that is parked again, as the operator's command does; how much that was."""
    queues = client(world, "sqs", target)
    parked, outbox = (queue_url(world, f"distributary-{DATASET}-{name}", target) for name in ("parked", "outbox"))
    report = Redrive(target, SqsParked(queues, parked), SqsOutbox(queues, outbox)).run(10, lambda _: True)
    return sum(report.sent.values())


def _is_whole(parcel: Parcel, row: str) -> bool:
    """Whether the payload is the one change of the row, content included, and can be sent again."""
    (change,) = json.loads(parcel.payload)["changes"]
    text = json.dumps(change)
    return row in text and "amount" in text and parcel.redrivable
