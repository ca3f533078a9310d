"""Every mistake in replication.toml is refused with the file, the key and the remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from distributary.domain.dataset import (
    Dataset,
    Engine,
    KeySchema,
    KeyType,
    ReplicaSite,
    Replication,
    TtlDeletes,
)
from distributary.domain.errors import InvalidSettings
from distributary.domain.policies import Policy
from distributary.settings import load

ORDERS = '[datasets.orders]\nengine = "dynamodb"\nreplicas = ["us-east-1", "eu-west-1"]\n'
KEY = ORDERS + "[datasets.orders.key]\n"


class Mistake(NamedTuple):
    """A text of the file, the key that the message names, and a word of the remedy."""

    text: str
    key: str
    remedy: str


def with_replicas(toml: str) -> str:
    return ORDERS.replace('["us-east-1", "eu-west-1"]', toml)


MISTAKES = {
    "not TOML": Mistake("[datasets.orders", "file", "correct the line"),
    "no dataset": Mistake("", "datasets", "write a [datasets.NAME] table"),
    "datasets is no table": Mistake("datasets = 5", "datasets", "write [datasets]"),
    "a dataset is no table": Mistake("[datasets]\norders = 5", "datasets.orders", "write [datasets.orders]"),
    "unknown key at the top": Mistake("[dataset.orders]\n", "file.dataset", "use one of datasets"),
    "unknown key": Mistake(ORDERS + "regions = []", "datasets.orders.regions", "use one of attributes, conflict"),
    "dataset without engine": Mistake("[datasets.orders]\nreplicas = []", "datasets.orders.engine", "add it"),
    "dataset without replicas": Mistake('[datasets.orders]\nengine = "dynamodb"', "datasets.orders.replicas", "add it"),
    "name in capitals": Mistake(ORDERS.replace("orders", "Orders"), "datasets.Orders", "lower-case"),
    "name too long": Mistake(ORDERS.replace("orders", "o" * 29), "datasets." + "o" * 29, "up to 28"),
    "name with a dot": Mistake(ORDERS.replace("orders", '"or.ders"'), "datasets.or.ders", "digits and hyphens"),
    "unknown engine": Mistake(ORDERS.replace("dynamodb", "redis"), "datasets.orders.engine", "use one of dynamodb"),
    "engine of another kind": Mistake(ORDERS.replace('"dynamodb"', "[1]"), "datasets.orders.engine", "use one of"),
    "unknown policy": Mistake(
        ORDERS + 'conflict = "newest"', "datasets.orders.conflict", "use one of last_writer_wins"
    ),
    "unknown ttl_deletes": Mistake(
        ORDERS + "ttl_deletes = true", "datasets.orders.ttl_deletes", "use one of replicate, ignore"
    ),
    "one replica": Mistake(with_replicas('["us-east-1"]'), "datasets.orders.replicas", "list them, as in"),
    "no replica": Mistake(with_replicas("[]"), "datasets.orders.replicas", "list them, as in"),
    "replicas are a text": Mistake(with_replicas('"us-east-1"'), "datasets.orders.replicas", "list them, as in"),
    "region twice": Mistake(with_replicas('["us-east-1", "eu-west-1", "us-east-1"]'), "datasets.orders.replicas",
                            "a region holds one replica"),
    "region twice, in two accounts": Mistake(
        with_replicas('["us-east-1", {region = "us-east-1", account = "123456789012"}]'),
        "datasets.orders.replicas", "a region holds one replica"),
    "no region": Mistake(with_replicas('["us-east-1", "Ireland"]'), "datasets.orders.replicas", "use a name such as"),
    "region is a number": Mistake(with_replicas('["us-east-1", 5]'), "datasets.orders.replicas", "write"),
    "replica without a region": Mistake(
        with_replicas('["us-east-1", {account = "123456789012"}]'), "datasets.orders.replicas", "use a name such as"),
    "unknown key of a replica": Mistake(
        with_replicas('["us-east-1", {region = "eu-west-1", role = "x"}]'), "datasets.orders.replicas.role",
        "use one of account, region"),
    "an account for one of two": Mistake(
        with_replicas('["us-east-1", {region = "eu-west-1", account = "123456789012"}]'),
        "datasets.orders.replicas", "name the account of each",
    ),
    "account too short": Mistake(
        with_replicas('["us-east-1", {region = "eu-west-1", account = "12345"}]'), "datasets.orders.replicas",
        "write its twelve digits in quotes"),
    "account is a number": Mistake(
        with_replicas('["us-east-1", {region = "eu-west-1", account = 123456789012}]'), "datasets.orders.replicas",
        "write its twelve digits in quotes"),
    "key is no table": Mistake(ORDERS + 'key = "pk"', "datasets.orders.key", "write [datasets.orders.key]"),
    "unknown key of the key": Mistake(KEY + 'hash = "pk"', "datasets.orders.key.hash", "use one of partition"),
    "sort type without sort": Mistake(KEY + 'sort_type = "N"', "datasets.orders.key.sort_type", "add sort"),
    "sort is the partition": Mistake(KEY + 'partition = "a"\nsort = "a"', "datasets.orders.key.sort", "name another"),
    "unknown type of a key": Mistake(KEY + 'partition_type = "X"', "datasets.orders.key.partition_type", "S, N, B"),
    "empty name of a key": Mistake(KEY + 'partition = ""', "datasets.orders.key.partition", "1 to 255 characters"),
    "long name of a key": Mistake(KEY + f'sort = "{"s" * 256}"', "datasets.orders.key.sort", "1 to 255 characters"),
    "key named by a number": Mistake(KEY + "partition = 5", "datasets.orders.key.partition", "1 to 255 characters"),
    "key is our own attribute": Mistake(
        KEY + 'sort = "replication_stamp"', "datasets.orders.key.sort", "name another"),
    **{f"drift of {drift}": Mistake(ORDERS + f"max_clock_drift = {drift}", "datasets.orders.max_clock_drift",
                                    "more than 0 and at most 3600")
       for drift in ("0", "1e-7", "-1", "3601", "true", '"60"', "nan", "inf")},
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "replication.toml"


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_refused_with_file_key_and_remedy(file: Path, mistake: Mistake) -> None:
    file.write_text(mistake.text, encoding="utf-8")
    with pytest.raises(InvalidSettings) as refused:
        load(file)
    path, key, rest = str(refused.value).split(": ", 2)
    assert (path, key) == (str(file), mistake.key)
    assert mistake.remedy in rest.rpartition("; ")[2]


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(InvalidSettings, match="does not exist; write one"):
        load(file)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings):
        load(tmp_path)


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSettings, match="is not TOML"):
        load(file)


def test_what_is_left_out_has_its_default(file: Path) -> None:
    file.write_text(ORDERS, encoding="utf-8")
    sites = (ReplicaSite("us-east-1"), ReplicaSite("eu-west-1"))
    expected = Dataset("orders", Engine.DYNAMODB, sites, Policy.LAST_WRITER_WINS, TtlDeletes.REPLICATE, KeySchema())
    assert load(file) == Replication((expected,))
    assert expected.max_clock_drift == 60_000_000


def test_everything_can_be_said(file: Path) -> None:
    file.write_text(
        '[datasets.orders]\nengine = "dynamodb"\nconflict = "last_writer_wins"\nttl_deletes = "ignore"\n'
        'max_clock_drift = 0.5\nreplicas = [{region = "us-gov-west-1", account = "210987654321"}, '
        '{region = "eu-west-1", account = "123456789012"}]\n'
        '[datasets.orders.key]\npartition = "customer"\npartition_type = "N"\nsort = "at"\nsort_type = "B"\n',
        encoding="utf-8",
    )
    assert load(file).dataset("orders") == Dataset(
        "orders",
        Engine.DYNAMODB,
        (ReplicaSite("us-gov-west-1", "210987654321"), ReplicaSite("eu-west-1", "123456789012")),
        ttl_deletes=TtlDeletes.IGNORE,
        key=KeySchema("customer", KeyType.NUMBER, "at", KeyType.BINARY),
        max_clock_drift=500_000,
    )


def test_the_files_own_dataset_names_find_their_datasets(file: Path) -> None:
    file.write_text(ORDERS + ORDERS.replace("orders", "carts"), encoding="utf-8")
    replication = load(file)
    assert [each.name for each in replication.datasets] == ["orders", "carts"]
    assert replication.dataset("invoices") is None


def test_the_file_in_the_repository_is_good() -> None:
    dataset = load(Path(__file__).parents[2] / "replication.toml").dataset("orders")
    assert dataset is not None
    assert dataset.peers("us-east-1") == ("eu-west-1", "ap-southeast-2")


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command that builds run; it prints the mistake and nothing else."""
    command = [sys.executable, "-m", "distributary.settings", *arguments]
    layer = Path(__file__).parents[2] / "layers" / "distributary"
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=layer)


def test_the_command_is_content_with_a_good_file(file: Path) -> None:
    file.write_text(ORDERS, encoding="utf-8")
    done = check(str(file))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_prints_the_mistake_in_one_line_and_fails(file: Path) -> None:
    file.write_text(ORDERS + 'conflict = "newest"', encoding="utf-8")
    done = check(str(file))
    known = "last_writer_wins, first_writer_wins, region_priority, attribute_merge"
    expected = f"{file}: datasets.orders.conflict: 'newest' is unknown; use one of {known}"
    assert (done.returncode, done.stderr.strip()) == (1, expected)


def test_the_command_says_what_it_wants() -> None:
    done = check()
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
