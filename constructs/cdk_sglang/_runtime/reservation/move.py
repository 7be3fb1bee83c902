"""Move an endpoint from its reservation to on-demand instances: a copy of its config without the plan, and one UpdateEndpoint.

Every step can be repeated: the copy's name is a hash of its content, and an endpoint that is being updated, or has left the plan,
is not changed. Nothing is bought.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import TagTypeDef

MOVED_FROM = "cdk-sglang:moved-from"
"""Tag of a copy with the name of the original config."""

_DIGITS = 12
"""Number of hexadecimal digits at the end of a copy's name; the policies allow exactly this number."""

_COPIED = (
    "ProductionVariants",
    "DataCaptureConfig",
    "KmsKeyId",
    "AsyncInferenceConfig",
    "ExplainerConfig",
    "ShadowProductionVariants",
    "ExecutionRoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
    "MetricsConfig",
    "CrossRegionTrafficConfig",
)
"""Members of CreateEndpointConfig that DescribeEndpointConfig returns (botocore 1.44.5)."""

RESERVED, BUSY, ON_DEMAND = "reserved", "busy", "on-demand"
STARTED, STARTED_AGAIN = "move started", "move started again"


class MoveError(Exception):
    """The move is not possible now; the next check tries again within the hour."""


def place(sagemaker: SageMakerClient, endpoint: str, plan_arn: str) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Return the endpoint's location (RESERVED, BUSY or ON_DEMAND), its description and that of its config."""
    description = sagemaker.describe_endpoint(EndpointName=endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=description["EndpointConfigName"])
    if not _uses(config, plan_arn):
        return ON_DEMAND, description, config
    return (RESERVED if description["EndpointStatus"] == "InService" else BUSY), description, config


def start(
    sagemaker: SageMakerClient,
    *,
    endpoint: str,
    plan_arn: str,
    max_instances: int,
    prefix: str,
) -> str:
    """Start the move if the endpoint is in service on the plan; return its state.

    Args:
        sagemaker: Client of boto3.
        endpoint: Name of the endpoint.
        plan_arn: ARN of the plan to leave.
        max_instances: Largest number of instances afterwards.
        prefix: Prefix of the names of copies, in lower case.

    Raises:
        MoveError: The endpoint's state allows no update, or this boto3 does not know reservations, so that a copy could lose
            members.
    """
    _check_client(sagemaker)
    where, description, config = place(sagemaker, endpoint, plan_arn)
    status = description["EndpointStatus"]
    if where == ON_DEMAND:
        return ON_DEMAND
    if where == BUSY:
        if status in {"Failed", "OutOfService", "UpdateRollbackFailed"}:
            raise MoveError(
                f"endpoint {endpoint} is {status}, which cannot be updated: {description.get('FailureReason', 'no reason given')}"
            )
        return BUSY
    copy = without_plan(config, plan_arn, max_instances=max_instances)
    name = copy_name(prefix, copy)
    is_new = _create(sagemaker, name, copy, _tags(sagemaker, config))
    request: dict[str, Any] = {"EndpointName": endpoint, "EndpointConfigName": name}
    if _running(description) <= max_instances:
        request["RetainAllVariantProperties"] = (
            True  # otherwise SageMaker starts with InitialInstanceCount, which may be too few
        )
    if description.get("LastDeploymentConfig"):
        request["DeploymentConfig"] = description["LastDeploymentConfig"]
    try:
        sagemaker.update_endpoint(**request)
    except ClientError as error:
        if _says(error, "in-progress", "updating"):  # another invocation, or a deployment, came first
            return BUSY
        raise
    return STARTED if is_new else STARTED_AGAIN


def without_plan(config: Mapping[str, Any], plan_arn: str, *, max_instances: int) -> dict[str, Any]:
    """Return the request of CreateEndpointConfig: the config without the plan."""
    copy = {key: config[key] for key in _COPIED if config.get(key) is not None}
    copy["ProductionVariants"] = [
        _variant(variant, plan_arn, max_instances) for variant in config["ProductionVariants"]
    ]
    return copy


def copy_name(prefix: str, copy: dict[str, Any]) -> str:
    """Return the name of a copy, which is always the same for the same content."""
    content = json.dumps(copy, sort_keys=True, default=str)
    return f"{prefix}{hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]}"


def delete_copies(sagemaker: SageMakerClient, *, endpoint: str, prefix: str) -> list[str]:
    """Delete the copies that no endpoint uses; return their names. Called when the reservation is removed from the stack."""
    live = ""
    try:
        live = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    except ClientError as error:
        if not _says(error, "could not find"):
            raise
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=prefix)
    names = [config["EndpointConfigName"] for page in pages for config in page["EndpointConfigs"]]
    of_this_endpoint = re.compile(rf"{re.escape(prefix)}[0-9a-f]{{{_DIGITS}}}")
    deletable = [name for name in names if of_this_endpoint.fullmatch(name) and name != live]
    for name in deletable:
        try:
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
        except ClientError as error:
            if not _says(error, "could not find"):  # deleted by an earlier delivery of the same event
                raise
    return deletable


def _uses(config: Mapping[str, Any], plan_arn: str) -> bool:
    return any(_plan_of(variant) == plan_arn for variant in config["ProductionVariants"])


def _plan_of(variant: dict[str, Any]) -> str | None:
    arn: str | None = (variant.get("CapacityReservationConfig") or {}).get("MlReservationArn")
    return arn


def _variant(variant: dict[str, Any], plan_arn: str, max_instances: int) -> dict[str, Any]:
    if _plan_of(variant) != plan_arn:
        return variant
    copy = {key: value for key, value in variant.items() if key != "CapacityReservationConfig"}
    scaling = copy.get("ManagedInstanceScaling")
    if scaling:
        copy["ManagedInstanceScaling"] = scaling | {"MaxInstanceCount": max_instances}
    return copy


def _running(description: Mapping[str, Any]) -> int:
    return max(
        (int(variant.get("DesiredInstanceCount") or 0) for variant in description.get("ProductionVariants") or []),
        default=0,
    )


def _tags(sagemaker: SageMakerClient, config: Mapping[str, Any]) -> list[TagTypeDef]:
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=config["EndpointConfigArn"])
    tags = [tag for page in pages for tag in page["Tags"] if not tag["Key"].lower().startswith("aws:")]
    others = [tag for tag in tags if tag["Key"] != MOVED_FROM]
    return [*others, {"Key": MOVED_FROM, "Value": config["EndpointConfigName"]}]


def _create(sagemaker: SageMakerClient, name: str, copy: dict[str, Any], tags: list[TagTypeDef]) -> bool:
    """Create the copy; return False if it exists, which means that an earlier attempt was rolled back or interrupted."""
    try:
        sagemaker.create_endpoint_config(EndpointConfigName=name, Tags=tags, **copy)
    except ClientError as error:
        if not _says(error, "already exist"):  # the name is a hash of the content, so the existing copy is the same
            raise
        return False
    return True


def _check_client(sagemaker: SageMakerClient) -> None:
    variant: Any = sagemaker.meta.service_model.shape_for("ProductionVariant")
    if "CapacityReservationConfig" not in variant.members:
        raise MoveError(
            "this boto3 does not know reservations, so it could not tell what to copy; move by hand: docs/capacity.md"
        )


def _says(error: ClientError, *words: str) -> bool:
    text = str(error.response["Error"].get("Message", "")).lower()
    return any(word in text for word in words)
