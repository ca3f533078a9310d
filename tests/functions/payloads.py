"""What stands in events/: every payload is built from the production code, so that stamps and digests stay true.

`python -m tests.functions.payloads` writes the files; a test compares them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from distributary.adapters.events import conflict_event
from distributary.domain.change import Change
from distributary.domain.conflict import Conflict, Resolution, Side
from distributary.domain.dataset import Dataset, Engine, ReplicaSite
from distributary.domain.image import STAMP_ATTRIBUTE, Image, content_of, digest_of
from distributary.domain.journal import REDACTS_NOTHING, entry_of
from distributary.domain.message import pack
from distributary.domain.stamp import Stamp, Writer, link_of_insert, link_of_mark, link_to, stamped
from distributary.domain.version import MICROSECONDS, NOTHING_SEEN, STAMPING_SEQUENCE, Version
from local.world import PROJECT

EVENTS = PROJECT / "events"
REGION, PEER = "us-east-1", "eu-west-1"
AT = 1_795_000_000
SEQUENCE = 4_421_584_500_000_000_017_450_439_091
NEVER_STALE = 4_000_000_000 * MICROSECONDS
"""When changes were captured: far ahead, so that the files do not grow old."""

DATASET = Dataset("orders", Engine.DYNAMODB, tuple(map(ReplicaSite, (REGION, PEER, "ap-southeast-2"))))


def row(name: str, **attributes: Any) -> Image:
    """A row of the table."""
    return {"pk": {"S": name}, **attributes}


def stamp(image: Image, version: Version, *, link: str = "-", writer: Writer = Writer.REPLICATION) -> Image:
    """The image with a stamp that fits it."""
    content = content_of(image)
    return stamped(content, Stamp(version, NOTHING_SEEN.including(version), writer, digest_of(content), link))


def version(seconds: int, region: str = PEER, sequence: int = SEQUENCE) -> Version:
    """A version so many seconds after the payloads' time."""
    return Version((AT + seconds) * MICROSECONDS, sequence, region)


def record(old: Image | None, new: Image | None, **more: Any) -> dict[str, Any]:
    """A stream event with one record, as Lambda delivers it."""
    name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    key = (new or old or {})["pk"]
    body: dict[str, Any] = {
        "ApproximateCreationDateTime": AT,
        "Keys": {"pk": key},
        "SequenceNumber": str(SEQUENCE),
        "SizeBytes": 120,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if old is not None:
        body["OldImage"] = old
    if new is not None:
        body["NewImage"] = new
    return {
        "Records": [
            {
                "eventID": "c4ca4238a0b923820dcc509a6f75849b",
                "eventName": name,
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": REGION,
                "dynamodb": body,
                "eventSourceARN": f"arn:aws:dynamodb:{REGION}:123456789012:table/orders/stream/2026-11-01T00:00:00.000",
                **more,
            }
        ]
    }


def message(body: str, queue: str = "inbox", destination: str | None = None) -> dict[str, Any]:
    """A queue event with one message, as Lambda delivers it."""
    attributes: dict[str, Any] = {}
    if destination is not None:
        attributes["destination"] = {"stringValue": destination, "dataType": "String"}
    return {
        "Records": [
            {
                "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(AT * 1000),
                    "SenderId": "AROAEXAMPLE:distributary-orders-capture",
                    "ApproximateFirstReceiveTimestamp": str(AT * 1000 + 5),
                },
                "messageAttributes": attributes,
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:distributary-orders-{queue}",
                "awsRegion": REGION,
            }
        ]
    }


def change(image: Image | None, name: str, at: Version) -> Change:
    """A change of the peer's."""
    context = NOTHING_SEEN.including(at)
    return Change("orders", "orders", row(name), image, at, context, PEER, "1", NEVER_STALE)


def packed(*changes: Change) -> str:
    """Changes as one message."""
    (text,) = pack(DATASET, PEER, changes)
    return text


def _records_of(name: str) -> dict[str, dict[str, Any]]:
    """One payload for each kind of stream record, about the row of that name."""
    plain, paid = row(name, total={"N": "10"}), row(name, total={"N": "12"})
    settled = stamp(plain, version(-60), link=link_of_insert(REGION, "kYb3Tz0aPq1x"))
    newer = stamp(paid, version(-1), link=link_to(settled, REGION))
    restamped = stamp(plain, version(-1, REGION), link=link_to(plain, REGION))
    marked = stamp(plain, version(-1), link=link_of_mark(settled, REGION), writer=Writer.REPLICATION_DELETES)
    signed = stamp(paid, version(0, REGION, STAMPING_SEQUENCE + 7), writer=Writer.APPLICATION)
    stale = {**paid, STAMP_ATTRIBUTE: settled[STAMP_ATTRIBUTE]}
    forged = stamp(paid, version(31_536_000), link="forged")
    no_image = record(plain, paid)
    del no_image["Records"][0]["dynamodb"]["NewImage"]
    by_ttl = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    odd = row(name, **{"size": {"N": "1"}, "a.b": {"S": "dots"}, "SELECT": {"BOOL": True}, "#n": {"NULL": True}})
    return {
        "insert": record(None, plain),
        "modify": record(settled, stale),
        "remove": record(settled, None),
        "ttl_remove": record(settled, None, **by_ttl),
        "echo_insert": record(None, settled),
        "echo_replace": record(settled, newer),
        "echo_restamp": record(plain, restamped),
        "echo_remove": record(marked, None),
        "stamped_put": record(settled, signed),
        "copied_stamp": record(newer, settled),
        "forged_future_stamp": record(settled, forged),
        "unreadable_stamp": record(plain, {**paid, STAMP_ATTRIBUTE: {"S": "who knows"}}),
        "no_new_image": no_image,
        "reserved_words_and_dots": record(None, odd),
        "empty": {"Records": []},
    }


def capture_payloads() -> dict[str, dict[str, Any]]:
    """One payload for each kind of stream record, each about a row of its own."""
    return {kind: _records_of(f"event-{kind}")[kind] for kind in _records_of("any")}


def apply_payloads() -> dict[str, dict[str, Any]]:
    """One payload for each kind of inbox message."""
    put = change(row("r-2", total={"N": "10"}), "r-2", version(0))
    deletion = change(None, "r-3", version(1))
    long = row("r-4", readings={"L": [{"N": "1"}] * 95_000})  # 300 KB for the database, 1 MB as text
    document = json.loads(packed(put))
    stale = replace(put, key=row("r-5"), image=row("r-5"), captured_at=(AT - 40 * 86_400) * MICROSECONDS)
    many = [change(row(f"r-{n}", n={"N": str(n)}), f"r-{n}", version(n)) for n in range(10, 30)]
    return {
        "put": message(packed(put)),
        "delete": message(packed(deletion)),
        "many": message(packed(*many)),
        "deflated": message(packed(change(long, "r-4", version(2)))),
        "not_ours": message("hello"),
        "unknown_dataset": message(json.dumps({**document, "dataset": "elsewhere"})),
        "other_policies": message(json.dumps({**document, "policies": "AAAAAAAAAAAA"})),
        "newer_policies": message(json.dumps({**document, "policies": "AAAAAAAAAAAA", "generation": 2})),
        "unknown_format": message(json.dumps({**document, "format": 99})),
        "future_version": message(packed(change(row("r-6"), "r-6", version(31_536_000)))),
        "stale": message(packed(stale)),
        "empty": {"Records": []},
    }


def forward_payloads() -> dict[str, dict[str, Any]]:
    """One payload for each kind of outbox message."""
    body = packed(change(row("r-7", total={"N": "10"}), "r-7", version(3)))
    return {
        "held": message(body, "outbox", PEER),
        "unknown_destination": message(body, "outbox", "mars-north-1"),
        "empty": {"Records": []},
    }


def schedule_payloads() -> dict[str, dict[str, Any]]:
    """What EventBridge sends when it is time; the function looks at the log, not at this."""
    return {
        "scheduled": {
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-11-18T15:33:20Z",
            "region": REGION,
            "resources": [f"arn:aws:events:{REGION}:123456789012:rule/distributary-shop-capture"],
            "detail": {},
        }
    }


def automation_payloads() -> dict[str, dict[str, Any]]:
    """What a target of a rule on the event bus is given."""
    arriving, present = Version(AT * MICROSECONDS, SEQUENCE, PEER), Version((AT - 1) * MICROSECONDS, SEQUENCE, REGION)
    conflict = Conflict(
        dataset="orders",
        table="orders",
        key=row("order-1"),
        arriving=Side(arriving, NOTHING_SEEN.including(arriving), row("order-1", total={"N": "2"})),
        present=Side(present, NOTHING_SEEN.including(present), row("order-1", total={"N": "1"})),
        policy=DATASET.conflict.value,
        resolution=Resolution.ARRIVED,
        region=REGION,
        at=(AT + 2) * MICROSECONDS,
    )
    told = conflict_event(entry_of(conflict, REDACTS_NOTHING, DATASET.journal_days))
    return {
        "conflict": {
            "version": "0",
            "id": "0b1f5c70-52a8-4f7e-8d4f-5ad9b3e6c2a1",
            "detail-type": told["DetailType"],
            "source": told["Source"],
            "account": "123456789012",
            "time": "2026-11-18T11:06:42Z",
            "region": REGION,
            "resources": [],
            "detail": json.loads(told["Detail"]),
        }
    }


def payloads() -> dict[str, dict[str, Any]]:
    """All payloads by file, such as "apply/put"."""
    folders = {
        "capture_dynamodb": capture_payloads(),
        "capture_aurora": schedule_payloads(),
        "apply": apply_payloads(),
        "forward": forward_payloads(),
        "automation": automation_payloads(),
    }
    return {f"{folder}/{name}": event for folder, events in folders.items() for name, event in events.items()}


def text_of(event: dict[str, Any]) -> str:
    """A payload as it stands in its file."""
    return json.dumps(event, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, payload in payloads().items():
        file = EVENTS / f"{path}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(payload), encoding="utf-8")
