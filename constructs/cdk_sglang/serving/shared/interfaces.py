"""What callers may ask of an endpoint, whoever made it."""

from __future__ import annotations

from typing import Protocol

from aws_cdk import aws_iam as iam

from cdk_sglang.serving.alarms.metrics import ServingMetrics


class IInferenceEndpoint(Protocol):
    """An endpoint that can be named, watched and invoked."""

    endpoint_name: str
    endpoint_arn: str
    variant_name: str
    metrics: ServingMetrics

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke every component of the endpoint, streaming included.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        ...
