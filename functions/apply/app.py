"""Lambda function: changes in the inbox are merged into the local table."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from distributary import telemetry, wiring
from distributary.adapters.lambda_events import Answer, failures, received


def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer with the messages that have to come again."""
    report = wiring.apply().run(received(event), context.get_remaining_time_in_millis)
    telemetry.applied(report)
    return failures(report.failed)
