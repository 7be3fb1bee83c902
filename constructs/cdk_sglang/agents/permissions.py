"""IAM permissions of the agent, for review: each list of actions comes with its reason.

Sources: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-permissions.html and gateway-prerequisites-permissions.html
(read 2026-11). What the documented roles hold beyond these is left out: workload access tokens (no outbound OAuth) and Bedrock's models (the
model is a component).
"""

from __future__ import annotations

from typing import Final

READ_CODE: Final = ("s3:GetObject",)
"""On the one object with the code."""

INVOKE_GATEWAY: Final = ("bedrock-agentcore:InvokeGateway",)
"""On the one gateway."""

USE_MEMORY: Final = (
    "bedrock-agentcore:CreateEvent",  # one for each message
    "bedrock-agentcore:GetEvent",
    "bedrock-agentcore:ListActors",
    "bedrock-agentcore:ListEvents",  # a session that is continued
    "bedrock-agentcore:ListSessions",
)
"""On the one memory. Long-term records are not read: no strategy makes any."""

MAKE_LOG_GROUPS: Final = ("logs:CreateLogGroup", "logs:DescribeLogStreams")
"""On the runtime's own groups: the service makes one for each endpoint of it."""

WRITE_LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
"""On the streams of the same groups."""

FIND_LOG_GROUPS: Final = ("logs:DescribeLogGroups",)
"""On all log groups: the action lists them, and takes no other resource
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html)."""

SEND_TRACES: Final = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
"""On `*`: the actions have no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html)."""

METRIC_NAMESPACE: Final = "bedrock-agentcore"
"""Namespace to which PutMetricData is limited; the action has no resource type."""

CALL_MLFLOW: Final = ("sagemaker:CallMlflowAppApi",)
"""On the one MLflow app."""

KEEP_ARTIFACTS: Final = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
"""On the artifacts in the one bucket, for the MLflow app."""

LIST_ARTIFACTS: Final = ("s3:ListBucket",)
"""On the one bucket."""

EVALUATE_POLICIES: Final = (
    "bedrock-agentcore:AuthorizeAction",
    "bedrock-agentcore:GetPolicyEngine",
    "bedrock-agentcore:PartiallyAuthorizeActions",
)
"""On the policy engine and the gateway, for the gateway."""

CREATE_POLICIES: Final = (
    "bedrock-agentcore:CreatePolicy",
    "bedrock-agentcore:DeletePolicy",
    "bedrock-agentcore:GetPolicy",
    "bedrock-agentcore:UpdatePolicy",
)
"""On the policy engine, for whoever deploys. In addition, CreatePolicy checks a policy against the tools of the live gateway, which needs
`InvokeGateway` on it (github.com/awslabs/fullstack-solution-template-for-agentcore/pull/133)."""

INVOKE_RUNTIME: Final = ("bedrock-agentcore:InvokeAgentRuntime",)
"""On the runtime and its endpoints. Not `InvokeAgentRuntimeForUser`, by which a caller could name any user."""

READ_PATIENT: Final = ("dynamodb:GetItem",)
"""On the table of patients."""

FIND_PATIENTS: Final = ("dynamodb:Query",)
"""On the table's index by name. Not `Scan`: nothing lists all patients."""

SAVE_REPORT: Final = ("s3:PutObject",)
"""On the prefix of reports in the one bucket; the bucket refuses to overwrite."""

FIND_REPORT: Final = ("s3:GetObject",)
"""On the same prefix: a report that was saved before, under the same idempotency key, is answered with its version."""
