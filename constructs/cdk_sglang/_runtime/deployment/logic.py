"""Whether a deployment is running: the state of CloudFormation stacks as a metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

METRIC = "DeploymentRunning"


def runs(cloudformation: Any, stack_name: str) -> bool:
    """Whether a stack is being created, updated, rolled back or deleted; one that does not exist is not.

    Args:
        cloudformation: Client of boto3.
        stack_name: Name of the stack.
    """
    try:
        stacks = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no error of its own for a stack that does not exist.
        if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
            return False
        raise
    return any(is_running(stack["StackStatus"]) for stack in stacks)


def is_running(status: str) -> bool:
    """Whether a stack with this status changes what it deployed.

    While a change set waits for review nothing is deployed, and a clean-up deletes only what is no longer used.
    """
    return (
        status.endswith("_IN_PROGRESS")
        and not status.endswith("_CLEANUP_IN_PROGRESS")
        and not status.startswith("REVIEW_")
    )


def publish(cloudwatch: Any, *, namespace: str, endpoint: str, running: bool) -> None:
    """Publish the state of this minute; a second value for the same minute changes nothing, since the alarm reads the maximum.

    Args:
        cloudwatch: Client of boto3.
        namespace: Namespace of the metric.
        endpoint: Name of the endpoint.
        running: Whether a deployment is running.
    """
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": METRIC,
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
                "Value": 1 if running else 0,
                "Unit": "Count",
            }
        ],
    )


def any_runs(cloudformation: Any, stack_names: Iterable[str]) -> bool:
    """Whether any of these stacks is being changed."""
    return any(runs(cloudformation, name) for name in stack_names)
