"""Names that tie the stacks of one environment together."""

from __future__ import annotations


def stack_name(environment: str, part: str) -> str:
    """Return the CloudFormation name of one part of an environment: "foundation" or an endpoint's name."""
    return f"cdk-sglang-{environment}-{part}"


def endpoint_name(environment: str, endpoint: str) -> str:
    """Return SageMaker's name of an endpoint; its components are called `<this>-<component>`."""
    return f"{environment}-{endpoint}"


def parameter_name(environment: str, value: str) -> str:
    """Return the SSM parameter that hands a value of the foundation to the other stacks.

    Parameters, not exports: an exported value cannot change while another stack reads it, which deadlocks an update.
    """
    return f"/cdk-sglang/{environment}/{value}"
