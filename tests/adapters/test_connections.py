"""A direct connection is opened to the database that is told and to no other, by IAM over verified TLS on AWS."""

from __future__ import annotations

from typing import Any, cast

import psycopg
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from mypy_boto3_rds import RDSClient

from distributary.adapters.aurora.connections import CONNECT_SECONDS, SILENCE_SECONDS, connector
from distributary.adapters.aurora.psycopg_session import PsycopgSession
from distributary.domain.dataset import Database
from distributary.domain.errors import AccessDenied, DistributaryError, InvalidSettings, Unavailable

WRITER = Database(host="writer.example", port=5433, name="shop", user="replicator", authorities="/opt/bundle.pem")
REGION = "eu-west-1"


class Signer:
    """The part of the SDK's client that signs tokens. trouble: what it meets."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._trouble = trouble

    def __call__(self) -> RDSClient:
        return cast("RDSClient", self)

    def generate_db_auth_token(self, *asked: Any) -> str:
        if self._trouble is not None:
            raise self._trouble
        self.asked.append(asked)
        return f"token {len(self.asked)}"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the driver is asked for, none of which it opens."""
    asked: list[dict[str, Any]] = []

    def connect(dsn: str = "", **options: Any) -> None:
        asked.append({"dsn": dsn, **options})

    monkeypatch.setattr(psycopg, "connect", connect)
    return asked


def test_on_aws_the_user_logs_in_by_a_token_over_verified_tls(opened: list[dict[str, Any]]) -> None:
    signer = Signer()
    connector(WRITER, signer, REGION)()
    assert signer.asked == [("writer.example", 5433, "replicator", REGION)]
    (options,) = opened
    assert (options["host"], options["port"], options["dbname"]) == ("writer.example", 5433, "shop")
    assert (options["user"], options["password"]) == ("replicator", "token 1")
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/opt/bundle.pem")


def test_without_a_file_of_authorities_the_systems_own_are_asked(opened: list[dict[str, Any]]) -> None:
    connector(Database(host="writer.example", user="replicator"), Signer(), REGION)()
    assert (opened[0]["sslmode"], opened[0]["sslrootcert"]) == ("verify-full", "system")


def test_each_connection_has_a_token_of_its_own(opened: list[dict[str, Any]]) -> None:
    connect = connector(WRITER, Signer(), REGION)
    connect()
    connect()
    assert [options["password"] for options in opened] == ["token 1", "token 2"]


def test_a_dsn_is_taken_as_it_is_and_no_token_is_signed(opened: list[dict[str, Any]]) -> None:
    signer = Signer()
    connector(Database(dsn="host=x password=y", host="writer.example", user="replicator"), signer, REGION)()
    assert (opened[0]["dsn"], "host" in opened[0], signer.asked) == ("host=x password=y", False, [])


@pytest.mark.parametrize(
    "dsn", ["postgres+psycopg://master:hunter2@db/shop", "postgresql://master:100%hunter2@db/shop", "jdbc:hunter2"]
)
def test_a_dsn_that_is_none_is_not_repeated(opened: list[dict[str, Any]], dsn: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        connector(Database(dsn=dsn), Signer(), REGION)()
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert opened == []


@pytest.mark.parametrize("database", [WRITER, Database(dsn="host=x")], ids=["by IAM", "by DSN"])
def test_every_connection_ends_waiting_and_speaks_unicode(opened: list[dict[str, Any]], database: Database) -> None:
    connector(database, Signer(), REGION)()
    assert (opened[0]["connect_timeout"], opened[0]["client_encoding"]) == (CONNECT_SECONDS, "UTF8")


@pytest.mark.parametrize("database", [WRITER, Database(dsn="host=x")], ids=["by IAM", "by DSN"])
def test_a_machine_that_is_gone_is_noticed_long_before_a_function_ends(
    opened: list[dict[str, Any]], database: Database
) -> None:
    connector(database, Signer(), REGION)()
    (options,) = opened
    unanswered = options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"]
    assert (unanswered, options["tcp_user_timeout"]) == (SILENCE_SECONDS, SILENCE_SECONDS * 1000)


@pytest.mark.parametrize(
    ("database", "what"),
    [
        (Database(), "host"),
        (Database(user="replicator"), "host"),
        (Database(host="writer.example"), "user"),
        (Database(cluster_arn="arn:cluster", secret_arn="arn:secret"), "host"),
    ],
)
def test_without_a_host_or_user_nothing_is_connected_to(
    opened: list[dict[str, Any]], database: Database, what: str
) -> None:
    with pytest.raises(InvalidSettings, match=f"{what} is not told"):
        connector(database, Signer(), REGION)()
    assert opened == []


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (NoCredentialsError(), AccessDenied),
        (EndpointConnectionError(endpoint_url="http://x"), Unavailable),
    ],
)
def test_a_session_tells_what_keeps_a_token_from_being_signed(
    trouble: Exception, expected: type[DistributaryError]
) -> None:
    session = PsycopgSession(connector(WRITER, Signer(trouble), REGION))
    with pytest.raises(expected, match="signing in"):
        session.run("SELECT 1")


def test_a_session_tells_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(Unavailable, match="connection refused"):
        PsycopgSession(connector(WRITER, Signer(), REGION)).run("SELECT 1")
