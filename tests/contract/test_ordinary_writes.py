"""What an operator restores in an Aurora database is an application's write: stamped by the trigger and captured."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cli import restoring
from cli.main import app
from distributary import wiring, wiring_journal
from distributary.adapters.aurora import install, ordinary_writes
from distributary.adapters.aurora.catalog import Table
from distributary.adapters.aurora.known_tables import KnownTables
from distributary.adapters.aurora.names import TableName
from distributary.adapters.memory.journal import MemoryJournal
from distributary.domain.conflict import Conflict, Resolution, Side
from distributary.domain.errors import NothingFound, RejectedByDatabase
from distributary.domain.image import Image
from distributary.domain.journal import REDACTS_NOTHING, entry_of
from distributary.domain.stamp import Writer, parse
from distributary.domain.version import NOTHING_SEEN, Version
from tests.contract.aurora_sites import BOTH_WAYS, Site
from tests.unit.conflicts import id_of

NAME = TableName("public", 'odd "orders"')
KEY: Image = {"id": {"S": "7"}}
IMAGE: Image = {**KEY, "note": {"S": 'it\'s "quoted" 水'}, "total": {"S": "12.50"}, "gone": {"NULL": True}}


@pytest.fixture
def table(aurora: Site) -> Table:
    """A table that is replicated, with an identity and a generated column."""
    aurora.application.execute(
        f"""CREATE TABLE {NAME.text()} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text, total numeric,
        gone text, doubled numeric GENERATED ALWAYS AS (total * 2) STORED)"""
    )
    session = aurora.direct()
    install.carry_out(session, install.plan(session, aurora.dataset, aurora.region))
    return KnownTables(session, aurora.dataset, aurora.region)(NAME, False)


def row(site: Site) -> tuple[object, ...] | None:
    return site.application.execute(
        f"SELECT note, total::text, gone, doubled::text FROM {NAME.text()} WHERE id = 7"
    ).fetchone()


def stamp(site: Site) -> str:
    found = site.application.execute(f"SELECT replication_stamp FROM {NAME.text()} WHERE id = 7").fetchone()
    assert found is not None
    return str(found[0])


@BOTH_WAYS
def test_a_row_is_inserted_updated_and_deleted_as_an_application_does(aurora: Site, table: Table) -> None:
    session = aurora.session()
    ordinary_writes.put(session, table, {**IMAGE, "doubled": {"S": "25"}})
    assert row(aurora) == ('it\'s "quoted" 水', "12.50", None, "25.00")
    first = parse(stamp(aurora))
    assert (first.writer, first.version.region) == (Writer.APPLICATION, aurora.region)
    ordinary_writes.put(session, table, {**KEY, "total": {"S": "1"}})
    assert row(aurora) == ('it\'s "quoted" 水', "1", None, "2")
    assert parse(stamp(aurora)).version > first.version
    ordinary_writes.delete(session, table, KEY)
    assert row(aurora) is None


@pytest.mark.parametrize(
    "image", [{"note": {"S": "x"}}, {**KEY, "other": {"S": "x"}}], ids=["no key", "another column"]
)
def test_what_is_no_row_of_the_table_is_refused(aurora: Site, table: Table, image: Image) -> None:
    with pytest.raises(RejectedByDatabase, match="do not agree"):
        ordinary_writes.put(aurora.direct(), table, image)


@pytest.mark.usefixtures("table")
def test_a_lost_state_is_restored_by_the_command(
    aurora: Site, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    region, dataset = aurora.region, aurora.dataset.name
    lost = Side(Version(1, 1, "eu-west-1"), NOTHING_SEEN, IMAGE)
    stays = Side(Version(2, 1, region), NOTHING_SEEN, None)
    made = Conflict(dataset, NAME.text(), KEY, lost, stays, "last_writer_wins", Resolution.KEPT, region, wiring.clock())
    journal = MemoryJournal(dataset)
    assert journal.record([made]) == 0
    monkeypatch.setattr(wiring_journal, "deployed", lambda *_: {})
    monkeypatch.setattr(wiring_journal, "recorded", lambda *_: journal)
    file = tmp_path_factory.mktemp("shop") / "replication.toml"
    told = f'[datasets.{dataset}]\nengine = "aurora"\nreplicas = ["us-east-1", "eu-west-1"]\n'
    file.write_text(told, encoding="utf-8")
    options = ["--dataset", dataset, "--region", region, "--replication", str(file)]
    listed = CliRunner().invoke(app, ["conflicts", "list", "--table", 'public.odd "orders"', "--json", *options])
    assert id_of(made) in listed.output
    found = CliRunner().invoke(
        app, ["conflicts", "list", "--key", '{"id": 7}', "--table", NAME.text(), "--json", *options]
    )
    assert id_of(made) in found.output
    done = CliRunner().invoke(app, ["conflicts", "restore", id_of(made), "--yes", "--dsn", aurora.address, *options])
    assert done.exit_code == 0, done.output
    assert row(aurora) == ('it\'s "quoted" 水', "12.50", None, "25.00")


def test_an_image_without_its_key_is_not_restored() -> None:
    partial = Side(Version(1, 1, "eu-west-1"), NOTHING_SEEN, {"note": {"S": "x"}})
    stays = Side(Version(2, 1, "us-east-1"), NOTHING_SEEN, IMAGE)
    made = Conflict("shop", NAME.text(), KEY, partial, stays, "p", Resolution.KEPT, "us-east-1", 1)
    refused = restoring.refusal(entry_of(made, REDACTS_NOTHING, 1))
    assert refused is not None
    assert "whole row" in refused


@BOTH_WAYS
def test_columns_of_a_row_that_is_there_are_given_back(aurora: Site, table: Table) -> None:
    session = aurora.session()
    with pytest.raises(NothingFound):
        ordinary_writes.update(session, table, KEY, {"total": {"S": "3"}})
    ordinary_writes.put(session, table, IMAGE)
    ordinary_writes.update(session, table, KEY, {"total": {"S": "3"}, "note": {"NULL": True}})
    assert row(aurora) == (None, "3", None, "6")
