"""The session over the Data API, against a server that keeps its limits: as a direct one, and clear where it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from cli import aurora as commands
from distributary import wiring, wiring_aurora
from distributary.adapters.aurora import catalog
from distributary.adapters.aurora.data_api_session import DataApiSession
from distributary.adapters.aurora.psycopg_session import PsycopgSession
from distributary.adapters.aurora.session import SETTINGS, Parameter, Session
from distributary.domain.dataset import Database
from distributary.domain.errors import (
    Contended,
    DistributaryError,
    InvalidSettings,
    ItemTooLarge,
    Misconfigured,
    RejectedByDatabase,
    RetryLater,
    Throttled,
    Unavailable,
    UniqueClash,
)
from distributary.domain.image import STAMP_ATTRIBUTE, Image, key_text
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.steps import Write
from distributary.domain.version import Context, Version
from local.world import PROJECT
from tests.contract.aurora_sites import SECRET, Site, Way, site
from tests.contract.data_api import DataApi, Refusal
from tests.contract.engines import data_api_client
from tests.contract.postgresql import postgresql

pytestmark = pytest.mark.xdist_group("data_api")
STEPS = ["/BeginTransaction", "/Execute", "/Execute", "/CommitTransaction"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql(16) as address:
        yield address


@pytest.fixture
def place(server: str) -> Iterator[Site]:
    with site(server, way=Way.DATA_API) as made:
        yield made


@pytest.fixture
def api(place: Site) -> DataApi:
    assert place.api is not None
    return place.api


def together(session: Session, *statements: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """All statements in one transaction. meanwhile: happens after the first."""
    with session.transaction():
        for statement in statements:
            session.run(statement)
            meanwhile()


@pytest.mark.parametrize(
    ("question", "parameters"),
    [
        ("SELECT $1::text, $2::int, $3::bigint, $4::boolean, $5::text", ("a", 1, 1 << 62, True, None)),
        ("SELECT $1::text", ("quote ' \" \\ 水 \U0001f600 \t\n$1 :p1 ::x",)),
        ("SELECT ($1::json ->> 0) IS NULL, $1::jsonb ->> 1", (json.dumps([None, "{}"]),)),
        ("SELECT pg_catalog.to_regclass($1) IS NOT NULL", ("pg_catalog.pg_class",)),
        ("SELECT c.relname::text FROM pg_catalog.pg_class c WHERE c.oid = $1::regclass", ("pg_catalog.pg_class",)),
        ("SELECT name FROM pg_catalog.pg_settings WHERE name = $1", ("wal_level",)),
        ('SELECT \':p1\', "$1", $2::text FROM (SELECT 1 AS "$1", $1::text) AS x', ("no", "yes")),
        ("SELECT 1 WHERE false", ()),
        ("SELECT false, ''", ()),
    ],
)
def test_both_sessions_answer_alike(place: Site, question: str, parameters: tuple[Parameter, ...]) -> None:
    assert place.session().run(question, *parameters) == place.direct().run(question, *parameters)


def test_every_statement_has_the_settings(place: Site) -> None:
    session = place.session()
    for _ in range(2):
        for name, value in SETTINGS.items():
            assert session.run("SELECT pg_catalog.current_setting($1)", name) == [(value,)]
    assert session.run("SELECT pg_catalog.current_setting('lock_timeout')") == [("5s",)]
    assert session.run("SELECT pg_catalog.current_setting('statement_timeout')") == [("30s",)]


def test_a_statement_alone_is_a_transaction_of_its_own(place: Site, api: DataApi) -> None:
    session = place.session()
    session.run("CREATE TABLE public.t (v int UNIQUE)")
    assert api.requests == STEPS
    assert session.run("INSERT INTO public.t VALUES (1)") == []
    with pytest.raises(UniqueClash) as clash:
        session.run("INSERT INTO public.t VALUES (2), (1)")
    assert clash.value.constraint == "t_v_key"
    assert "(1)" not in str(clash.value)
    assert place.ask("SELECT v FROM t") == [(1,)]
    assert api.transactions == {}


def test_a_transaction_is_whole_or_nothing(place: Site, api: DataApi) -> None:
    session = place.session()
    with session.transaction():
        session.run("CREATE TABLE public.t (v int)")
        with session.transaction():
            session.run("INSERT INTO public.t VALUES (1)")

    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        together(session, "INSERT INTO public.t VALUES (2)", meanwhile=fail)
    with pytest.raises(RejectedByDatabase, match="22012"):
        together(session, "INSERT INTO public.t VALUES (3)", "SELECT 1 / 0")
    assert place.ask("SELECT v FROM t") == [(1,)]
    assert api.transactions == {}


def test_what_is_found_wrong_at_the_commit_is_told(place: Site, api: DataApi) -> None:
    session = place.session()
    session.run("CREATE TABLE public.t (v int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(UniqueClash, match="23505"):
        session.run("INSERT INTO public.t VALUES (1), (1)")
    assert place.ask("SELECT v FROM t") == []
    assert api.transactions == {}


def test_a_transaction_that_was_idle_for_too_long_is_done_again_later(place: Site, api: DataApi) -> None:
    session = place.session()
    session.run("CREATE TABLE public.t (v int)")
    statements = [f"INSERT INTO public.t VALUES ({value})" for value in (1, 2)]
    with pytest.raises(RetryLater, match="TransactionNotFoundException"):
        together(session, *statements, meanwhile=lambda: setattr(api, "idle_seconds", -1.0))
    api.idle_seconds = 180.0
    assert place.ask("SELECT v FROM t") == []
    session.run("INSERT INTO public.t VALUES (3)")
    assert place.ask("SELECT v FROM t") == [(3,)]


def test_a_closed_session_leaves_no_transaction(place: Site, api: DataApi) -> None:
    session = place.session()
    transaction = session.transaction()
    transaction.__enter__()
    assert len(api.transactions) == 1
    session.close()
    assert api.transactions == {}


def test_a_request_over_the_limit_is_not_sent(place: Site, api: DataApi) -> None:
    session = place.session()
    half = "水" * (350 << 10)  # six bytes each as the SDK writes it
    assert session.run("SELECT pg_catalog.length($1)", half) == [(350 << 10,)]
    sent = len(api.requests)
    for statement, parameters in (("SELECT $1, $2", (half, half)), ("SELECT '" + "x" * 65_536 + "'", ())):
        with pytest.raises(ItemTooLarge, match="the Data API takes"):
            session.run(statement, *parameters)
    assert len(api.requests) == sent


def test_what_is_let_through_is_not_over_the_limit_of_the_server(place: Site) -> None:
    session = place.session()
    room = (4 << 20) - 9_000
    for text in ("x" * room, '"' * (room // 2), "水" * (room // 6), "\U0001f600" * (room // 12)):
        assert session.run("SELECT pg_catalog.length($1)", text) == [(len(text),)]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT pg_catalog.repeat('x', 60000) FROM pg_catalog.generate_series(1, 18)",
        "SELECT pg_catalog.repeat('x', 65537)",
    ],
    ids=["answer", "row"],
)
def test_an_answer_over_the_limit_is_told_apart_and_undone(place: Site, question: str) -> None:
    session = place.session()
    session.run("CREATE TABLE public.t (v int)")
    with pytest.raises(ItemTooLarge):
        together(session, "INSERT INTO public.t VALUES (1)", question)
    assert place.ask("SELECT v FROM t") == []


def test_a_look_at_more_than_an_answer_holds_is_made_by_halves(place: Site, api: DataApi) -> None:
    place.write("CREATE TABLE t (id int PRIMARY KEY)")
    place.install()
    place.write("INSERT INTO t SELECT pg_catalog.generate_series(1, 3000)")
    with place.application.transaction():
        place.write("SELECT set_config('distributary.applying', 'on', true)")
        place.write("UPDATE t SET replication_stamp = replication_stamp || ',' || repeat('x', 900)")
    replica = place.replica('"public"."t"')
    before = api.requests.count("/CommitTransaction")
    found = replica.look([{"id": {"S": str(number)}} for number in range(1, 3101)])
    assert sum(state.row is not None for state in found.values()) == 3000
    assert [number for number in range(1, 3101) if found[key_text({"id": {"S": str(number)}})].row is None] == [
        *range(3001, 3101)
    ]
    assert api.requests.count("/CommitTransaction") > before + 2


def test_rows_beyond_a_request_are_written_in_several(place: Site) -> None:
    place.write("CREATE TABLE t (id int PRIMARY KEY, v text)")
    place.install()
    version = Version(1, 0, "eu-west-1")
    stamp = Stamp(version, Context().including(version), Writer.REPLICATION).text()
    # Twelve MiB as the SDK writes them, and one row that no request holds.
    texts = ["水" * 700] * 3000 + ["水" * 700_000]
    images: list[Image] = [{"id": {"S": str(at)}, "v": {"S": text}} for at, text in enumerate(texts)]
    writes = [({"id": image["id"]}, Write(None, {**image, STAMP_ATTRIBUTE: {"S": stamp}})) for image in images]
    *written, refused = place.replica('"public"."t"').write(writes)
    assert written == [True] * 3000
    assert isinstance(refused, ItemTooLarge)
    assert place.ask("SELECT count(*), sum(length(v)) FROM t") == [(3000, 2_100_000)]


def test_tables_beyond_an_answer_are_read_in_portions(place: Site) -> None:
    columns = ", ".join(f"c{'x' * 50}{number} int" for number in range(300))
    place.write(*(f"CREATE TABLE t{number} (id int PRIMARY KEY, {columns})" for number in range(60)))
    there = catalog.tables(place.session(), ["public.*"])
    assert there == catalog.tables(place.direct(), ["public.*"])
    assert len(there) == 60


def test_a_table_that_no_answer_holds_is_named_a_matter_of_settings(place: Site) -> None:
    columns = ", ".join(f"c{'x' * 50}{number} int" for number in range(900))
    place.write(f"CREATE TABLE t (id int PRIMARY KEY, {columns})")
    with pytest.raises(InvalidSettings, match="too many columns"):
        catalog.tables(place.session(), ["public.*"])


def test_one_statement_at_a_time(place: Site) -> None:
    with pytest.raises(RejectedByDatabase, match="42601"):
        place.session().run("SELECT 1; SELECT 2")


@pytest.mark.parametrize("kind", ["void", "record", "name", "regclass", "pg_lsn", "oid", '"char"'])
def test_results_beyond_the_documented_types_are_our_mistake(place: Site, kind: str) -> None:
    question = {"void": "SELECT pg_catalog.pg_sleep(0)", "record": "SELECT ROW(1, 2)"}
    with pytest.raises(Misconfigured, match="unsupported data type"):
        place.session().run(question.get(kind, f"SELECT NULL::{kind}"))


def test_a_statement_that_takes_too_long_is_tried_again_later(place: Site, api: DataApi) -> None:
    client = data_api_client(api.endpoint, place.region)
    session = DataApiSession(client, place.cluster, SECRET, place.application.info.dbname, statement_timeout=50)
    with pytest.raises(Throttled, match="57014"):
        session.run("SELECT pg_catalog.pg_sleep(9)::text")
    api.statement_seconds = 0.05
    with pytest.raises(Throttled, match="StatementTimeoutException"):
        place.session().run("SELECT pg_catalog.pg_sleep(9)::text")


def test_a_lock_that_another_transaction_holds_is_not_waited_for_long(place: Site, api: DataApi) -> None:
    place.write("CREATE TABLE t (v int)")
    client = data_api_client(api.endpoint, place.region)
    session = DataApiSession(client, place.cluster, SECRET, place.application.info.dbname, lock_timeout=50)
    with place.application.transaction():
        place.write("LOCK TABLE t")
        with pytest.raises(Contended):
            session.run("INSERT INTO public.t VALUES (1)")


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("ForbiddenException", 403, Misconfigured),
        ("DatabaseResumingException", 400, Unavailable),
        ("BadRequestException", 400, RetryLater),
    ],
)
def test_the_service_says_why_it_does_nothing(
    place: Site, api: DataApi, kind: str, status: int, expected: type[DistributaryError]
) -> None:
    api.refusals.append(Refusal(kind, "no", status))
    with pytest.raises(expected, match=f"{kind}: no"):
        place.session().run("SELECT 1")
    assert place.session().run("SELECT 1") == [(1,)]


@pytest.mark.parametrize("wrong", ["cluster", "secret"])
def test_a_wrong_name_is_refused(place: Site, api: DataApi, wrong: str) -> None:
    names = {"cluster": place.cluster, "secret": SECRET, wrong: "arn:aws:other"}
    client = data_api_client(api.endpoint, place.region)
    with pytest.raises(RetryLater, match="BadRequestException"):
        DataApiSession(client, names["cluster"], names["secret"], "postgres").run("SELECT 1")


def told(place: Site, **others: str) -> Mapping[str, str]:
    """The environment of apply, or of an operator, on the way to the server."""
    assert place.api is not None
    return {
        "AWS_ENDPOINT_URL_RDS_DATA": place.api.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **others,
    }


def test_the_operators_commands_reach_a_cluster(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("CREATE TABLE t (id int PRIMARY KEY)")
    for name, value in told(place).items():
        monkeypatch.setenv(name, value)
    wiring._session.cache_clear()
    reached = ["--dataset", "shop", "--region", place.region, "--cluster-arn", place.cluster, "--secret-arn", SECRET]
    reached += ["--database", place.dataset.name, "--replication", str(PROJECT / "replication.toml")]
    for command, said in (
        ("install", 'table "public"."t"'),
        ("install", "nothing to do"),
        ("doctor", "Nothing was found"),
        ("uninstall", "our schema"),
    ):
        answer = CliRunner().invoke(commands.app, [command, *reached, *(["--yes"] if command == "uninstall" else [])])
        assert (answer.exit_code, said in answer.output) == (0, True), answer.output
    assert place.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'distributary'") == [(0,)]
    wiring._session.cache_clear()


def test_two_ways_to_a_database_are_refused() -> None:
    for options in (["--host", "h", "--secret-arn", "s"], ["--dsn", "d", "--secret-arn", "s"], []):
        answer = CliRunner().invoke(commands.app, ["doctor", "--cluster-arn", "c", *options])
        assert answer.exit_code != 0
        assert "--cluster-arn" in answer.output


def test_a_function_that_goes_through_the_api_needs_no_psycopg(place: Site) -> None:
    program = """
import sys
sys.modules["psycopg"] = None
from distributary import wiring_aurora
from distributary.domain.dataset import Database
database = Database(name=sys.argv[1], cluster_arn=sys.argv[2], secret_arn=sys.argv[3])
print(wiring_aurora.operator_session(database, "us-east-1").run("SELECT current_database()::text"))
"""
    arguments = [sys.executable, "-c", program, place.application.info.dbname, place.cluster, SECRET]
    environment = told(place, PYTHONPATH=str(PROJECT / "layers" / "distributary"))
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"[('{place.application.info.dbname}',)]\n", done.stderr


def test_a_direct_way_is_taken_where_there_is_one() -> None:
    database = Database(cluster_arn="c", secret_arn="s")
    assert isinstance(wiring_aurora.operator_session(database, "us-east-1"), DataApiSession)
    for direct in (replace(database, host="h"), replace(database, dsn="d"), Database(host="h")):
        assert isinstance(wiring_aurora.operator_session(direct, "us-east-1"), PsycopgSession)
