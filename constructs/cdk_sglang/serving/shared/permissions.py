"""IAM actions in reviewable form: each list of actions is followed by its resources and its reason.

Source of the hosting lists: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html (read 2026-10).
"""

from __future__ import annotations

from typing import Final

from cdk_sglang.metrics.cloudwatch import COMPONENTS, ENDPOINTS, INVOCATIONS

PULL_IMAGE: Final = (
    "ecr:BatchCheckLayerAvailability",  # whether the layer exists
    "ecr:BatchGetImage",  # the manifest
    "ecr:GetDownloadUrlForLayer",  # the layers
)
"""Only on the image's repository."""

REGISTRY_LOGIN: Final = ("ecr:GetAuthorizationToken",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html)."""

READ_WEIGHTS: Final = ("s3:GetObject",)
"""Only on the model's prefix."""

LIST_WEIGHTS: Final = ("s3:ListBucket",)
"""On the bucket, only for the model's prefix: SageMaker lists an S3Prefix before it downloads."""

DECRYPT: Final = ("kms:Decrypt",)
"""On the key of the model's bucket."""

WRITE_LOGS: Final = (
    "logs:CreateLogStream",  # one stream per container
    "logs:DescribeLogStreams",  # the agent looks for its stream
    "logs:PutLogEvents",
)
"""On the endpoint's own log groups. The groups already exist, so `logs:CreateLogGroup` is not needed."""

WRITE_GATE_LOGS: Final = ("logs:CreateLogGroup", *WRITE_LOGS)
"""On the log groups of the copies that a draft is measured on. They exist for an hour, so their groups are not created beforehand."""

WRITE_CAPTURE: Final = ("s3:PutObject",)
"""On the prefix of the endpoint's captured requests
(https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html)."""

PUBLISH_METRICS: Final = ("cloudwatch:PutMetricData",)
"""On `*` with a condition on the namespace: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html)."""

METRIC_NAMESPACES: Final = (INVOCATIONS, ENDPOINTS, COMPONENTS)
"""Namespaces of an endpoint's classic metrics; the condition on them is `StringEqualsIfExists`. Detailed observability sends its metrics over
OTLP, which has no namespace, so `StringEquals` would deny them
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html, "Controlling OTLP ingest", read 2026-11)."""

JOIN_NETWORK: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
"""SageMaker attaches instances to the VPC with the execution role
(https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html). Limited to the endpoint's subnets and security groups where EC2
supports that: the ids of network interfaces are not known beforehand."""

JOIN_FUNCTION_NETWORK: Final = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""On `*`, for functions that join a VPC, as in AWSLambdaVPCAccessExecutionRole: the ids of their network interfaces are not known beforehand
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, read 2026-11)."""

DESCRIBE_NETWORK: Final = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
)
"""On `*`: EC2's Describe actions have no resource types
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html)."""

INVOKE: Final = ("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream")
"""On the endpoint and its inference components."""

CALL_WITH_BEARER_TOKEN: Final = ("sagemaker:CallWithBearerToken",)
"""On `*`: the OpenAI-compatible path authorises the token before it determines the endpoint
(https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-openai-compatible.html)."""

PUSH_IMAGE: Final = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",  # the layers of the last build are its cache
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",  # which build was the last
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
"""Only on the image's repository."""

READ_SOURCE: Final = ("s3:GetObject", "s3:GetObjectVersion")
"""On the archive that a build works on
(https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html)."""

START_BUILD: Final = (
    "codebuild:BatchGetBuilds",  # whether a build is already running
    "codebuild:ListBuildsForProject",
    "codebuild:StartBuild",
)
"""On the build project."""

WATCH_BUILD: Final = ("codebuild:BatchGetBuilds",)
"""On the build project."""

READ_BUILD_LOG: Final = ("logs:GetLogEvents",)
"""On the project's log group: a failed deployment reports the end of the failed build's log as its reason."""

FIND_IMAGE: Final = ("ecr:DescribeImages",)
"""Only on the image's repository."""

WRITE_WEIGHTS: Final = (
    "s3:AbortMultipartUpload",  # of a file whose hash is wrong
    "s3:GetObject",  # existing files, and the headers of copied ones
    "s3:PutObject",
)
"""Only on the model's prefix."""

EMPTY_BUCKET: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetBucketPolicy",
    "s3:GetBucketTagging",  # whether it may be emptied
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:PutBucketPolicy",  # closes it, so that no object is added meanwhile
)
"""On the bucket and its objects, in a stack whose data are deleted with it."""

ENCRYPT: Final = ("kms:Decrypt", "kms:GenerateDataKey")
"""On the key of the model's bucket: a multipart upload needs both
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions)."""

READ_ALARMS: Final = ("cloudwatch:DescribeAlarms",)
"""On `*`, for the execution role of an endpoint with a rollout: SageMaker reads the alarms of the rollout with it
(https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html). Alarms can be named by ARN, but the pages on guardrails do
not state that SageMaker describes them individually, and a role that is too narrow would only fail in the middle of an update."""

DESCRIBE_COMPONENT: Final = ("sagemaker:DescribeInferenceComponent",)
"""On the components of the endpoint: model, status and copies."""

DESCRIBE_ENDPOINT: Final = ("sagemaker:DescribeEndpoint",)
"""On the endpoint: which configuration it serves with."""

DESCRIBE_MODEL: Final = ("sagemaker:DescribeModel",)
"""On models with the endpoint's tag: image and environment. CloudFormation generates their names."""

SMOKE_REQUEST: Final = ("sagemaker:InvokeEndpoint",)
"""On the endpoint and its components: one short request each."""

DESCRIBE_SCALING: Final = ("application-autoscaling:DescribeScalableTargets",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html)."""
READ_TRAINING_PLAN: Final = ("sagemaker:DescribeTrainingPlan",)
"""On the training plan."""

READ_OWN_STACK: Final = ("cloudformation:DescribeStacks",)
"""On the stack itself. Buckets are emptied only while it is deleted, and a training plan that has ended must not prevent a stack from rolling back.
For alarms: on the stacks whose changes count as deployments."""

READ_ENDPOINT: Final = ("sagemaker:DescribeEndpoint",)
"""On the endpoint: which config it runs on."""

READ_ENDPOINT_CONFIGS: Final = ("sagemaker:DescribeEndpointConfig",)
"""On the account's endpoint configs: CloudFormation generates their names, and an endpoint that was rolled back runs on an older one."""

FIND_CONFIG_COPIES: Final = ("sagemaker:ListEndpointConfigs",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html)."""

DELETE_CONFIG_COPIES: Final = ("sagemaker:DeleteEndpointConfig",)
"""On the copies that a move has created, identified by the prefix of their names."""

COPY_CONFIG: Final = ("sagemaker:AddTags", "sagemaker:CreateEndpointConfig")
"""On the copies that a move creates, identified by the prefix of their names; with the tags of the original."""

READ_CONFIG_TAGS: Final = ("sagemaker:ListTags",)
"""On the account's endpoint configs, like READ_ENDPOINT_CONFIGS."""

UPDATE_ENDPOINT: Final = ("sagemaker:UpdateEndpoint",)
"""On the endpoint and the copies: it can be moved only to these."""

PASS_EXECUTION_ROLE: Final = ("iam:PassRole",)
"""On the endpoint's execution role, only for SageMaker: a config names it
(https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createendpoint-perms)."""

KEEP_FAILED_EVENTS: Final = ("sqs:SendMessage",)
"""On the queue."""

INVOKE_FUNCTION: Final = ("lambda:InvokeFunction",)
"""On the function."""

LOOK_AT_FUNCTION: Final = ("lambda:GetFunction",)
"""On a function that CDK's provider framework calls: it waits until the function is active."""

START_WAITER: Final = ("states:StartExecution",)
"""On the state machine that polls for CDK's provider framework."""

WRITE_FUNCTION_LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
"""On the log group of a function (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html); the group already exists."""

READ_ROUTE: Final = ("ssm:GetParameter",)
"""On the parameter that holds a route's destinations; they are names, not secrets."""

WATCH_COMPONENT: Final = ("sagemaker:DescribeInferenceComponent",)
"""On a route's components: a waiting client reports how many copies there are, and why none answers. It also waits without this permission."""

OBSERVE_ENDPOINT: Final = ("sagemaker:DescribeEndpoint",)
"""On the monitored endpoints: how many instances they have."""

OBSERVE_COMPONENTS: Final = ("sagemaker:DescribeInferenceComponent",)
"""On the components of the monitored endpoints: how many copies they have, with how many GPUs."""

LIST_COMPONENTS: Final = ("sagemaker:ListInferenceComponents",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html)."""

READ_SCALING_DECISIONS: Final = ("application-autoscaling:DescribeScalingActivities",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html)."""

READ_METRICS: Final = ("cloudwatch:GetMetricData",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html)."""

QUERY_METRICS: Final = ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics")
"""On `*`, for PromQL: as above (https://docs.aws.amazon.com/grafana/latest/userguide/cloudwatch-promql.html, read 2026-11). SageMaker's guide
names `cloudwatch:QueryMetrics` too, which AWS's service authorization reference does not have."""

KEEP_REPORTS: Final = ("s3:GetObject", "s3:PutObject")
"""On the samples and reports in the bucket."""

LIST_REPORTS: Final = ("s3:ListBucket",)
"""On the bucket: which days have samples, and which have a report."""

READ_SETTINGS: Final = ("s3:GetObject",)
"""On the asset with the function's settings: they may be larger than the 4 KB of a function's environment
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
