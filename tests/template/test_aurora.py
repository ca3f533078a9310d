"""What the stack of an Aurora dataset has to have, and the example of a cluster for it."""

from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from tests.template.stack import PROJECT, Stack, _plain, read

ALARMS = {"SlotLost", "RetainedLog", "PeriodsFollowed", "Truncates", "SchemaChanges", "Unstamped"}


@pytest.fixture(scope="module")
def stack() -> Stack:
    return read()


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    resources: dict[str, Any] = _plain(load(str(PROJECT / "examples" / "aurora-cluster.yaml")))["Resources"]
    return resources


def test_one_call_at_a_time_follows_the_log_and_none_piles_up(stack: Stack) -> None:
    capture = stack.properties("CaptureAuroraFunction")
    assert capture["ReservedConcurrentExecutions"] == 1
    assert capture["EventInvokeConfig"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    assert stack.events()["CaptureAuroraFunction.Schedule"]["Schedule"] == "rate(1 minute)"


def test_a_stack_has_one_capture_function_whose_role_the_peers_admit(stack: Stack) -> None:
    conditions = {
        name: stack.body["Resources"][name]["Condition"] for name in ("CaptureFunction", "CaptureAuroraFunction")
    }
    assert conditions == {"CaptureFunction": "OnDynamoDb", "CaptureAuroraFunction": "OnAurora"}
    assert stack.properties("CaptureAuroraRole")["RoleName"] == stack.properties("CaptureRole")["RoleName"]


def test_every_alert_has_its_alarm(stack: Stack) -> None:
    watched = {
        alarm["Properties"]["MetricName"]
        for alarm in stack.resources("AWS::CloudWatch::Alarm").values()
        if alarm.get("Condition") == "OnAurora" and alarm["Properties"]["AlarmActions"]
    }
    assert watched == ALARMS


def test_silence_of_capture_raises_an_alarm(stack: Stack) -> None:
    assert stack.properties("CaptureStoppedAlarm")["TreatMissingData"] == "breaching"


def test_a_password_is_refused_on_aws_and_never_shown(stack: Stack) -> None:
    assert stack.body["Parameters"]["DatabaseDsn"]["NoEcho"] is True
    rule = stack.body["Rules"]["PasswordsAreForEmulators"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Emulated"}, "false"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Equals": [{"Ref": "DatabaseDsn"}, ""]}


def test_the_example_cluster_decodes_its_log_and_is_safe(cluster: dict[str, Any]) -> None:
    assert cluster["Parameters"]["Properties"]["Parameters"]["rds.logical_replication"] == "1"
    properties = cluster["Cluster"]["Properties"]
    for wanted in ("StorageEncrypted", "EnableIAMDatabaseAuthentication", "DeletionProtection", "EnableHttpEndpoint"):
        assert properties[wanted] is True
    assert "MasterUserPassword" not in properties
    assert cluster["Writer"]["Properties"]["PubliclyAccessible"] is False


def test_over_the_data_api_apply_has_no_way_to_connect_and_no_network(stack: Stack) -> None:
    apply = stack.properties("ApplyFunction")
    told = apply["Environment"]["Variables"]
    for name in ("DATABASE_DSN", "DATABASE_HOST", "DATABASE_USER"):
        assert told[name]["Fn::If"][0] == "ApplyConnects"
    assert told["DATABASE_CLUSTER_ARN"]["Fn::If"][0] == "OverDataApi"
    assert told["DATABASE_NAME"]["Fn::If"][0] == "OnAurora"
    assert apply["VpcConfig"]["Fn::If"][0] == "ApplyInVpc"
    assert {"Ref": "PostgresqlLayer"} not in apply["Layers"]["Fn::If"][2]
    conditions = stack.body["Conditions"]
    assert conditions["ApplyConnects"]["Fn::And"][1] == {"Fn::Equals": [{"Ref": "DatabaseClusterArn"}, ""]}


def test_apply_may_do_with_the_data_api_what_the_session_does_and_no_more(stack: Stack) -> None:
    (granted,) = [each for each in stack.statements("ApplyRole") if each["Sid"] == "RunStatements"]
    assert [action.removeprefix("rds-data:") for action in granted["Action"]] == [
        "BeginTransaction", "CommitTransaction", "ExecuteStatement", "RollbackTransaction",
    ]  # fmt: skip
    rule = stack.body["Rules"]["TheDataApiNeedsASecret"]
    assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DatabaseSecretArn"}, ""]}]}
