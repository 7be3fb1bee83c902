"""Showback: daily cost of endpoints by component, adapter and team."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang.metrics.cloudwatch import SCALING, own_namespace
from cdk_sglang.observability.showback.bucket import make_bucket
from cdk_sglang.observability.showback.schedules import make_schedules
from cdk_sglang.observability.showback.settings import function_settings, planned_usd_per_hour
from cdk_sglang.planning.price import REGION
from cdk_sglang.serving.alarms.alarms import make_alarm
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.log_options import LogOptions, allowed_days
from cdk_sglang.serving.shared.runtime_functions import make_function
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.scheduled import allow, keep_failed_calls, make_failed_queue
from cdk_sglang.spec.observability import ShowbackSettings
from cdk_sglang.tokens import is_text_token

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs

    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.observability.observed import ObservedEndpoint
    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.spec.alarms import NoAlarms

_TIMEOUT: Final = cdk.Duration.minutes(5)
_KEEP_EVENTS: Final = cdk.Duration.days(14)
_HOUR_SECONDS: Final = 3600
_ATTEMPTS: Final = 3
"""Of an event that Lambda invokes asynchronously
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html, read 2026-11)."""

_CONFIGS: Final = (
    "CloudFormation names the endpoints' configs, and an endpoint that was rolled back runs on an older one"
)
_COMPONENTS: Final = (
    "components come and go between two deployments of this stack; their names begin with the endpoint's"
)
_OBJECTS: Final = "samples and reports have their moment and day in their keys"
_NO_RESOURCE_TYPE: Final = (
    "ListInferenceComponents, DescribeScalingActivities, GetMetricData, PutMetricData and PromQL queries have no resource types: "
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html, list_awsapplicationautoscaling.html and "
    "list_amazoncloudwatch.html"
)


class Showback(Construct):
    """Samples the copies and instances of endpoints every few minutes, and writes a CSV of their cost for each day.

    Every sample also publishes, for each component, its desired and running copies, and its scaling decisions by reason (`cdk-sglang/Scaling`).

    It is not in the path of requests and does not change the endpoints. `cdk-sglang costs` reads the reports.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        environment: Name of the environment, part of the metrics' namespace and of the SSM parameter with the bucket's name.
        endpoints: The endpoints; they need not exist.
        settings: Minutes between samples and days that reports are kept; the specification's defaults by default.
        key: KMS key of bucket and logs; the services' own encryption by default.
        alarms: Recipients of the alarms on the function; none by default.
        measures_tokens: Whether CloudWatch answers PromQL over SGLang's metrics (OTel enrichment); by default tokens are requests times
            planned tokens.
        prices: Prices that take precedence over the package's; the package's alone by default.
        log_retention_days: Days that the function's logs are kept; 30 by default.
        removal: Whether bucket and logs outlive the stack; they do by default.

    Attributes:
        bucket: Bucket of samples and reports.
        function: The function.
        namespace: CloudWatch namespace of its metrics.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        endpoints: Sequence[ObservedEndpoint],
        settings: ShowbackSettings | None = None,
        key: kms.IKey | None = None,
        alarms: Alarms | NoAlarms | None = None,
        measures_tokens: bool = False,
        prices: PriceTable | None = None,
        log_retention_days: int | logs.RetentionDays = 30,
        removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        days = allowed_days(f"{construct_id}.log_retention_days", log_retention_days)
        super().__init__(scope, construct_id)
        specification = settings or ShowbackSettings()
        region = cdk.Stack.of(self).region
        self._endpoints = tuple(endpoints)
        self._key = key
        self._measures_tokens = measures_tokens
        self.namespace: str = own_namespace(environment)
        self.bucket: s3.Bucket = make_bucket(self, key=key, keep_days=specification.keep_days, removal=removal)
        asset = self._settings_asset(
            function_settings(
                self._endpoints,
                namespace=self.namespace,
                region=REGION if is_text_token(region) else region,
                sample_minutes=specification.sample_minutes,
                measures_tokens=measures_tokens,
                prices=prices,
            )
        )
        queue = make_failed_queue(self, keep=_KEEP_EVENTS)
        logs = LogOptions(retention_days=days, key=key, removal=removal)
        self.function: lambda_.Function = self._make_function(asset, queue, logs)
        make_schedules(self, function=self.function, queue=queue, sample_minutes=specification.sample_minutes)
        self._make_alarms(alarms, period_seconds=specification.sample_minutes * 60)
        self._publish(environment)

    def _settings_asset(self, text: str) -> s3_assets.Asset:
        with tempfile.TemporaryDirectory() as folder:  # staged, which is copied, before the folder goes
            path = Path(folder, "showback.json")
            path.write_text(text, encoding="utf-8")
            return s3_assets.Asset(self, "Settings", path=str(path))

    def _make_function(self, asset: s3_assets.Asset, queue: sqs.Queue, logs: LogOptions) -> lambda_.Function:
        arns = SageMakerArns.of(cdk.Stack.of(self))
        configs = arns.written("endpoint-config", "*")
        components = arns.allowed("inference-component", *self._component_names())
        objects = [self.bucket.arn_for_objects(f"{prefix}/*") for prefix in ("samples", "daily")]
        plans = sorted(
            {
                reservation.training_plan
                for endpoint in self._endpoints
                if (reservation := endpoint.resolved.hosting.capacity.reservation) is not None
            }
        )
        statements = [
            allow(
                permissions.OBSERVE_ENDPOINT,
                arns.allowed("endpoint", *(endpoint.endpoint_name for endpoint in self._endpoints)),
            ),
            allow(permissions.READ_ENDPOINT_CONFIGS, [configs]),
            allow(permissions.OBSERVE_COMPONENTS, components),
            allow(
                (*permissions.LIST_COMPONENTS, *permissions.READ_SCALING_DECISIONS, *permissions.READ_METRICS), ["*"]
            ),
            allow(
                permissions.PUBLISH_METRICS,
                ["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": [self.namespace, SCALING]}},
            ),
            allow(permissions.KEEP_REPORTS, objects),
            allow(permissions.LIST_REPORTS, [self.bucket.bucket_arn]),
            allow(permissions.READ_SETTINGS, [asset.bucket.arn_for_objects(asset.s3_object_key)]),
            allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]),
        ]
        if plans:
            statements.append(allow(permissions.READ_TRAINING_PLAN, plans))
        if self._measures_tokens:
            statements.append(allow(permissions.QUERY_METRICS, ["*"]))
        if self._key is not None:
            statements.append(allow(permissions.ENCRYPT, [self._key.key_arn]))
        function = make_function(
            self,
            "Function",
            source="showback",
            entry="handle",
            description="Samples what endpoints run on, and reports what that costs a day",
            timeout=_TIMEOUT,
            log_options=logs,
            statements=statements,
            wildcards=[configs, *(arn for arn in components if arn.endswith("*")), *objects],
            wildcard_reason=f"{_CONFIGS}; {_COMPONENTS}; {_OBJECTS}",
            environment={
                "BUCKET": self.bucket.bucket_name,
                "SETTINGS_BUCKET": asset.s3_bucket_name,
                "SETTINGS_KEY": asset.s3_object_key,
            },
        )
        role = function.role
        assert role is not None
        acknowledge_wildcards(self, role, ["*"], _NO_RESOURCE_TYPE)
        keep_failed_calls(function, queue)
        return function

    def _component_names(self) -> list[str]:
        """Return patterns of the components' names, and names that no pattern covers."""
        patterns = [f"{endpoint.endpoint_name}-*" for endpoint in self._endpoints]
        own = [
            component.component_name
            for endpoint in self._endpoints
            for component in endpoint.components
            if not component.component_name.startswith(f"{endpoint.endpoint_name}-")
        ]
        return [*patterns, *own]

    def _make_alarms(self, alarms: Alarms | NoAlarms | None, *, period_seconds: int) -> None:
        make_alarm(
            self,
            "Unread",
            choice=alarms,
            description=(
                "An endpoint, its components or its training plan could not be read three times in a row, so its costs of the time are "
                "interpolated; the reason is in the log of the showback function. Without data: no samples are taken."
            ),
            namespace=self.namespace,
            metric_name="UnreadEndpoints",
            dimensions={},
            statistic="Maximum",
            period_seconds=period_seconds,
            evaluation_periods=3,
            threshold=1,
            comparison="GreaterThanOrEqualToThreshold",
            missing="missing",
            without_data=True,
        )
        make_alarm(
            self,
            "NotReported",
            choice=alarms,
            description=(
                "The showback function has failed in every attempt at a sample or a report; the reason is in its log. Missing reports of "
                "the last seven days are made up for with the next one."
            ),
            namespace="AWS/Lambda",
            metric_name="Errors",
            dimensions={"FunctionName": self.function.function_name},
            statistic="Sum",
            period_seconds=_HOUR_SECONDS,
            evaluation_periods=1,
            threshold=_ATTEMPTS,
            comparison="GreaterThanOrEqualToThreshold",
        )

    def _publish(self, environment: str) -> None:
        """Publish the location of the reports for `cdk-sglang costs`."""
        content = {
            "bucket": self.bucket.bucket_name,
            "function": self.function.function_name,
            "planned_usd_per_hour": planned_usd_per_hour(self._endpoints),
        }
        ssm.StringParameter(
            self,
            "Place",
            parameter_name=f"/cdk-sglang/{environment}/showback",
            description="Where cdk-sglang costs finds reports, and what the plan expected",
            string_value=cdk.Stack.of(self).to_json_string(content),
        )
