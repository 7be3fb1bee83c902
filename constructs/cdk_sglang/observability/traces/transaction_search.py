"""Transaction Search of an account and Region, which keeps spans in CloudWatch Logs, searchable by their attributes.

Both resources follow https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Transaction-Search-Cloudformation.html (read
2026-11). The configuration exists once for an account and Region, and changes where every trace of everybody in it goes.
"""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_xray as xray
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem

POLICY_NAME: Final = "CdkSglangTransactionSearch"
"""A Region takes 10 resource policies
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html, read 2026-11)."""
_GROUPS: Final = ("aws/spans", "/aws/application-signals/data")
_WHOLE: Final = 100


class TransactionSearch(Construct):
    """Turns on Transaction Search for the whole account and Region.

    Deploying it fails if Transaction Search is already on. Removing it from the stack, or deleting the stack, keeps it on: turning it off would
    remove the traces of everybody in the account from their log group. To turn it off, run
    `aws xray update-trace-segment-destination --destination XRay`.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        indexing_percent: Share of traces that X-Ray indexes as trace summaries, in percent; every span is searchable in any case. 1 by default,
            the share that AWS does not charge for.

    Raises:
        ConfigurationError: The share is below 0 or above 100.
    """

    @checked("{construct_id}")
    def __init__(self, scope: Construct, construct_id: str, *, indexing_percent: float = 1) -> None:
        if not 0 <= indexing_percent <= _WHOLE:
            text = f"{indexing_percent:g} is out of range; use 0 to 100"
            raise_if_any([Problem(f"{construct_id}.indexing_percent", text)])
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        policy = logs.CfnResourcePolicy(
            self, "Policy", policy_name=POLICY_NAME, policy_document=stack.to_json_string(_document(stack))
        )
        config = xray.CfnTransactionSearchConfig(self, "Config", indexing_percentage=indexing_percent)
        config.add_resource_dependency(policy)
        for resource in (policy, config):
            resource.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        cdk.Annotations.of(self).add_info(
            "Transaction Search is turned on for every trace of this account and Region, and stays on when the stack goes: spans are billed as "
            "logs by the gigabyte, see https://aws.amazon.com/cloudwatch/pricing/"
        )


def _document(stack: cdk.Stack) -> dict[str, object]:
    statement = {
        "Sid": "TransactionSearchXRayAccess",
        "Effect": "Allow",
        "Principal": {"Service": "xray.amazonaws.com"},
        "Action": "logs:PutLogEvents",
        "Resource": [
            f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:{group}:*" for group in _GROUPS
        ],
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:{stack.partition}:xray:{stack.region}:{stack.account}:*"},
            "StringEquals": {"aws:SourceAccount": stack.account},
        },
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
