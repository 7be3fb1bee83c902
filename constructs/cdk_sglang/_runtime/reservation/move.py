"""Moves an endpoint from its reservation to on-demand instances: a copy of its config without the plan, and one UpdateEndpoint.

Every step can be repeated: the copy's name follows from its content, and an endpoint that is being updated, or has left the plan,
is left alone. Nothing is bought.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import TagTypeDef

MOVED_FROM = "cdk-sglang:moved-from"
"""Tag of a copy: the config it was made from."""

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
"""Members of CreateEndpointConfig that DescribeEndpointConfig gives back (botocore 1.44.5)."""

RESERVED, BUSY, ON_DEMAND = "reserved", "busy", "on-demand"
STARTED, STARTED_AGAIN = "move started", "move started again"


class MoveError(Exception):
    """The move cannot be made now; it is tried again within the hour."""


def place(sagemaker: SageMakerClient, endpoint: str, plan_arn: str) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Return where the endpoint is (RESERVED, BUSY or ON_DEMAND), with its description and that of its config."""
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    if not _uses(config, plan_arn):
        return ON_DEMAND, described, config
    return (RESERVED if described["EndpointStatus"] == "InService" else BUSY), described, config


def start(
    sagemaker: SageMakerClient,
    *,
    endpoint: str,
    plan_arn: str,
    max_instances: int,
    prefix: str,
) -> str:
    """Begin the move where the endpoint is in service on the plan; return what was found or done.

    Args:
        sagemaker: Client of boto3.
        endpoint: Its name.
        plan_arn: The plan it leaves.
        max_instances: Most instances afterwards.
        prefix: Begins the names of copies, in lower case.

    Raises:
        MoveError: The endpoint is not in a state to be updated, or this boto3 does not know reservations, so that a copy could lose
            what it does not know.
    """
    _check_client(sagemaker)
    where, described, config = place(sagemaker, endpoint, plan_arn)
    status = described["EndpointStatus"]
    if where == ON_DEMAND:
        return ON_DEMAND
    if where == BUSY:
        if status in {"Failed", "OutOfService", "UpdateRollbackFailed"}:
            raise MoveError(
                f"endpoint {endpoint} is {status}, which cannot be updated: {described.get('FailureReason', 'no reason given')}"
            )
        return BUSY
    copy = without_plan(config, plan_arn, max_instances=max_instances)
    name = copy_name(prefix, copy)
    is_new = _create(sagemaker, name, copy, _tags(sagemaker, config))
    request: dict[str, Any] = {"EndpointName": endpoint, "EndpointConfigName": name}
    if _running(described) <= max_instances:
        request["RetainAllVariantProperties"] = (
            True  # else SageMaker starts with InitialInstanceCount, which may be too few
        )
    if described.get("LastDeploymentConfig"):
        request["DeploymentConfig"] = described["LastDeploymentConfig"]
    try:
        sagemaker.update_endpoint(**request)
    except ClientError as error:
        if _says(error, "in-progress", "updating"):  # another invocation, or a deployment, was first
            return BUSY
        raise
    return STARTED if is_new else STARTED_AGAIN


def without_plan(config: Mapping[str, Any], plan_arn: str, *, max_instances: int) -> dict[str, Any]:
    """Return what CreateEndpointConfig is to be asked for: all of the config but the plan."""
    copy = {key: config[key] for key in _COPIED if config.get(key) is not None}
    copy["ProductionVariants"] = [
        _variant(variant, plan_arn, max_instances) for variant in config["ProductionVariants"]
    ]
    return copy


def copy_name(prefix: str, copy: dict[str, Any]) -> str:
    """Return the name of a copy: the same for the same content, however often it is asked for."""
    content = json.dumps(copy, sort_keys=True, default=str)
    return f"{prefix}{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def delete_copies(sagemaker: SageMakerClient, *, endpoint: str, prefix: str) -> list[str]:
    """Delete the copies no endpoint runs on; return their names. Called when the reservation leaves the stack."""
    live = ""
    try:
        live = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    except ClientError as error:
        if not _says(error, "could not find"):
            raise
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=prefix)
    names = [config["EndpointConfigName"] for page in pages for config in page["EndpointConfigs"]]
    gone = [name for name in names if name.startswith(prefix) and name != live]
    for name in gone:
        try:
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
        except ClientError as error:
            if not _says(error, "could not find"):  # deleted by an earlier delivery of the same event
                raise
    return gone


def _uses(config: Mapping[str, Any], plan_arn: str) -> bool:
    return any(_plan_of(variant) == plan_arn for variant in config["ProductionVariants"])


def _plan_of(variant: dict[str, Any]) -> str | None:
    found: str | None = (variant.get("CapacityReservationConfig") or {}).get("MlReservationArn")
    return found


def _variant(variant: dict[str, Any], plan_arn: str, max_instances: int) -> dict[str, Any]:
    if _plan_of(variant) != plan_arn:
        return variant
    moved = {key: value for key, value in variant.items() if key != "CapacityReservationConfig"}
    scaling = moved.get("ManagedInstanceScaling")
    if scaling:
        moved["ManagedInstanceScaling"] = scaling | {"MaxInstanceCount": max_instances}
    return moved


def _running(described: Mapping[str, Any]) -> int:
    return max(
        (int(variant.get("DesiredInstanceCount") or 0) for variant in described.get("ProductionVariants") or []),
        default=0,
    )


def _tags(sagemaker: SageMakerClient, config: Mapping[str, Any]) -> list[TagTypeDef]:
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=config["EndpointConfigArn"])
    kept = [tag for page in pages for tag in page["Tags"] if not tag["Key"].lower().startswith("aws:")]
    others = [tag for tag in kept if tag["Key"] != MOVED_FROM]
    return [*others, {"Key": MOVED_FROM, "Value": config["EndpointConfigName"]}]


def _create(sagemaker: SageMakerClient, name: str, copy: dict[str, Any], tags: list[TagTypeDef]) -> bool:
    """Return whether the copy was made just now; one that is there means that an earlier attempt was rolled back or broke off."""
    try:
        sagemaker.create_endpoint_config(EndpointConfigName=name, Tags=tags, **copy)
    except ClientError as error:
        if not _says(error, "already exist"):  # the name is a hash of the content, so what is there is the same
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
