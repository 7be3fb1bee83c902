"""IAM as reviewable prose: each list of actions has the reason beside it.

Source of the hosting lists: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html (read 2026-10).
"""

from __future__ import annotations

from typing import Final

from cdk_sglang.metrics.cloudwatch import COMPONENTS, ENDPOINTS, INVOCATIONS

PULL_IMAGE: Final = (
    "ecr:BatchCheckLayerAvailability",  # is the layer there
    "ecr:BatchGetImage",  # the manifest
    "ecr:GetDownloadUrlForLayer",  # the layers
)
"""On the image's repository alone."""

REGISTRY_LOGIN: Final = ("ecr:GetAuthorizationToken",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html)."""

READ_WEIGHTS: Final = ("s3:GetObject",)
"""On the model's prefix alone."""

LIST_WEIGHTS: Final = ("s3:ListBucket",)
"""On the bucket, for the model's prefix alone: SageMaker lists an S3Prefix before it downloads."""

DECRYPT: Final = ("kms:Decrypt",)
"""On the key of the model's bucket."""

WRITE_LOGS: Final = (
    "logs:CreateLogStream",  # one stream a container
    "logs:DescribeLogStreams",  # the agent looks for its stream
    "logs:PutLogEvents",
)
"""On the endpoint's own log groups. Groups are made beforehand, so `logs:CreateLogGroup` is not given."""

WRITE_GATE_LOGS: Final = ("logs:CreateLogGroup", *WRITE_LOGS)
"""On the log groups of the copies that a draft is measured on, which live for an hour: nobody makes their groups beforehand."""

WRITE_CAPTURE: Final = ("s3:PutObject",)
"""On the prefix of the endpoint's captured requests
(https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html)."""

PUBLISH_METRICS: Final = ("cloudwatch:PutMetricData",)
"""On `*` with a condition on the namespace: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html)."""

METRIC_NAMESPACES: Final = (INVOCATIONS, ENDPOINTS, COMPONENTS)
"""Namespaces of an endpoint's classic metrics; the condition on them is `StringEqualsIfExists`. Detailed observability sends its metrics by
OTLP, which has no namespace, so that `StringEquals` would deny them
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html, "Controlling OTLP ingest", read 2026-11)."""

JOIN_NETWORK: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
"""SageMaker attaches instances to the VPC with the execution role
(https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html). Limited to the endpoint's subnets and security groups where
EC2 lets it be: network interfaces have no name known beforehand."""

JOIN_FUNCTION_NETWORK: Final = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""On `*`, for functions that join a VPC, as AWSLambdaVPCAccessExecutionRole: their network interfaces have no name known beforehand
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
"""On `*`: the OpenAI-compatible path authorises the token before it knows the endpoint
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
"""On the image's repository alone."""

READ_SOURCE: Final = ("s3:GetObject", "s3:GetObjectVersion")
"""On the one archive a build works on
(https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html)."""

START_BUILD: Final = (
    "codebuild:BatchGetBuilds",  # does one of them run already
    "codebuild:ListBuildsForProject",
    "codebuild:StartBuild",
)
"""On the one project."""

WATCH_BUILD: Final = ("codebuild:BatchGetBuilds",)
"""On the one project."""

READ_BUILD_LOG: Final = ("logs:GetLogEvents",)
"""On the project's log group: the end of a failed build's log is the reason of the failed deployment."""

FIND_IMAGE: Final = ("ecr:DescribeImages",)
"""On the image's repository alone."""

WRITE_WEIGHTS: Final = (
    "s3:AbortMultipartUpload",  # of a file whose hash is wrong
    "s3:GetObject",  # what is there already, and the headers of what was copied
    "s3:PutObject",
)
"""On the prefix of the one model."""

EMPTY_BUCKET: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetBucketPolicy",
    "s3:GetBucketTagging",  # may it be emptied
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:PutBucketPolicy",  # closes it, so that nothing comes in between
)
"""On the one bucket and its objects, of a stack whose data go with it."""

ENCRYPT: Final = ("kms:Decrypt", "kms:GenerateDataKey")
"""On the key of the model's bucket: an upload in parts needs both
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions)."""

READ_ALARMS: Final = ("cloudwatch:DescribeAlarms",)
"""On `*`, for the execution role of an endpoint with a rollout: SageMaker reads the alarms of the rollout with it
(https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html). Alarms can be named by ARN, but the pages on guardrails do
not say that SageMaker asks for them one by one, and a role that is too narrow would show in the middle of an update."""

DESCRIBE_COMPONENT: Final = ("sagemaker:DescribeInferenceComponent",)
"""On the components of the endpoint: model, status and copies."""

DESCRIBE_ENDPOINT: Final = ("sagemaker:DescribeEndpoint",)
"""On the one endpoint: which configuration it serves with."""

DESCRIBE_MODEL: Final = ("sagemaker:DescribeModel",)
"""On models with the endpoint's tag: image and environment. CloudFormation makes their names."""

SMOKE_REQUEST: Final = ("sagemaker:InvokeEndpoint",)
"""On the endpoint and its components: one short request each."""

DESCRIBE_SCALING: Final = ("application-autoscaling:DescribeScalableTargets",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html)."""
READ_TRAINING_PLAN: Final = ("sagemaker:DescribeTrainingPlan",)
"""On the one plan."""

READ_OWN_STACK: Final = ("cloudformation:DescribeStacks",)
"""On the stack itself: buckets are emptied only while it is deleted; a stack that rolls back must not be kept from it by a plan that has ended since; for alarms, on the stacks whose
changes are deployments."""

READ_ENDPOINT: Final = ("sagemaker:DescribeEndpoint",)
"""On the one endpoint: which config it runs on."""

READ_ENDPOINT_CONFIGS: Final = ("sagemaker:DescribeEndpointConfig",)
"""On the account's endpoint configs: CloudFormation names them, and an endpoint that was rolled back runs on an older one."""

FIND_CONFIG_COPIES: Final = ("sagemaker:ListEndpointConfigs",)
"""On `*`: the action has no resource type
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html)."""

DELETE_CONFIG_COPIES: Final = ("sagemaker:DeleteEndpointConfig",)
"""On the copies a move has made, known by the beginning of their names."""

COPY_CONFIG: Final = ("sagemaker:AddTags", "sagemaker:CreateEndpointConfig")
"""On the copies a move makes, known by the beginning of their names; with the tags of the original."""

READ_CONFIG_TAGS: Final = ("sagemaker:ListTags",)
"""On the account's endpoint configs, as READ_ENDPOINT_CONFIGS."""

UPDATE_ENDPOINT: Final = ("sagemaker:UpdateEndpoint",)
"""On the one endpoint and the copies: to these alone can it be moved."""

PASS_EXECUTION_ROLE: Final = ("iam:PassRole",)
"""On the endpoint's execution role, to SageMaker alone: a config names it
(https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createendpoint-perms)."""

KEEP_FAILED_EVENTS: Final = ("sqs:SendMessage",)
"""On the one queue."""

INVOKE_FUNCTION: Final = ("lambda:InvokeFunction",)
"""On the one function."""

LOOK_AT_FUNCTION: Final = ("lambda:GetFunction",)
"""On a function that CDK's provider framework calls: it waits until the function is active."""

START_WAITER: Final = ("states:StartExecution",)
"""On the state machine that polls for CDK's provider framework."""

WRITE_FUNCTION_LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
"""On the log group of a function (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html); the group is made beforehand."""

READ_ROUTE: Final = ("ssm:GetParameter",)
"""On the one parameter that holds a route's destinations; they are names, no secrets."""

WATCH_COMPONENT: Final = ("sagemaker:DescribeInferenceComponent",)
"""On a route's components: a waiting client says how many copies there are, and why none answers. It waits without it too."""

OBSERVE_ENDPOINT: Final = ("sagemaker:DescribeEndpoint",)
"""On the watched endpoints: how many instances they have."""

OBSERVE_COMPONENTS: Final = ("sagemaker:DescribeInferenceComponent",)
"""On the components of the watched endpoints: how many copies they have, with how many GPUs."""

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
"""On the samples and reports in the one bucket."""

LIST_REPORTS: Final = ("s3:ListBucket",)
"""On the one bucket: which days have samples, and which a report."""

READ_SETTINGS: Final = ("s3:GetObject",)
"""On the one asset with the function's settings: they may be larger than the 4 KB of a function's environment
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
