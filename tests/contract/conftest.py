"""Engines for the contract suites: each test process starts its own, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from moto import mock_aws

from distributary.domain.journal import REDACTS_NOTHING
from tests.contract.aurora_sites import Site, Sites, Way, site, sites
from tests.contract.engines import (
    dynamodb_client,
    dynamodb_local,
    ministack,
    or_skip,
)
from tests.contract.journals import Desk, MemoryDesk, NewDesk, TableDesk, moto_client
from tests.contract.places import DynamoPlace, MemoryPlace, Place, new_place
from tests.contract.postgresql import postgresql
from tests.contract.slots import Source, new_source


@pytest.fixture(scope="session")
def ministack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with or_skip(ministack(tmp_path_factory.mktemp("ministack"))) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def dynamodb_local_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with or_skip(dynamodb_local(tmp_path_factory.mktemp("dynamodb"))) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Callable[[str], DynamoPlace]:
    """The tables of an engine, made when first asked for."""
    places: dict[str, DynamoPlace] = {}

    def place(name: str) -> DynamoPlace:
        if name not in places:
            places[name] = new_place(dynamodb_client(request.getfixturevalue(f"{name}_endpoint")), name)
        return places[name]

    return place


# One test process has all tests of an engine, so that each engine is started once.
ENGINES = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("ministack", "dynamodb_local")]


@pytest.fixture(params=["memory", *ENGINES])
def place(request: pytest.FixtureRequest, engine: Callable[[str], DynamoPlace]) -> Place:
    """A replica of every kind."""
    return MemoryPlace() if request.param == "memory" else engine(request.param)


@pytest.fixture(params=ENGINES)
def dynamo(request: pytest.FixtureRequest, engine: Callable[[str], DynamoPlace]) -> DynamoPlace:
    """A replica over an engine that speaks DynamoDB's protocol."""
    return engine(request.param)


# The servers come with the requirements: where one does not start the tests fail, none is skipped.
SERVERS = [pytest.param(version, marks=pytest.mark.xdist_group(f"postgresql{version}")) for version in (16, 18)]


@pytest.fixture(scope="session", params=SERVERS)
def postgresql_address(request: pytest.FixtureRequest) -> Iterator[str]:
    with postgresql(request.param) as address:
        yield address


@pytest.fixture
def source(postgresql_address: str) -> Iterator[Source]:
    """A schema in PostgreSQL and a slot that tells of it."""
    with new_source(postgresql_address) as made:
        yield made


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Way:
    """How databases are reached: directly, where a test does not say otherwise."""
    chosen: Way = getattr(request, "param", Way.DIRECT)
    return chosen


@pytest.fixture
def aurora(postgresql_address: str, way: Way) -> Iterator[Site]:
    """A database, not yet prepared."""
    with site(postgresql_address, way=way) as made:
        yield made


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[str, ...]]:
    """A server a region, not all of one version."""
    with postgresql(16) as first, postgresql(18) as second, postgresql(16) as third:
        yield first, second, third


@pytest.fixture
def regions(servers: tuple[str, ...], way: Way) -> Iterator[Sites]:
    """A dataset in three regions, not yet prepared."""
    with sites(servers, way) as made:
        yield made


@contextmanager
def journals(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewDesk]:
    """Makes journals in the tables of an engine."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    if name == "moto":
        with mock_aws():
            yield lambda redaction=REDACTS_NOTHING: TableDesk(moto_client(), redaction)
        return
    endpoint = request.getfixturevalue(f"{name}_endpoint")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    yield lambda redaction=REDACTS_NOTHING: TableDesk(dynamodb_client(endpoint), redaction)


@pytest.fixture(params=["moto", *ENGINES])
def tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewDesk]:
    """Makes journals in tables of every kind."""
    with journals(request.param, request, monkeypatch) as made:
        yield made


@pytest.fixture(params=["memory", "moto", *ENGINES])
def new_desk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewDesk]:
    """Makes journals of every kind."""
    if request.param == "memory":
        yield MemoryDesk
        return
    with journals(request.param, request, monkeypatch) as made:
        yield made


@pytest.fixture
def desk(new_desk: NewDesk) -> Desk:
    """A journal that redacts nothing."""
    made: Desk = new_desk()
    return made
