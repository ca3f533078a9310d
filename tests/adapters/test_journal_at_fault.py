"""Whatever a journal meets, it holds nothing up: what is missed is counted, told once a call, and not waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import ANY, Stubber

from distributary.adapters.events import EventBridgeConflicts
from distributary.adapters.journal import PATIENCE, PORTION, REST, RecordingJournal
from distributary.adapters.journal_table import AT_ONCE, JournalTable
from distributary.domain.conflict import Conflict
from distributary.domain.errors import AccessDenied, Defect, DistributaryError, RetryLater, Throttled, Unavailable
from distributary.domain.journal import REDACTS_NOTHING, Entry, Redaction, entry_of
from tests.unit.conflicts import conflict, dataset, id_of

Missed = dict[str, DistributaryError]


def conflicts(count: int) -> list[Conflict]:
    return [conflict(f"order-{at}") for at in range(count)]


def entries(count: int) -> list[Entry]:
    return [entry_of(each, REDACTS_NOTHING, 1) for each in conflicts(count)]


# --- the table


@dataclass(frozen=True)
class Table:
    """The real client with answers that are laid down beforehand; sizes: of the requests."""

    stub: Stubber
    journal: JournalTable
    sizes: list[int]

    def answers(self, left: Sequence[Entry] = ()) -> None:
        """Expect a request of which some items are left unwritten."""
        items: list[Any] = [{"PutRequest": {"Item": {"id": {"S": each.id}}}} for each in left]
        unwritten = {"UnprocessedItems": {"journal": items}} if items else {}
        self.stub.add_response("batch_write_item", unwritten, {"RequestItems": ANY})

    def refuses(self, code: str, status: int = 400) -> None:
        """Expect a request that fails."""
        self.stub.add_client_error("batch_write_item", code, "of [4929-1234]", http_status_code=status)


@pytest.fixture
def table() -> Iterator[Table]:
    session = botocore.session.get_session()
    session.set_credentials("test", "test")
    client: Any = session.create_client("dynamodb", region_name="eu-west-1")
    sizes: list[int] = []
    client.meta.events.register(
        "provide-client-params.dynamodb.BatchWriteItem",
        lambda params, **_: sizes.append(len(params["RequestItems"]["journal"])),
    )
    with Stubber(client) as stub:
        yield Table(stub, JournalTable(lambda: client, "journal"), sizes)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (AT_ONCE, [25]), (60, [25, 25, 10])])
def test_a_request_has_no_more_items_than_it_may(table: Table, count: int, sizes: list[int]) -> None:
    for _ in sizes:
        table.answers()
    assert table.journal.write(entries(count)) == {}
    assert table.sizes == sizes


def test_what_is_left_unwritten_is_sent_once_more(table: Table) -> None:
    some = entries(3)
    table.answers(some[1:])
    table.answers()
    assert table.journal.write(some) == {}
    assert table.sizes == [3, 2]


def test_what_is_left_twice_is_missed_and_not_waited_for(table: Table) -> None:
    some = entries(30)
    table.answers(some[:2])
    table.answers(some[1:2])
    table.answers()
    missed = table.journal.write(some)
    assert {name: type(error) for name, error in missed.items()} == {some[1].id: Throttled}
    assert table.sizes == [25, 2, 5]


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ProvisionedThroughputExceededException", 400, Throttled),
        ("AccessDeniedException", 400, AccessDenied),
        ("InternalServerError", 500, Unavailable),
        ("Brandnew", 400, RetryLater),
    ],
)
def test_a_request_that_fails_ends_the_call(
    table: Table, code: str, status: int, expected: type[DistributaryError]
) -> None:
    table.answers()
    table.refuses(code, status)
    some = entries(60)
    missed = table.journal.write(some)
    assert missed.keys() == {each.id for each in some[25:]}
    assert {type(error) for error in missed.values()} == {expected}


def test_a_refused_request_is_taken_apart_and_the_item_at_fault_loses_images_only(table: Table) -> None:
    table.refuses("ValidationException")
    table.answers()
    table.refuses("ValidationException")  # whole
    table.refuses("ValidationException")  # with the losing image
    table.answers()  # without any
    assert table.journal.write(entries(2)) == {}
    assert table.sizes == [2, 1, 1, 1, 1]


def test_what_is_refused_in_every_form_is_missed_and_its_values_are_not_told(table: Table) -> None:
    for _ in range(4):
        table.refuses("ValidationException")
    ((_, error),) = table.journal.write(entries(1)).items()
    assert "4929" not in str(error)


def test_a_failure_ends_the_taking_apart_too(table: Table) -> None:
    table.refuses("ValidationException")
    table.answers()
    table.refuses("ThrottlingException")
    some = entries(3)
    assert table.journal.write(some).keys() == {each.id for each in some[1:]}


# --- the journal


@dataclass
class Ways:
    """A journal whose table and bus fail as told, with a clock that only the test and slow calls move."""

    at: float = 1000.0
    takes: float = 0.0
    of_table: Callable[[Sequence[Entry]], Missed] = lambda _: {}
    of_bus: Callable[[Sequence[Entry]], Missed] = lambda _: {}
    written: list[int] = field(default_factory=list)
    published: list[int] = field(default_factory=list)
    told: list[DistributaryError] = field(default_factory=list)

    def journal(self) -> RecordingJournal:
        return RecordingJournal(
            dataset(),
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            lambda: REDACTS_NOTHING,
            self.told.append,
            lambda: self.at,
        )

    def write(self, some: Sequence[Entry]) -> Missed:
        self.at += self.takes
        self.written.append(len(some))
        return self.of_table(some)

    def publish(self, some: Sequence[Entry]) -> Missed:
        self.published.append(len(some))
        return self.of_bus(some)


def all_of(error: DistributaryError) -> Callable[[Sequence[Entry]], Missed]:
    return lambda some: {each.id: error for each in some}


def test_a_conflict_is_written_and_announced() -> None:
    ways = Ways()
    assert ways.journal().record(conflicts(3)) == 0
    assert (ways.written, ways.published, ways.told) == ([3], [3], [])


def test_what_one_of_the_two_missed_is_missed_once() -> None:
    first, second, _ = conflicts(3)
    ways = Ways(
        of_table=lambda _: {id_of(first): Throttled("slow")},
        of_bus=lambda _: {id_of(first): Throttled("slow"), id_of(second): AccessDenied("no")},
    )
    assert ways.journal().record(conflicts(3)) == 2
    assert len(ways.told) == 2


def test_where_the_table_fails_conflicts_are_announced_all_the_same() -> None:
    ways = Ways(of_table=all_of(AccessDenied("no")))
    assert ways.journal().record(conflicts(2)) == 2
    assert ways.published == [2]
    assert [str(error) for error in ways.told] == ["no"]


def test_what_gives_no_answer_is_left_alone_for_a_while_and_told_once() -> None:
    ways = Ways(of_table=all_of(Unavailable("timeout")))
    journal = ways.journal()
    assert journal.record(conflicts(2 * PORTION)) == 2 * PORTION
    assert journal.record(conflicts(1)) == 1
    assert (ways.written, ways.published, len(ways.told)) == ([PORTION], [PORTION, PORTION, 1], 1)
    ways.at += REST
    ways.of_table = lambda _: {}
    assert journal.record(conflicts(1)) == 0


def test_what_is_slow_is_not_waited_for() -> None:
    ways = Ways(takes=PATIENCE / 2)
    assert ways.journal().record(conflicts(10 * PORTION)) == 7 * PORTION
    assert ways.written == [PORTION] * 3


@pytest.mark.parametrize("error", [RuntimeError("4929-1234"), KeyError("x"), AccessDenied("no")], ids=repr)
def test_nothing_is_raised_whatever_goes_wrong(error: Exception) -> None:
    def fail(_: Sequence[Entry]) -> Missed:
        raise error

    ways = Ways(of_table=fail)
    assert ways.journal().record(conflicts(2)) == 2
    (told,) = ways.told
    assert isinstance(told, AccessDenied if isinstance(error, AccessDenied) else Defect)
    assert "4929" not in str(told)
    assert ways.published == [2]


def test_a_secret_that_cannot_be_read_is_a_miss() -> None:
    def unread() -> Redaction:
        raise AccessDenied("secretsmanager:GetSecretValue")

    ways = Ways()
    journal = RecordingJournal(dataset(), ways, ways, unread, ways.told.append)  # type: ignore[arg-type]
    assert journal.record(conflicts(2)) == 2
    assert (ways.written, [str(error) for error in ways.told]) == ([], ["secretsmanager:GetSecretValue"])


def test_a_client_that_cannot_be_made_is_a_miss() -> None:
    def unreachable() -> Any:
        raise ConnectTimeoutError(endpoint_url="https://x")

    told: list[DistributaryError] = []
    journal = RecordingJournal(
        dataset(),
        JournalTable(unreachable, "journal"),
        EventBridgeConflicts(unreachable),
        lambda: REDACTS_NOTHING,
        told.append,
    )
    assert journal.record(conflicts(2)) == 2
    assert [type(error) for error in told] == [Unavailable, Unavailable]
