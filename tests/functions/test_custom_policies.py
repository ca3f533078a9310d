"""A container loads the functions of custom policies once, and nothing that loads them where there are none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distributary import wiring
from distributary.domain.errors import InvalidSettings
from local.world import PROJECT

ORDERS = '[datasets.orders]\nengine = "dynamodb"\nreplicas = ["us-east-1", "eu-west-1"]\n'
STATE = ORDERS + '[datasets.orders.attributes]\nstate = { custom = "example_policies:FUNCTION" }\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a function finds replication.toml; the layers of code and of policies are on the import path."""
    file = tmp_path / "replication.toml"
    for name, value in {"REPLICATION_FILE": str(file), "DATASET": "orders", "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(PROJECT / "layers" / "policies")
    wiring.settings.cache_clear()
    yield file
    wiring.settings.cache_clear()


def test_the_functions_are_in_the_dataset_and_the_same_for_all_services(file: Path) -> None:
    file.write_text(STATE.replace("FUNCTION", "furthest_state"), encoding="utf-8")
    (function,) = wiring.settings().dataset.policies_of().functions.values()
    assert function("paid", "new") == "paid"
    assert wiring.settings().dataset.functions["example_policies:furthest_state"] is function


def test_a_function_that_is_not_there_is_refused_at_cold_start(file: Path) -> None:
    file.write_text(STATE.replace("FUNCTION", "nothing"), encoding="utf-8")
    with pytest.raises(InvalidSettings, match=r"datasets\.orders\.attributes\.state\.custom: example_policies:nothing"):
        wiring.settings()


@pytest.mark.parametrize(("text", "loaded"), [(ORDERS, False), (STATE.replace("FUNCTION", "furthest_state"), True)])
def test_without_custom_policies_nothing_more_is_imported(file: Path, text: str, loaded: bool) -> None:
    file.write_text(text, encoding="utf-8")
    script = (
        f"import sys; sys.path[:0] = {[str(PROJECT / 'layers' / each) for each in ('distributary', 'policies')]}\n"
        "from distributary import wiring; wiring.settings(); print('distributary.policy_functions' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(loaded)
