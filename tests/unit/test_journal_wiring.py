"""A stack without a journal's table has no journal; one with it makes no client before there is a conflict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from distributary import wiring
from distributary.domain.journal import REDACTS_NOTHING, Redaction
from tests.unit.conflicts import HERE, REDACTING, dataset


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What is made once a container is made anew."""
    for made in (wiring.journal, wiring._quick, wiring._secret):
        made.cache_clear()
    yield
    for made in (wiring.journal, wiring._quick, wiring._secret):
        made.cache_clear()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that clients were made for; the only secret is told."""
    made: list[str] = []

    def client(service: str, region: str, config: Any) -> Any:
        assert (region, config) == (HERE, wiring.JOURNAL)
        made.append(service)
        return SimpleNamespace(get_secret_value=lambda SecretId: {"SecretString": f"of {SecretId}"})  # noqa: N803

    monkeypatch.setattr(wiring, "client", client)
    return made


def told(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    settings = SimpleNamespace(dataset=dataset(), region=HERE, journal=table, journal_secret="")
    monkeypatch.setattr(wiring, "settings", lambda: settings)


def test_without_a_table_there_is_no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "")
    assert wiring.journal() is None


def test_a_journal_is_made_once_and_clients_with_the_first_conflict(
    monkeypatch: pytest.MonkeyPatch, clients: list[str]
) -> None:
    told(monkeypatch, "journal")
    journal = wiring.journal()
    assert journal is not None
    assert journal is wiring.journal()
    assert journal.record([]) == 0
    assert clients == []


def test_a_journal_waits_for_a_second_and_tries_once() -> None:
    config: Any = wiring.JOURNAL
    assert (config.connect_timeout, config.read_timeout) == (1, 1)
    assert config.retries["total_max_attempts"] == 1


def test_a_secret_is_read_once_and_only_where_something_is_redacted(clients: list[str]) -> None:
    assert wiring.redaction(dataset(), HERE, "s") == REDACTS_NOTHING
    assert clients == []
    redacting = replace(dataset(), redact=REDACTING.attributes)
    expected = Redaction(REDACTING.attributes, b"of s")
    assert [wiring.redaction(redacting, HERE, "s") for _ in range(2)] == [expected, expected]
    assert clients == ["secretsmanager"]


def test_without_a_secret_the_redaction_has_none_and_refuses() -> None:
    redacting = replace(dataset(), redact=REDACTING.attributes)
    assert wiring.redaction(redacting, HERE, "") == Redaction(REDACTING.attributes)
