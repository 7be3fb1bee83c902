"""What AWS reports about a running endpoint: read with the user's credentials, never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from cdk_sglang.checks import did_you_mean
from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.running import (
    ENVIRONMENT_TAG,
    Running,
    RunningComponent,
    Scaling,
    is_in_steps,
    rollback_alarms,
)
from cdk_sglang.errors import ConfigurationError, Problem

_AT_ONCE: Final = 8
"""Concurrent descriptions, as in `cdk-sglang status`."""
_NAMES_READ: Final = 500
"""Endpoints whose names are compared with one that does not exist."""
_SCALING_DIMENSIONS: Final = {
    "inference-component": "sagemaker:inference-component:DesiredCopyCount",
    "endpoint": "sagemaker:variant:DesiredInstanceCount",
}
"""ScalableDimension in botocore's model of Application Auto Scaling (1.44.5)."""
_ALARMS_AT_ONCE: Final = 100
"""Names that DescribeAlarms takes (botocore 1.44.5, cloudwatch)."""

_T = TypeVar("_T")


class Reader:
    """Reads an endpoint.

    Args:
        region: Region; that of the AWS settings by default.
        profile: Profile of the AWS settings.
        notes: Where it says what could not be read.
    """

    def __init__(self, *, region: str | None, profile: str | None, notes: Notes) -> None:
        self._region, self._profile, self._notes = region, profile, notes
        self._clients: dict[str, Any] = {}
        self._sagemaker = self._client("sagemaker")

    def endpoint(self, name: str) -> Mapping[str, Any]:
        """Return the description of an endpoint.

        Raises:
            ConfigurationError: There is no endpoint of this name.
            typer.Exit: It cannot be read; the reason is printed.
        """
        with failures_of("sagemaker:DescribeEndpoint"):
            try:
                described: Mapping[str, Any] = self._sagemaker.describe_endpoint(EndpointName=name)
            except self._sagemaker.exceptions.ClientError as error:
                if "could not find" not in error.response.get("Error", {}).get("Message", "").lower():
                    raise
                described = {}
        if not described:
            raise ConfigurationError([Problem("--endpoint", self._missing(name))])
        return described

    def whole(self, endpoint: Mapping[str, Any]) -> Running:
        """Return everything that AWS knows about an endpoint.

        Raises:
            typer.Exit: Something indispensable cannot be read; the reason is printed.
        """
        name = endpoint["EndpointName"]
        with failures_of("sagemaker:DescribeEndpointConfig"):
            config = self._sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        tags = self._tags(endpoint["EndpointArn"], "tags of the endpoint")
        variant = config["ProductionVariants"][0] if config.get("ProductionVariants") else {}
        names = [] if variant.get("ModelName") else self._component_names(name)
        with ThreadPoolExecutor(_AT_ONCE) as pool, failures_of("sagemaker:DescribeInferenceComponent"):
            described = list(pool.map(self._component, names))
        self._client("application-autoscaling")  # made once: making clients is not for several threads
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            components = list(pool.map(self._with_scaling, described))
        models = self._models(variant, components)
        scaling = Scaling()
        if variant.get("ModelName"):
            scaling = self._scaling("endpoint", f"endpoint/{name}/variant/{variant['VariantName']}")
        return Running(
            endpoint=endpoint,
            config=config,
            tags=tags,
            components=components,
            models=models,
            alarms=self._alarms(endpoint, components),
            scaling=scaling,
            parameters=self._parameters(tags.get(ENVIRONMENT_TAG)),
            plan=self._plan(variant),
        )

    # --- what is indispensable ---------------------------------------------------------------------------------------

    def _component_names(self, endpoint: str) -> list[str]:
        with failures_of("sagemaker:ListInferenceComponents"):
            pages = self._sagemaker.get_paginator("list_inference_components").paginate(
                EndpointNameEquals=endpoint, SortBy="Name", SortOrder="Ascending"
            )
            return [one["InferenceComponentName"] for page in pages for one in page["InferenceComponents"]]

    def _component(self, name: str) -> Mapping[str, Any]:
        described: Mapping[str, Any] = self._sagemaker.describe_inference_component(InferenceComponentName=name)
        return described

    def _models(
        self, variant: Mapping[str, Any], components: Sequence[RunningComponent]
    ) -> dict[str, Mapping[str, Any]]:
        specs = [spec for one in components for spec in one.specifications]
        names = sorted({spec["ModelName"] for spec in [variant, *specs] if spec.get("ModelName")})
        with failures_of("sagemaker:DescribeModel"), ThreadPoolExecutor(_AT_ONCE) as pool:
            described = pool.map(lambda name: self._sagemaker.describe_model(ModelName=name), names)
            return dict(zip(names, described, strict=True))

    # --- what the file is poorer without --------------------------------------------------------------------------

    def _with_scaling(self, described: Mapping[str, Any]) -> RunningComponent:
        name = described["InferenceComponentName"]
        bare = RunningComponent(described=described)
        return RunningComponent(
            described=described,
            tags=self._tags(described["InferenceComponentArn"], "tags of components"),
            scaling=Scaling() if bare.base else self._scaling("inference-component", f"inference-component/{name}"),
        )

    def _tags(self, arn: str, what: str) -> dict[str, str]:
        def look() -> dict[str, str]:
            pages = self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

        return self._optional("sagemaker:ListTags", what, look, {}, makes="without them")

    def _scaling(self, kind: str, resource: str) -> Scaling:
        def pages(operation: str, member: str, **more: Any) -> list[Mapping[str, Any]]:
            parameters = {"ServiceNamespace": "sagemaker", "ScalableDimension": _SCALING_DIMENSIONS[kind], **more}
            found = self._client("application-autoscaling").get_paginator(operation).paginate(**parameters)
            return [one for page in found for one in page[member]]

        def look(operation: str, action: str, member: str, **more: Any) -> list[Mapping[str, Any]]:
            what = f"application-autoscaling:{action}"
            makes = "a fixed number of copies" if action == "DescribeScalableTargets" else "none"
            return self._optional(what, "scaling", lambda: pages(operation, member, **more), [], makes=makes)

        targets = look(
            "describe_scalable_targets", "DescribeScalableTargets", "ScalableTargets", ResourceIds=[resource]
        )
        if not targets:
            return Scaling()
        return Scaling(
            target=targets[0],
            policies=look(
                "describe_scaling_policies", "DescribeScalingPolicies", "ScalingPolicies", ResourceId=resource
            ),
            actions=look(
                "describe_scheduled_actions", "DescribeScheduledActions", "ScheduledActions", ResourceId=resource
            ),
        )

    def _alarms(
        self, endpoint: Mapping[str, Any], components: Sequence[RunningComponent]
    ) -> dict[str, Mapping[str, Any]]:
        names = {name for one in [endpoint, *(one.described for one in components)] for name in rollback_alarms(one)}
        steps = [policy["PolicyARN"] for one in components for policy in one.scaling.policies if is_in_steps(policy)]

        def look() -> dict[str, Mapping[str, Any]]:
            cloudwatch, alarm_names = self._client("cloudwatch"), sorted(names)
            found = [
                alarm
                for start in range(0, len(alarm_names), _ALARMS_AT_ONCE)
                for alarm in cloudwatch.describe_alarms(
                    AlarmNames=alarm_names[start : start + _ALARMS_AT_ONCE], MaxRecords=_ALARMS_AT_ONCE
                )["MetricAlarms"]
            ]
            for policy in steps:
                found += cloudwatch.describe_alarms(ActionPrefix=policy, MaxRecords=_ALARMS_AT_ONCE)["MetricAlarms"]
            return {alarm["AlarmName"]: alarm for alarm in found}

        makes = "rollback alarms and wake-up with their defaults"
        return self._optional("cloudwatch:DescribeAlarms", "alarms", look, {}, makes=makes) if names or steps else {}

    def _parameters(self, environment: str | None) -> dict[str, str]:
        if environment is None:
            return {}
        path = f"/cdk-sglang/{environment}/"

        def look() -> dict[str, str]:
            pages = self._client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path)
            return {one["Name"].removeprefix(path): one["Value"] for page in pages for one in page["Parameters"]}

        makes = "weights, image and network named from outside of the environment"
        return self._optional("ssm:GetParametersByPath", "the environment's own bucket", look, {}, makes=makes)

    def _plan(self, variant: Mapping[str, Any]) -> Mapping[str, Any] | None:
        arn = (variant.get("CapacityReservationConfig") or {}).get("MlReservationArn")
        if not arn:
            return None

        def look() -> Mapping[str, Any] | None:
            plan: Mapping[str, Any] = self._sagemaker.describe_training_plan(TrainingPlanName=arn.rpartition("/")[2])
            return plan

        makes = "the instances of max_instances, until today; write the plan's own"
        return self._optional("sagemaker:DescribeTrainingPlan", "capacity.reserved", look, None, makes=makes)

    def _optional(self, action: str, what: str, look: Callable[[], _T], default: _T, *, makes: str) -> _T:
        from botocore.exceptions import ClientError

        with failures_of(action):
            try:
                return look()
            except ClientError as error:
                if not error.response.get("Error", {}).get("Code", "").startswith("AccessDenied"):
                    raise
        self._notes.unread(what, f"could not read: {action} is not allowed", makes)
        return default

    # --- the rest -------------------------------------------------------------------------------------------------

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client(service, region=self._region, profile=self._profile)
        return self._clients[service]

    def _missing(self, name: str) -> str:
        region = self._sagemaker.meta.region_name
        lines = f"no endpoint {name!r} in {region}"
        names: list[str] = []
        try:
            for one in self._names():
                names.append(one)
                if len(names) >= _NAMES_READ:
                    break
        except self._sagemaker.exceptions.ClientError:
            return f"{lines}; give another, or another --region or --profile (its neighbours could not be listed: sagemaker:ListEndpoints)"
        if not names:
            return f"{lines}, which has none; give another --region or --profile"
        return f"{lines}; {did_you_mean(name, names)}, or give another --region or --profile"

    def _names(self) -> Iterator[str]:
        for page in self._sagemaker.get_paginator("list_endpoints").paginate():
            yield from (one["EndpointName"] for one in page["Endpoints"])


def refuse_unsettled(endpoint: Mapping[str, Any], notes: Notes) -> None:
    """End the command, or warn, if the state of an endpoint means that it does not serve what its description states.

    Args:
        endpoint: Its description.
        notes: Where warnings go.

    Raises:
        typer.Exit: It is changing, or does not serve.
    """
    # EndpointStatus in botocore's model of SageMaker (1.44.5)
    name, state = endpoint["EndpointName"], endpoint["EndpointStatus"]
    reason = f" ({endpoint['FailureReason']})" if endpoint.get("FailureReason") else ""
    if state in {"Creating", "Updating", "RollingBack"}:
        wait = f"aws sagemaker wait endpoint-in-service --endpoint-name {name}"
        fail(f"{name} is {state}{reason}: what it will serve with is not settled; import it afterwards: {wait}", code=1)
    if state in {"Deleting", "Failed", "OutOfService"}:
        fail(f"{name} is {state}{reason}: nothing of it serves that could be described", code=1)
    if state != "InService":
        notes.warnings.append(f"{name} is {state}{reason}; the file says what it serves with now")
