"""The rules themselves: each takes a stack and yields what is wrong with it, so that it can be shown to fail."""

from collections.abc import Iterator
from typing import Any

from tests.template.stack import FUNCTION_TIMEOUT_FACTOR, RETENTION_SECONDS, Stack

DEAD_LETTERS = {"Inbox": "InboxDead", "Outbox": "OutboxDead"}
# Actions without a resource of their own, and one that an emulator does not relate to a table.
UNRESTRICTED = {"FindTheStream", "MergeRowsOnAnEmulator", "EnterTheNetwork"}
LONGEST_WINDOW = "InboxBatchingWindow"


def queues_keep_and_encrypt(stack: Stack) -> Iterator[str]:
    """Every queue is encrypted, keeps messages for 14 days and takes them up to 1 MiB."""
    wanted = {
        "SqsManagedSseEnabled": True,
        "MessageRetentionPeriod": RETENTION_SECONDS,
        "MaximumMessageSize": 1024 * 1024,
    }
    for name, queue in stack.resources("AWS::SQS::Queue").items():
        for key, value in wanted.items():
            if queue["Properties"].get(key) != value:
                yield f"{name}: {key}"


def consumed_queues_have_dead_letters(stack: Stack) -> Iterator[str]:
    """What a function consumes ends in a dead-letter queue, after as many attempts as SQS allows."""
    for name, dead in DEAD_LETTERS.items():
        redrive = stack.properties(name).get("RedrivePolicy", {})
        if redrive != {"deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]}, "maxReceiveCount": 1000}:
            yield name


def visibility_outlasts_attempts(stack: Stack) -> Iterator[str]:
    """A consumed queue hides a message for six function timeouts and the longest batching window."""
    timeout = stack.body["Globals"]["Function"]["Timeout"]
    window = stack.body["Parameters"][LONGEST_WINDOW]["MaxValue"]
    for name in DEAD_LETTERS:
        waits = window if name == "Inbox" else 0
        if stack.properties(name).get("VisibilityTimeout", 0) < FUNCTION_TIMEOUT_FACTOR * timeout + waits:
            yield name


def failures_are_reported(stack: Stack) -> Iterator[str]:
    """Every event source takes reports of single failures."""
    for name, event in stack.events().items():
        if "Schedule" in event:
            continue  # nothing is delivered
        if event.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield name


def streams_lose_nothing(stack: Stack) -> Iterator[str]:
    """Capture reads from the oldest record, retries for ever, halves a bad batch and has a failure queue."""
    wanted: dict[str, object] = {
        "StartingPosition": "TRIM_HORIZON",
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": True,
        "MaximumBatchingWindowInSeconds": 0,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["CaptureDead", "Arn"]}}},
    }
    event = stack.events()["CaptureFunction.Stream"]
    yield from (key for key, value in wanted.items() if event.get(key) != value)


def roles_are_narrow(stack: Stack) -> Iterator[str]:
    """No action has a wildcard, and no resource is everything, but for the two that are justified."""
    for role in stack.resources("AWS::IAM::Role"):
        for statement in stack.statements(role):
            if "*" in str(statement["Action"]):
                yield f"{role}.{statement['Sid']}: action"
            if statement["Resource"] == "*" and statement["Sid"] not in UNRESTRICTED:
                yield f"{role}.{statement['Sid']}: resource"


def each_function_has_its_role(stack: Stack) -> Iterator[str]:
    """No two functions share a role, and none leaves it to SAM."""
    seen: set[str] = set()
    for name, function in stack.resources("AWS::Serverless::Function").items():
        role = str(function["Properties"].get("Role"))
        if role in seen or role == "None":
            yield name
        seen.add(role)


def role_names_are_known_to_peers(stack: Stack) -> Iterator[str]:
    """The inbox admits the roles that send, by the names that they have."""
    patterns = str(stack.properties("InboxPolicy")["PolicyDocument"]["Statement"])
    for role, task in (("CaptureRole", "capture"), ("ForwardRole", "forward")):
        if stack.properties(role).get("RoleName") != {"Fn::Sub": f"distributary-${{Dataset}}-${{AWS::Region}}-{task}"}:
            yield role
        if f"role/distributary-${{Dataset}}-*-{task}" not in patterns:
            yield f"InboxPolicy: {task}"


def only_peers_send(stack: Stack) -> Iterator[str]:
    """Everybody but the peers is denied the inbox, and so is everything in the clear."""
    statements: dict[str, dict[str, Any]] = {}
    for entry in stack.properties("InboxPolicy")["PolicyDocument"]["Statement"]:
        branches = entry["Fn::If"][1:] if "Fn::If" in entry else [entry]
        statements |= {s["Sid"]: s for s in branches if "Sid" in s}
    for sid in ("NobodyElse", "OnlyEncrypted"):
        statement = statements.get(sid, {})
        if statement.get("Effect") != "Deny" or statement.get("Principal") != {"AWS": "*"}:
            yield sid
    yield from (sid for sid, s in statements.items() if s["Effect"] == "Allow" and "Condition" not in s)


def tables_are_safe(stack: Stack) -> Iterator[str]:
    """Tables are encrypted, can be restored to any point in time, and outlive the stack."""
    for name, table in stack.resources("AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        if properties.get("SSESpecification") != {"SSEEnabled": True}:
            yield f"{name}: encryption"
        if properties.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
            yield f"{name}: recovery"
        if table.get("DeletionPolicy") != "Retain" or table.get("UpdateReplacePolicy") != "Retain":
            yield f"{name}: retention"


def alarms_watch(stack: Stack) -> Iterator[str]:
    """Every place where a change can wait or end is watched, and silence raises no alarm."""
    watched = {
        (alarm["Properties"]["MetricName"], str(alarm["Properties"]["Dimensions"][0]["Value"]))
        for alarm in stack.resources("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("TreatMissingData") == "notBreaching" and alarm["Properties"].get("AlarmActions")
    }
    wanted = {("IteratorAge", str({"Ref": "CaptureFunction"}))}
    # A queue's age leaves out what was received three times.
    wanted |= {(f"{queue}Wait", str({"Fn::Sub": "distributary-${Dataset}"})) for queue in DEAD_LETTERS}
    for queue in stack.resources("AWS::SQS::Queue"):
        name = str({"Fn::GetAtt": [queue, "QueueName"]})
        waits = queue in DEAD_LETTERS
        metric = "ApproximateAgeOfOldestMessage" if waits else "ApproximateNumberOfMessagesVisible"
        wanted.add((metric, name))
    yield from (f"{metric} of {place}" for metric, place in sorted(wanted - watched))
