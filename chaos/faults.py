"""The faults, as data: what is done to which region, and which links have to stay as they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.proxy import Rule

Link = tuple[str, str]
"""From one region to another."""

HOME, PEER, LONELY = "us-east-1", "eu-west-1", "ap-southeast-2"
BETWEEN_THE_OTHERS: tuple[Link, ...] = ((HOME, PEER), (PEER, HOME))
ROW_WRITES = ("PutItem", "UpdateItem", "DeleteItem")


@dataclass(frozen=True)
class Fault:
    """One fault.

    rules: what the proxy does to the calls of functions. healthy: the links that the fault must not touch.
    down: a region that does nothing at all, applications included. twice: the share of stream batches that each
    region delivers twice. killed: a region whose functions are killed again and again. seconds: how long it lasts.
    """

    name: str
    what: str
    rules: tuple[Rule, ...]
    healthy: tuple[Link, ...] = BETWEEN_THE_OTHERS
    down: str | None = None
    twice: Mapping[str, float] | None = None
    killed: str | None = None
    seconds: float = 20.0
    ailing: str | None = LONELY


def _of(source: str, **rest: Any) -> Rule:
    """A rule for calls by the functions of a region, told by their user agent."""
    return {"headers": {"User-Agent": f"app/{source}"}, **rest}


def _across(act: Rule) -> tuple[Rule, ...]:
    """Rules for all calls between the lonely region and the others, in both directions."""
    others = (HOME, PEER)
    return (
        *(_of(other, region=LONELY, **act) for other in others),
        *(_of(LONELY, region=other, **act) for other in others),
    )


_REFUSED: Rule = {"error": {"code": "ProvisionedThroughputExceededException"}}
_ANSWER_LOST: Rule = {"response": {"abort_bytes": 0}}

FAULTS: tuple[Fault, ...] = (
    Fault(
        "throttling",
        f"30 % of the row writes of {LONELY}'s functions are throttled",
        tuple(_of(LONELY, service="dynamodb", operation=each, probability=0.3, **_REFUSED) for each in ROW_WRITES),
    ),
    Fault(
        "latency",
        f"150 ms more for each call between {LONELY} and the others",
        _across({"latency": {"min": 150, "max": 150}}),
        seconds=30.0,
    ),
    Fault(
        "resets",
        f"of the calls of {LONELY}'s functions, and of those to it, 10 % are reset and 10 % lose their answer",
        (
            _of(LONELY, probability=0.1, reset=True),
            _of(LONELY, probability=0.11, **_ANSWER_LOST),
            *_across({"probability": 0.1, "reset": True}),
            *_across({"probability": 0.11, **_ANSWER_LOST}),
        ),
    ),
    Fault(
        "black hole",
        f"calls between {LONELY} and the others hang for 30 s; its applications write on",
        _across({"timeout_ms": 30_000}),
        seconds=30.0,
    ),
    Fault(
        "region down",
        f"{LONELY} does nothing and refuses every call until all writing has ended, then it is back",
        (_of(LONELY, reset=True), *_across({"reset": True})),
        down=LONELY,
        seconds=30.0,
    ),
    Fault(
        "SQS down at home",
        f"every call to SQS in {HOME} fails with 503, whoever makes it",
        ({"service": "sqs", "region": HOME, "error": {"code": "ServiceUnavailable", "status": 503}},),
        healthy=((HOME, PEER), (PEER, LONELY)),
        ailing=None,
    ),
    Fault(
        "twice",
        f"half of the messages to and from {LONELY} are sent again; half of its stream batches come twice",
        (*_across({"service": "sqs", "operation": "SendMessage", "probability": 0.5, **_ANSWER_LOST}),),
        twice={LONELY: 0.5},
    ),
    Fault("kills", f"every three seconds or so a process of {LONELY}'s functions is killed", (), killed=LONELY),
)
