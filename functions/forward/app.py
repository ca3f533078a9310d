"""Lambda function: messages in the outbox go to the peers that could not be reached before."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from distributary import telemetry, wiring
from distributary.adapters.lambda_events import Answer, failures, received


def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer with the messages that have to come again."""
    report = wiring.forward().run(received(event), context.get_remaining_time_in_millis)
    telemetry.forwarded(report)
    return failures(report.failed)
