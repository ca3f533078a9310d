"""Policies of tables: what install adds and refuses, what becomes of them when they change, and what travels."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from distributary.adapters.aurora import ddl, install
from distributary.adapters.aurora.catalog import ColumnInfo, Table
from distributary.adapters.aurora.change_log import Identity, PostgresChangeLog
from distributary.adapters.aurora.doctor import Finding, Severity, examine
from distributary.adapters.aurora.known_tables import KnownTables
from distributary.adapters.aurora.names import TableName, table_name
from distributary.adapters.aurora.replica import PostgresReplica
from distributary.domain.block import Block, blocks_of
from distributary.domain.change import Change
from distributary.domain.errors import NotInstalled, SchemaDiffers
from distributary.domain.image import STAMP_ATTRIBUTE, STATE_ATTRIBUTE, Image
from distributary.domain.message import unpack
from distributary.domain.policies import AttributePolicy, AttributeRule, Handed, Policy
from distributary.domain.row import Row
from distributary.domain.stamp import Stamp, Writer
from distributary.domain.steps import Write
from distributary.domain.version import NOTHING_SEEN, Version
from tests.contract.aurora_sites import BOTH_WAYS, Site, held, now, writes_of

TABLE = '"public"."t"'
HERE, THERE = "us-east-1", "eu-west-1"


def findings(site: Site) -> list[Finding]:
    """What the doctor says."""
    return examine(site.session(), site.dataset, site.region)


def with_rules(site: Site, **rules: str) -> None:
    """Give columns of table t policies; see `rule`."""
    site.dataset = replace(site.dataset, attributes={f"public.t.{name}": rule(told) for name, told in rules.items()})


def rule(told: str) -> AttributeRule:
    """The policy of that name, or a function that values are handed to as that."""
    if told in [each.value for each in Handed]:
        return AttributeRule(AttributePolicy.CUSTOM, "users:longest", Handed(told))
    return AttributeRule(AttributePolicy(told))


def columns_of(site: Site) -> set[str]:
    return {
        name
        for (name,) in site.ask(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    }


def documents(site: Site) -> list[Mapping[str, object] | None]:
    found = site.ask("SELECT replication_state FROM t ORDER BY id")
    return [json.loads(text) if text is not None else None for (text,) in found]


def shipped(site: Site) -> list[Change]:
    site.capture()
    inbox = site.queues[THERE]
    return [change for message in inbox.messages.values() for change in unpack(message.body, site.dataset)]


@pytest.fixture
def counting(aurora: Site) -> Site:
    """A table with a counter and a set."""
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, n numeric NOT NULL, tags text[] NOT NULL DEFAULT '{}', v text)")
    with_rules(aurora, n="counter", tags="add_wins_set")
    aurora.install()
    return aurora


# --- preparing


@BOTH_WAYS
def test_only_tables_whose_policies_need_it_keep_states(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)", "CREATE TABLE u (id int PRIMARY KEY)")
    with_rules(aurora, n="counter")
    aurora.install()
    assert aurora.install() == []
    assert columns_of(aurora) == {"id", "n", STAMP_ATTRIBUTE, STATE_ATTRIBUTE}
    found = aurora.ask("SELECT count(*) FROM pg_attribute WHERE attrelid = 'u'::regclass AND attname LIKE '%state'")
    assert found == [(0,)]


def test_the_triggers_of_plain_tables_are_what_they_were() -> None:
    """To the letter: a table that needs no memory pays for none. `install` carries a change into every database."""
    key = ColumnInfo("id", "integer", generated=False, not_null=True)
    table = Table(TableName("public", "t"), (key, ColumnInfo("v", "text", generated=False, not_null=False)), ("id",))
    assert ddl.digest(table, "us-east-1", 60_000_000) == "wW_x1RidLBnW"


@BOTH_WAYS
def test_a_change_of_policies_is_carried_out_by_another_install(aurora: Site) -> None:
    # given
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, m int NOT NULL)")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1, 1)")
    # when: one policy, then another
    with_rules(aurora, n="counter")
    assert any("policy" in each.problem for each in findings(aurora))
    assert aurora.install() == ['table "public"."t"']
    aurora.write("UPDATE t SET n = n + 2")
    with_rules(aurora, n="counter", m="max")
    assert aurora.install() == ['table "public"."t"']
    aurora.write("UPDATE t SET n = n + 2, m = 0")
    # then
    assert aurora.ask("SELECT n, m FROM t") == [(5, 1)]
    (document,) = documents(aurora)
    assert document is not None
    assert document["a"]["n"]["t"] == {"us-east-1": ["2", "4"]}  # type: ignore[index]


@BOTH_WAYS
def test_a_table_whose_policies_need_no_memory_any_more_forgets_its_states(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)")
    with_rules(aurora, n="counter")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1), (2, 1)")
    # when
    with_rules(aurora)
    assert aurora.install() == ['table "public"."t"']
    assert aurora.install() == []
    aurora.write("UPDATE t SET n = 5 WHERE id = 1", "INSERT INTO t VALUES (3, 1, NULL, '{}')")
    # then
    assert documents(aurora)[0] is None
    assert documents(aurora)[1] is not None
    assert documents(aurora)[2] is None


@BOTH_WAYS
@pytest.mark.parametrize("keep", [False, True])
def test_the_states_go_with_the_rest(counting: Site, *, keep: bool) -> None:
    session = counting.session()
    install.carry_out(session, install.removal(session, counting.dataset, keep_columns=keep))
    assert (STATE_ATTRIBUTE in columns_of(counting)) == keep
    assert counting.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'distributary'") == [(0,)]


@BOTH_WAYS
@pytest.mark.parametrize(
    ("column", "rules", "problem"),
    [
        ("v int", {"id": "counter"}, "public.t.id has the policy counter and is part of the key"),
        ("v float8", {"v": "counter"}, "is of the type double precision: make it an exact number"),
        ("v money", {"v": "counter"}, "is of the type money"),
        ("v text", {"v": "max"}, "is of the type text: make it an exact number, a date or a timestamp"),
        ("v float4", {"v": "min"}, "is of the type real"),
        ("v text", {"v": "add_wins_set"}, "is of the type text: make it an array"),
        ("v numeric[]", {"v": "add_wins_set"}, r"is of the type numeric\[\]"),
        ("v timestamptz[]", {"v": "add_wins_set"}, r"is of the type timestamp with time zone\[\]"),
        ("v int GENERATED ALWAYS AS (id + 1) STORED", {"v": "counter"}, "the database generates it"),
        ("v int GENERATED ALWAYS AS IDENTITY", {"v": "counter"}, "the database generates it"),
        ("v int", {"w": "counter"}, "public.t.w is a column that is not there: correct the name"),
        (
            "v text",
            {"v": "number"},
            "handed to its function as number and is of the type text: make it an exact number",
        ),
        ("v float8", {"v": "number"}, "as number and is of the type double precision"),
        ("v int", {"v": "boolean"}, "as boolean and is of the type integer: make it boolean"),
        ("v text", {"v": "json"}, "as json and is of the type text: make it json or jsonb"),
        ("v text UNIQUE", {"v": "text"}, "has the policy custom and is part of what is unique: remove the line"),
        ("v int, w int, UNIQUE (w, v)", {"v": "number"}, "is part of what is unique"),
        ("v int", {"id": "number"}, "public.t.id has the policy custom and is part of the key"),
        ("v int GENERATED ALWAYS AS (id + 1) STORED", {"v": "number"}, "the database generates it"),
    ],
)
def test_what_a_trigger_cannot_keep_is_refused_with_the_remedy(
    aurora: Site, column: str, rules: dict[str, str], problem: str
) -> None:
    aurora.write(f"CREATE TABLE t (id int PRIMARY KEY, {column})")
    with_rules(aurora, **rules)
    with pytest.raises(NotInstalled, match=problem):
        aurora.install()
    told = [each for each in findings(aurora) if each.subject.startswith("public.t.")]
    assert [each.severity for each in told] == [Severity.BROKEN]


def test_a_rule_for_a_table_that_is_not_there_yet_is_a_risk_until_it_is_and_is_installed(aurora: Site) -> None:
    # given: a database whose tables are made later
    with_rules(aurora, v="counter")
    aurora.install()
    (told,) = [each for each in findings(aurora) if each.subject == "public.t.v"]
    assert (told.severity, told.problem) == (Severity.RISK, "is of a table that is not there")
    # when: the table is there, and install runs again
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL)")
    aurora.install()
    # then: its writes keep a state
    aurora.write("INSERT INTO t VALUES (1, 5)")
    assert documents(aurora)
    assert [each for each in findings(aurora) if each.subject == "public.t.v"] == []


@pytest.mark.parametrize(
    "kind", ["smallint", "int", "bigint", "numeric", "numeric(10,2)", "date", "timestamp", "timestamptz(3)"]
)
def test_what_has_an_order_can_be_the_greatest(aurora: Site, kind: str) -> None:
    aurora.write(f"CREATE TABLE t (id int PRIMARY KEY, v {kind})")
    with_rules(aurora, v="max")
    aurora.install()
    low, high = ("9", "10") if "int" in kind or "numeric" in kind else ("2024-09-01", "2024-10-01")
    aurora.write(f"INSERT INTO t VALUES (1, '{high}')", f"UPDATE t SET v = '{low}'")
    assert aurora.ask(f"SELECT v = '{high}' FROM t") == [(True,)]


@BOTH_WAYS
@pytest.mark.parametrize("name", ['sel"ect', "o'brien", "$1 %s :x", "UPPER case", "水", "$body$", "x" * 63, "tab\tle"])
def test_every_legal_name_may_have_a_policy(aurora: Site, name: str) -> None:
    column = '"' + name.replace('"', '""') + '"'
    aurora.write(f"CREATE TABLE t (id int PRIMARY KEY, {column} int NOT NULL, note text)")
    with_rules(aurora, **{name: "counter"})
    aurora.dataset = replace(aurora.dataset, conflict=Policy.ATTRIBUTE_MERGE)
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1)", f"UPDATE t SET {column} = {column} + 1")
    (document,) = documents(aurora)
    assert document is not None
    assert document["a"] == {name: {"n": "0", "t": {"us-east-1": ["2", "2"]}}}


def test_columns_that_may_be_null_are_a_risk(aurora: Site) -> None:
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, n int)")
    with_rules(aurora, n="counter")
    aurora.install()
    (finding,) = findings(aurora)
    assert (finding.severity, finding.subject) == (Severity.RISK, TABLE)
    assert finding.problem.startswith("n may be NULL")


def test_a_table_of_many_columns_with_policies_is_prepared(aurora: Site) -> None:
    names = [f"a number {at}" for at in range(120)]
    columns = ", ".join(f'"{name}" int NOT NULL DEFAULT 0' for name in names)
    aurora.write(f"CREATE TABLE t (id int PRIMARY KEY, {columns})")
    with_rules(aurora, **dict.fromkeys(names, "counter"))
    aurora.dataset = replace(aurora.dataset, conflict=Policy.ATTRIBUTE_MERGE)
    aurora.install()
    aurora.write("INSERT INTO t (id) VALUES (1)", 'UPDATE t SET "a number 119" = 5')
    (document,) = documents(aurora)
    assert document is not None
    assert len(document["a"]) == 120  # type: ignore[arg-type]


# --- what applications do


def test_an_application_cannot_write_a_state(counting: Site) -> None:
    counting.write("INSERT INTO t VALUES (1, 5, '{}', 'x', NULL, '{\"i\": \"nonsense\"}')")
    before = documents(counting)
    counting.write("UPDATE t SET replication_state = '{\"a\": 1}', v = 'y'")
    (after,) = documents(counting)
    assert after is not None
    assert before[0] is not None
    assert after["a"] == before[0]["a"]


def test_a_set_shows_each_element_once_and_in_order(counting: Site) -> None:
    counting.write("INSERT INTO t VALUES (1, 0, '{b,a,b}')")
    assert counting.ask("SELECT tags FROM t") == [(["a", "b"],)]
    counting.write("UPDATE t SET tags = array_append(tags, 'a') || '{\"\", B}'::text[]")
    assert counting.ask("SELECT tags FROM t") == [(["", "B", "a", "b"],)]


def test_numbers_are_exact_beyond_all_machine_numbers(counting: Site) -> None:
    one = "12345678901234567890123456789012345678901234567890.000000000000000000000000000000000000001"
    counting.write(f"INSERT INTO t VALUES (1, {one})", f"UPDATE t SET n = n - {one}", f"UPDATE t SET n = n + 2 * {one}")
    (document,) = documents(counting)
    assert document is not None
    twice = "24691357802469135780246913578024691357802469135780.000000000000000000000000000000000000002"
    assert document["a"]["n"]["t"] == {"us-east-1": ["3", twice]}  # type: ignore[index]


def test_rows_are_written_by_upserts_and_copies_too(counting: Site) -> None:
    with counting.application.cursor().copy("COPY t (id, n) FROM STDIN") as copy:
        copy.write("1\t1\n2\t2\n")
    upsert = "INSERT INTO t VALUES (1, 7) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n"
    counting.write(upsert, upsert)
    (document, _) = documents(counting)
    assert document is not None
    assert document["a"]["n"]["t"] == {"us-east-1": ["3", "15"]}  # type: ignore[index]


# --- what travels


def test_states_travel_beside_the_rows(counting: Site) -> None:
    counting.write("INSERT INTO t VALUES (1, 5, '{a}')", "UPDATE t SET n = 6", "INSERT INTO t VALUES (2, 0)")
    changes = {change.key["id"]["S"]: change for change in shipped(counting)}
    assert [changes["1"].state, changes["2"].state] == documents(counting)
    assert all(STATE_ATTRIBUTE not in (change.image or {}) for change in changes.values())


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_a_state_that_the_log_leaves_out_is_read_from_the_row(aurora: Site, identity: str) -> None:
    # given: a state too large for the row itself
    aurora.write(
        "CREATE TABLE t (id int PRIMARY KEY, tags text[] NOT NULL)", f"ALTER TABLE t REPLICA IDENTITY {identity}"
    )
    with_rules(aurora, tags="add_wins_set")
    aurora.install()
    aurora.write("ALTER TABLE t ALTER replication_state SET STORAGE EXTERNAL")
    aurora.write("INSERT INTO t SELECT 1, array_agg(md5(n::text)) FROM generate_series(1, 300) n")
    aurora.capture()
    aurora.queues[THERE].messages.clear()
    # when: it is told again, as by `install --new-slot`
    as_replication(aurora, "UPDATE t SET replication_stamp = replication_stamp")
    # then
    (change,) = shipped(aurora)
    assert [change.state] == documents(aurora)
    assert change.image is not None
    assert len(change.image["tags"]["S"]) > 300 * 32


def test_a_state_that_nobody_can_read_is_parked(counting: Site) -> None:
    counting.write("INSERT INTO t VALUES (1, 1), (2, 2)")
    counting.capture()
    as_replication(counting, "UPDATE t SET replication_state = '[1]' WHERE id = 1")
    counting.write("UPDATE t SET n = 3 WHERE id = 2")
    counting.queues[THERE].messages.clear()
    assert [change.key["id"]["S"] for change in shipped(counting)] == ["2"]
    assert len(counting.parking.parcels) == 1


def test_an_update_without_its_large_value_travels_as_what_replication_has_made_of_it(aurora: Site) -> None:
    # given: an update that leaves a large value alone
    aurora.write(
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, big text)", "ALTER TABLE t ALTER big SET STORAGE EXTERNAL"
    )
    with_rules(aurora, n="counter")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 0, repeat('x', 9000))")
    aurora.capture()
    aurora.queues[THERE].messages.clear()
    aurora.write("UPDATE t SET n = 5")
    ((document,),) = aurora.ask("SELECT replication_state FROM t")
    # when: before it is captured, replication joins it with what another region has added
    replica = aurora.replica(TABLE)
    key: Image = {"id": {"S": "1"}}
    row = next(iter(replica.look([key], whole=True).values())).row
    assert row is not None
    assert row.version is not None
    told = json.loads(document)
    told["a"]["n"]["t"][THERE] = ["1", "7"]
    joined = row.context.including(Version(row.version.timestamp, 5, THERE))
    merged = Stamp(row.version, joined, Writer.REPLICATION).text()
    image = {**row.content, "n": {"S": "12"}, STAMP_ATTRIBUTE: {"S": merged}, STATE_ATTRIBUTE: {"S": json.dumps(told)}}
    assert replica.write([(key, Write(row, image))]) == [True]
    # then: what it has become is shipped
    (change,) = shipped(aurora)
    assert change.image == {"id": {"S": "1"}, "n": {"S": "12"}, "big": {"S": "x" * 9000}}
    assert (change.state, change.context) == (told, joined)


def test_a_new_slot_tells_of_what_replication_has_joined_since_the_old_one_was_read(counting: Site) -> None:
    # given: rows that were captured, and one with a write that was not; another region's is joined into each
    counting.write("INSERT INTO t VALUES (1, 1)")
    counting.capture()
    counting.write("UPDATE distributary.checkpoint SET at = now() + interval '1 hour 1 second'")
    time.sleep(1.1)
    counting.write("INSERT INTO t VALUES (2, 5)")
    as_replication(counting, "UPDATE t SET replication_stamp = replace(replication_stamp, ' a ', ' r ')")
    before = documents(counting)[1]
    counting.queues[THERE].messages.clear()
    # when
    slot = install.slot_of(counting.dataset.name)
    counting.ask(f"SELECT pg_drop_replication_slot('{slot}')")
    counting.install(new_slot=True)
    # then
    (change,) = shipped(counting)
    assert change.key == {"id": {"S": "2"}}
    assert change.state is not None
    assert before is not None
    assert change.state["a"] == before["a"]


# --- the replica


@BOTH_WAYS
def test_a_row_is_looked_at_whole_as_the_log_tells_it(aurora: Site) -> None:
    # given: types whose text is not what a cast to text gives, and values that look like none
    aurora.write(
        "CREATE TYPE pair AS (a int, b int)",
        "CREATE TABLE t (id int PRIMARY KEY, yes boolean, padded char(4), at timestamptz, p pair, none text, n int, "
        "twice int GENERATED ALWAYS AS (n * 2) STORED)",
    )
    with_rules(aurora, n="counter")
    aurora.install()
    aurora.write("SET TimeZone = 'Asia/Tokyo'")
    aurora.write("INSERT INTO t VALUES (1, true, 'a', '2024-03-05 01:02:03+00', ROW(NULL, NULL), NULL, 4)")
    # when
    key: Image = {"id": {"S": "1"}}
    (whole,) = aurora.replica(TABLE).look([key], whole=True).values()
    (plain,) = aurora.replica(TABLE).look([key]).values()
    # then
    log = aurora.log()
    held(log)
    (portion,) = log.read(10)
    (logged,) = writes_of(portion)
    log.release()
    assert whole.row is not None
    assert plain.row is not None
    assert whole.row.content == logged.change.image
    assert plain.row.content == {}
    assert plain.row.image == {name: whole.row.image[name] for name in (STAMP_ATTRIBUTE, STATE_ATTRIBUTE)}


@BOTH_WAYS
def test_states_are_written_with_their_rows(counting: Site) -> None:
    replica, key = counting.replica(TABLE), {"id": {"S": "1"}}
    version = Version(now(), 1, THERE)
    stamp = Stamp(version, NOTHING_SEEN.including(version), Writer.REPLICATION).text()
    later = Stamp(later_than(version), NOTHING_SEEN.including(later_than(version)), Writer.REPLICATION).text()
    content: Image = {"id": {"S": "1"}, "n": {"S": "5"}, "tags": {"S": "{}"}, "v": {"NULL": True}}
    # when: inserted with a state, and replaced by a row without one
    first: Image = {**content, STAMP_ATTRIBUTE: {"S": stamp}, STATE_ATTRIBUTE: {"S": '{"b":"0.0."}'}}
    assert replica.write([(key, Write(None, first))]) == [True]
    assert documents(counting) == [{"b": "0.0."}]
    assert replica.write([(key, Write(Row(first), {**content, STAMP_ATTRIBUTE: {"S": later}}))]) == [True]
    # then
    assert documents(counting) == [None]


def later_than(version: Version) -> Version:
    return version._replace(timestamp=version.timestamp + 1)


@BOTH_WAYS
def test_blocks_are_taken_with_their_states(counting: Site) -> None:
    # given: rows that another region has never heard of
    counting.write("INSERT INTO t VALUES (1, 5, '{a}'), (2, 6, '{b}')", "UPDATE t SET n = n + 1 WHERE id = 2")
    (block,) = blocks_of(shipped(counting))
    told = documents(counting)
    as_replication(counting, "DELETE FROM t")
    # when: they are inserted, and once more after they have lost their states
    for _ in range(2):
        taken = counting.replica(TABLE).take(block)
        # then
        assert (taken.inserted + taken.replaced, list(taken.left)) == (2, [])
        assert documents(counting) == told
        as_replication(counting, "UPDATE t SET replication_state = NULL, replication_stamp = NULL")
    # and: a block without states leaves none
    counting.replica(TABLE).take(replace(block, states=None))
    assert documents(counting) == [None, None]


@BOTH_WAYS
def test_what_was_made_beneath_the_deletion_that_a_row_is_on_top_of_is_left_to_a_decision(counting: Site) -> None:
    # given: a row on top of a deletion that has not come itself, and an insert that could not see that
    counting.write("INSERT INTO t VALUES (1, 1)", "DELETE FROM t", "INSERT INTO t VALUES (1, 2)")
    again = max((each for each in shipped(counting) if each.image), key=lambda each: each.version)
    told = dict(again.state or {})
    as_replication(counting, "DELETE FROM t")
    counting.write("DELETE FROM distributary.tombstones")
    replica = counting.replica(TABLE)

    def taken(version: Version, beneath: str | None) -> bool:
        state = {**told, "i": beneath} if beneath else {name: part for name, part in told.items() if name != "i"}
        change = replace(again, version=version, context=NOTHING_SEEN.including(version), state=state)
        return not list(replica.take(blocks_of([change])[0]).left)

    assert taken(again.version, told["i"])
    later = later_than(again.version)
    # when, then: by a clock that has stepped back since that has the higher version
    assert not taken(later, None)
    assert documents(counting) == [told]
    # and: what was made on top of the same deletion, or of a newer one, replaces it
    assert taken(later, told["i"])
    assert taken(later_than(later), f"{again.version.timestamp:x}.1.{again.version.region}")


@BOTH_WAYS
def test_nothing_is_merged_until_the_column_for_states_is_there(aurora: Site) -> None:
    # given: a replica that policies have reached before `install` has
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1)")
    (change,) = shipped(aurora)
    (block,) = blocks_of([change])
    known = KnownTables(aurora.session(), aurora.dataset, aurora.region)
    replica = PostgresReplica(aurora.session(), table_name(TABLE), known, stateful=True)
    with pytest.raises(SchemaDiffers, match="no column replication_state: run `distributary aurora install`"):
        replica.look([change.key])
    assert list(replica.take(block).left) == [0]
    # when
    with_rules(aurora, n="counter")
    aurora.install()
    # then: it is found without being told
    assert next(iter(replica.look([change.key]).values())).row is not None
    aurora.write("UPDATE t SET n = 2")
    (row,) = (each.row for each in replica.look([change.key]).values())
    assert row is not None
    assert STATE_ATTRIBUTE in row.image


def test_capture_sees_that_a_table_keeps_states_now(aurora: Site) -> None:
    # given: a capture that has looked the table up before
    aurora.write("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)")
    aurora.install()
    aurora.write("INSERT INTO t VALUES (1, 1)")
    known = KnownTables(aurora.direct(), aurora.dataset, aurora.region)
    identity = Identity(aurora.dataset.name, aurora.region, install.slot_of(aurora.dataset.name))
    log = PostgresChangeLog(aurora.direct(), aurora.direct(), identity, known, now)
    held(log)
    assert list(log.read(10))
    assert not known(table_name(TABLE), False).stateful
    # when
    with_rules(aurora, n="counter")
    aurora.install()
    aurora.write("UPDATE t SET n = 2")
    assert list(log.read(10))
    # then
    assert known(table_name(TABLE), False).stateful
    log.release()


@BOTH_WAYS
@pytest.mark.parametrize(
    ("state", "taken"),
    [
        (None, True),
        ("{}", False),
        ('{"i":"OLDER"}', False),
        ('{"i":"DELETION"}', True),
        ('{"i":"NEWER"}', True),
        ('{"f":"NEWER"}', True),
        ('{"f":"OLDER"}', False),
    ],
)
def test_a_row_is_taken_over_a_tombstone_by_what_it_was_made_on_top_of(
    counting: Site, state: str | None, *, taken: bool
) -> None:
    """Whatever its context covers: a deletion of its region may have been committed after it looked."""
    # given: a tombstone, and a row whose version is above it and whose context covers it
    deletion = Version(now() - 1000, 0xABC, HERE)
    texts = {
        name: f"{version.timestamp:x}.{version.sequence:x}.{version.region}"
        for name, version in {
            "OLDER": deletion._replace(sequence=0xABB),
            "DELETION": deletion,
            "NEWER": deletion._replace(sequence=0x1000),
        }.items()
    }
    for name, text in texts.items():
        state = state.replace(name, text) if state is not None else None
    noted = Stamp(deletion, NOTHING_SEEN.including(deletion), Writer.REPLICATION).text()
    counting.write(f"INSERT INTO distributary.tombstones VALUES ('{TABLE}', '[\"1\"]', '{noted}')")
    version = later_than(deletion)
    stamp = Stamp(version, NOTHING_SEEN.including(version), Writer.REPLICATION).text()
    columns: dict[str, list[str | None]] = {"id": ["1"], "n": ["5"], "tags": ["{}"], "v": [None]}
    block = Block(counting.dataset.name, TABLE, HERE, ("id",), columns, [stamp], [""], now(), states=[state])
    # when, then
    replica = counting.replica(TABLE)
    found = replica.take(block)
    assert (found.inserted, list(found.left)) == ((1, []) if taken else (0, [0]))
    assert list(replica.outlived(block)) == [0]  # whether or not: stamps do not tell


def as_replication(site: Site, statement: str) -> None:
    with site.application.transaction():
        site.write("SELECT set_config('distributary.applying', 'on', true)", statement)
