"""Lambda function: records of the local table's stream become changes in the inbox of every peer."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from distributary import telemetry, wiring
from distributary.adapters.lambda_events import Answer, arrivals, checkpoint


def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer with the checkpoint: the first record that has to come again, or none."""
    report = wiring.capture().run(arrivals(event), context.get_remaining_time_in_millis)
    telemetry.captured(report)
    return checkpoint(report.failure, raising=wiring.settings().raise_stream_failures)
