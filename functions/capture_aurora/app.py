"""Lambda function: what applications commit in the local database becomes changes in the inbox of every peer."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from distributary import telemetry, wiring_aurora


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Follow the log until shortly before the deadline; the schedule begins the next call."""
    del event
    for report in wiring_aurora.capture_log().run(context.get_remaining_time_in_millis):
        telemetry.followed(report)
