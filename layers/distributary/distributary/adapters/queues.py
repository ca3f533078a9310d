"""The queues of the program over SQS: inboxes, outbox, parking, and the visibility of what is being worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from distributary.adapters.parcels import parcel_from, parcel_text
from distributary.adapters.sdk_errors import translated
from distributary.domain.errors import InvalidSettings, MalformedMessage, RetryLater, Unacceptable
from distributary.domain.parcel import Parcel, parcel

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

DESTINATION = "destination"
"""The attribute of an outbox message that names the region it waits for."""

DEAD_LETTER = "DeadLetter"
"""The reason of what apply gave up."""

LONGEST_WAIT = 43_200 - 900
"""Seconds. SQS counts its limit of 12 hours from the receipt, and a function has the message for up to 15 minutes."""


def queue_url(region: str, account: str, name: str, suffix: str = "amazonaws.com") -> str:
    """The address of a queue. suffix: of the partition's endpoints, such as amazonaws.com.cn."""
    return f"https://sqs.{region}.{suffix}/{account}/{name}"


class SqsInboxes:
    """`ports.Inboxes` over one queue a region; may be called from several threads.

    client_for: the SDK's client of a region, one that threads may share. urls: the inbox of each region.
    """

    def __init__(self, client_for: Callable[[str], SQSClient], urls: Mapping[str, str]) -> None:
        self._client_for = client_for
        self._urls = urls

    def send(self, region: str, messages: Sequence[str]) -> None:
        """See `ports.Inboxes`; raises InvalidSettings for a region that has no inbox."""
        url = self._urls.get(region)
        if url is None:
            raise InvalidSettings(f"no inbox is known for region {region!r}, only for {sorted(self._urls)}")
        with translated(f"finding a client for {region}"):
            client = self._client_for(region)
        _send(client, url, messages)


class SqsOutbox:
    """`ports.Outbox` over a queue of this region, each message with its destination as an attribute."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def hold(self, region: str, messages: Sequence[str]) -> None:
        """See `ports.Outbox`."""
        _send(self._client, self._url, messages, {DESTINATION: region})


class SqsParking:
    """`ports.Parking` over a queue, one message a parcel (see `parcels`)."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def park(self, parcels: Sequence[Parcel]) -> None:
        """See `ports.Parking`."""
        _send(self._client, self._url, [parcel_text(each) for each in parcels])


class SqsParked:
    """`ports.Parked` over the parked queue, or over the dead letters of the inbox.

    seconds: how long a parcel that was taken stays out of sight. dead_letters: the messages are no parcels, but what
    apply gave up, whole.
    """

    def __init__(self, client: SQSClient, url: str, *, seconds: int = 60, dead_letters: bool = False) -> None:
        self._client = client
        self._url = url
        self._seconds = seconds
        self._read = _dead_letter_in if dead_letters else _parcel_in

    def take(self, limit: int) -> Sequence[tuple[str, Parcel]]:
        """See `ports.Parked`. A message that is no parcel is shown as one, for an operator to see and discard."""
        taken: list[tuple[str, Parcel]] = []
        while len(taken) < limit:
            with translated(f"ReceiveMessage from {self._url}"):
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(10, limit - len(taken)),
                    VisibilityTimeout=self._seconds,
                    WaitTimeSeconds=1,
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
            messages = answer.get("Messages", [])
            if not messages:
                break
            taken += [(message["ReceiptHandle"], self._read(message)) for message in messages]
        return taken

    def discard(self, receipt: str) -> None:
        """See `ports.Parked`."""
        with translated(f"DeleteMessage from {self._url}"):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)

    def put_back(self, receipt: str) -> None:
        """See `ports.Parked`."""
        with translated(f"ChangeMessageVisibility of {self._url}"):
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=0)


class SqsWaiting:
    """`ports.Waiting` over the queue that a function consumes."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def postpone(self, receipt: str, seconds: int) -> None:
        """See `ports.Waiting`; at most LONGEST_WAIT.

        Raises RetryLater also where the message is no longer in our hands: it comes again by itself.
        """
        wait = min(seconds, LONGEST_WAIT)
        with translated(f"ChangeMessageVisibility of {self._url}"):
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=wait)


def _parcel_in(message: MessageTypeDef) -> Parcel:
    try:
        return parcel_from(message["Body"])
    except MalformedMessage as error:
        return parcel("", error, message["Body"], redrivable=False, parked_at=_sent_at(message))


def _dead_letter_in(message: MessageTypeDef) -> Parcel:
    return Parcel("", DEAD_LETTER, "", "", message["Body"], redrivable=True, parked_at=_sent_at(message))


def _sent_at(message: MessageTypeDef) -> int:
    return int(message["Attributes"]["SentTimestamp"]) * 1000


def _send(client: SQSClient, url: str, bodies: Iterable[str], attributes: Mapping[str, str] | None = None) -> None:
    """Send messages one by one, since few are as small as a tenth of a request; raises at the first not stored."""
    typed: dict[str, MessageAttributeValueTypeDef] = {
        name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()
    }
    for body in bodies:
        try:
            with translated(f"SendMessage to {url}"):
                client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed)
        except Unacceptable as error:  # a queue that refuses a message is no reason to lose it
            raise RetryLater(str(error)) from error
