"""When the showback function runs: every few minutes for a sample, once a day for reports."""

from __future__ import annotations

import json
from typing import Final

from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_sglang.serving.shared.scheduled import Schedules

REPORT_AT: Final = "cron(0 1 * * ? *)"
"""In UTC: an hour after the day's end, when CloudWatch has the requests of its last hour."""
_HOUR_SECONDS: Final = 3600


def make_schedules(scope: Construct, *, function: lambda_.IFunction, queue: sqs.IQueue, sample_minutes: int) -> None:
    """Create both schedules, and the role with which EventBridge Scheduler calls the function.

    Args:
        scope: Parent.
        function: The function.
        queue: Queue of what could not be delivered.
        sample_minutes: Minutes between two samples.
    """
    schedules = Schedules(
        scope, function=function, queue=queue, description="Lets EventBridge Scheduler call the showback function"
    )
    every = f"rate({sample_minutes} minute{'s' if sample_minutes > 1 else ''})"
    for construct_id, job, expression, description in (
        ("Sampling", "sample", every, "Samples what endpoints run on"),
        ("Reporting", "report", REPORT_AT, "Reports what endpoints cost on the day that is over"),
    ):
        schedules.add(
            construct_id,
            expression=expression,
            description=description,
            event_age_seconds=_HOUR_SECONDS,
            attempts=3,
            event=json.dumps({"do": job, "time": "<aws.scheduler.scheduled-time>"}),
        )
