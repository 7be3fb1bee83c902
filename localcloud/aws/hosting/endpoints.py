"""API of models, endpoint configurations and endpoints."""

from __future__ import annotations

from typing import Any

from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import sagemaker_backends

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.hosting import capture, instances, rollouts, validation
from localcloud.aws.hosting.operations import handles, listing
from localcloud.aws.hosting.plans import plan_now
from localcloud.aws.hosting.records import Endpoint, Record, gpus_of
from localcloud.aws.hosting.store import Store
from localcloud.aws.settings import current


@handles("CreateModel")
def create_model(state: Store, **request: Any) -> dict[str, Any]:
    """Create a model in moto, after checks that moto lacks."""
    name = request["ModelName"]
    if name in state.models():
        raise ValidationError(f'Cannot create already existing model "{state.arn("model", name)}".')
    if bool(request.get("PrimaryContainer")) == bool(request.get("Containers")):
        raise ValidationError("Exactly one of PrimaryContainer and Containers must be provided.")
    model = sagemaker_backends[state.account][state.region].create_model(
        model_name=name,
        execution_role_arn=request.get("ExecutionRoleArn"),
        primary_container=request.get("PrimaryContainer"),
        vpc_config=request.get("VpcConfig"),
        containers=request.get("Containers"),
        tags=request.get("Tags"),
    )
    model.arn = state.arn("model", name)
    model.enable_network_isolation = request.get("EnableNetworkIsolation", False)
    return {"ModelArn": model.arn}


@handles("CreateEndpointConfig")
def create_endpoint_config(state: Store, **request: Any) -> dict[str, Any]:
    """Create an endpoint configuration; it never changes afterwards."""
    name, arn = request["EndpointConfigName"], state.arn("endpoint-config", request["EndpointConfigName"])
    if name in state.configs:
        raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
    names = [variant["VariantName"] for variant in request["ProductionVariants"]]
    if len(set(names)) < len(names):
        raise ValidationError(f"Production variant names must be unique within an endpoint configuration: {names}")
    for variant in request["ProductionVariants"]:
        _check_variant(state, request, variant)
    data = request | {"EndpointConfigArn": arn, "CreationTime": clock().utc()}
    state.configs[name] = Record(data=data, tags=list(request.get("Tags", [])))
    return {"EndpointConfigArn": arn}


def _check_variant(state: Store, request: dict[str, Any], variant: dict[str, Any]) -> None:
    name, model = variant["VariantName"], variant.get("ModelName")
    if model and model not in state.models():
        raise ValidationError(f'Could not find model "{state.arn("model", model)}".')
    if not model and not request.get("ExecutionRoleArn"):
        raise ValidationError(f"ExecutionRoleArn is required: variant {name} has no ModelName")
    scaling = variant.get("ManagedInstanceScaling", {})
    if model and scaling:
        raise ValidationError(f"ManagedInstanceScaling is not supported for variant {name}, which has a ModelName")
    if scaling.get("MinInstanceCount", 0) > scaling.get("MaxInstanceCount", 10**6):
        raise ValidationError(f"Variant {name}: MinInstanceCount must not be greater than MaxInstanceCount")
    if scaling and variant.get("InitialInstanceCount", 1) > scaling.get("MaxInstanceCount", 10**6):
        raise ValidationError(f"Variant {name}: InitialInstanceCount must not be greater than MaxInstanceCount")
    kinds = [key for key in ("InstanceType", "InstancePools", "ServerlessConfig") if variant.get(key)]
    if len(kinds) != 1:
        raise ValidationError(f"Variant {name}: exactly one of InstanceType and InstancePools is required, got {kinds}")
    routing = variant.get("RoutingConfig", {})
    if routing.get("RoutingStrategy") == "PREFIX_AWARE" and "PrefixAwareRoutingConfig" not in routing:
        raise ValidationError(f"Variant {name}: PREFIX_AWARE requires PrefixLength and ConcurrencyThreshold")
    if request.get("KmsKeyId") and any(gpus_of(kind) for kind in instances.instance_types(variant)):
        raise ValidationError(f"Variant {name}: KmsKeyId is not supported on instance types with local storage")


@handles("DescribeEndpointConfig")
def describe_endpoint_config(state: Store, EndpointConfigName: str) -> dict[str, Any]:
    """Describe an endpoint configuration."""
    data = config(state, EndpointConfigName).data
    return validation.pick(validation.operation("DescribeEndpointConfig").output_shape, data)


@handles("ListEndpointConfigs")
def list_endpoint_configs(state: Store, **request: Any) -> dict[str, Any]:
    """List endpoint configurations."""
    return listing("ListEndpointConfigs", [record.data for record in state.configs.values()], request)


@handles("DeleteEndpointConfig")
def delete_endpoint_config(state: Store, EndpointConfigName: str) -> dict[str, Any]:
    """Delete an endpoint configuration, as AWS does even while an endpoint uses it."""
    config(state, EndpointConfigName)
    del state.configs[EndpointConfigName]
    return {}


@handles("CreateEndpoint")
def create_endpoint(state: Store, **request: Any) -> dict[str, Any]:
    """Create an endpoint, which is Creating for a while."""
    name, arn = request["EndpointName"], state.arn("endpoint", request["EndpointName"])
    if any(other.data["EndpointArn"] == arn for other in state.endpoints.values()):  # ARNs ignore the case of names
        raise ValidationError(f'Cannot create already existing endpoint "{arn}".')
    configuration = config(state, request["EndpointConfigName"]).data
    _check_reservation(state, configuration)
    instances.check_quotas(state, configuration["ProductionVariants"])
    now = clock().utc()
    data = {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointConfigName": request["EndpointConfigName"],
        "EndpointStatus": "Creating",
        "CreationTime": now,
        "LastModifiedTime": now,
        "LastDeploymentConfig": request.get("DeploymentConfig"),
    }
    endpoint = Endpoint(data=data, tags=list(request.get("Tags", [])), until=clock().now() + current().endpoint_s)
    endpoint.failure = _lacks_capacity(name, configuration)
    state.endpoints[name] = endpoint
    return {"EndpointArn": arn}


def _check_reservation(state: Store, configuration: dict[str, Any]) -> None:
    """Refuse a training plan that is not active, not for endpoints, of another instance type, or too small."""
    plans = {record.data["TrainingPlanArn"]: record for record in state.jobs.get("TrainingPlan", {}).values()}
    for variant in configuration["ProductionVariants"]:
        arn = variant.get("CapacityReservationConfig", {}).get("MlReservationArn")
        if not arn:
            continue
        if arn not in plans:
            raise ValidationError(f'Could not find training plan "{arn}".')
        plan = plan_now(state, plans[arn])
        if plan["Status"] != "Active" or "endpoint" not in plan["TargetResources"]:
            raise ValidationError(f"Training plan {arn} is {plan['Status']} for {plan['TargetResources']}")
        if instances.instance_types(variant) != [plan["_type"]]:
            raise ValidationError(
                f"Training plan {arn} is for {plan['_type']}, not {instances.instance_types(variant)}"
            )
        if variant.get("InitialInstanceCount", 1) > plan["TotalInstanceCount"]:
            raise ValidationError(f"Training plan {arn} has {plan['TotalInstanceCount']} instances")


def _lacks_capacity(endpoint: str, configuration: dict[str, Any]) -> str | None:
    for variant in configuration["ProductionVariants"]:
        if all(instances.out_of_capacity(endpoint, kind) for kind in instances.instance_types(variant)):
            return instances.NO_CAPACITY
    return None


@handles("UpdateEndpoint")
def update_endpoint(state: Store, **request: Any) -> dict[str, Any]:
    """Move an endpoint to another configuration; it serves with the old one until the update is done or rolled back."""
    record = endpoint(state, request["EndpointName"])
    _require_settled(record)
    configuration = config(state, request["EndpointConfigName"]).data
    _check_reservation(state, configuration)
    instances.check_quotas(state, configuration["ProductionVariants"], besides=record)
    variants = {variant["VariantName"] for variant in configuration["ProductionVariants"]}
    for component in state.components.values():
        on_it = component.data["EndpointName"] == request["EndpointName"] and not component.base
        if on_it and component.data.get("VariantName") not in variants:
            raise ValidationError(
                f"Cannot remove variant {component.data.get('VariantName')}: it hosts inference component {component.name}"
            )
    deployment = request.get("DeploymentConfig")
    if deployment is None and request.get("RetainDeploymentConfig"):
        deployment = record.data.get("LastDeploymentConfig")
    rollout, waits_s = rollouts.for_endpoint(state, record, deployment, configuration["ProductionVariants"])
    name = request["EndpointName"]
    record.failure = _lacks_capacity(name, configuration)
    record.rolls_back = bool(record.failure) or faults.strikes("silent-rollback", name)
    record.target, record.retain = request["EndpointConfigName"], request.get("RetainAllVariantProperties", False)
    record.until = clock().now() + current().endpoint_s + (0 if record.rolls_back else waits_s)
    record.rollout = rollout
    record.data |= {
        "EndpointStatus": "Updating",
        "LastModifiedTime": clock().utc(),
        "LastDeploymentConfig": deployment,
        "PendingDeploymentSummary": {"EndpointConfigName": record.target, "StartTime": clock().utc()},
    }
    record.data.pop("FailureReason", None)
    return {"EndpointArn": record.data["EndpointArn"]}


@handles("DescribeEndpoint")
def describe_endpoint(state: Store, EndpointName: str) -> dict[str, Any]:
    """Describe an endpoint with its current instance counts."""
    record = endpoint(state, EndpointName)
    variants = []
    for variant in state.config_of(record).get("ProductionVariants", []):
        present = record.instances.get(variant["VariantName"], [])
        ready = [instance for instance in present if instance.ready_at <= clock().now()]
        summary = {
            "VariantName": variant["VariantName"],
            "CurrentWeight": variant.get("InitialVariantWeight", 1.0),
            "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
            "CurrentInstanceCount": len(ready),
            "DesiredInstanceCount": (
                variant.get("InitialInstanceCount", 1) if record.status == "Creating" else len(present)
            ),
        }
        variants.append(
            summary | {key: variant[key] for key in ("ManagedInstanceScaling", "RoutingConfig") if key in variant}
        )
    shape = validation.operation("DescribeEndpoint").output_shape
    members = {"ProductionVariants": variants or None, "DataCaptureConfig": capture.summary(state, EndpointName)}
    return validation.pick(shape, record.data | members)


@handles("ListEndpoints")
def list_endpoints(state: Store, **request: Any) -> dict[str, Any]:
    """List endpoints."""
    return listing("ListEndpoints", [record.data for record in state.endpoints.values()], request)


@handles("DeleteEndpoint")
def delete_endpoint(state: Store, EndpointName: str) -> dict[str, Any]:
    """Delete an endpoint; components must be gone first."""
    record = endpoint(state, EndpointName)
    _require_settled(record)
    hosted = [c.name for c in state.components.values() if c.data["EndpointName"] == EndpointName]
    if hosted:
        raise ValidationError(f"Cannot delete endpoint {EndpointName}: it hosts inference components {hosted}")
    record.data["EndpointStatus"] = "Deleting"
    record.until = clock().now() + current().endpoint_s
    return {}


def config(state: Store, name: str) -> Record:
    """Endpoint configuration of this name; raises the service's error if it does not exist."""
    if name not in state.configs:
        raise ValidationError(f'Could not find endpoint configuration "{state.arn("endpoint-config", name)}".')
    return state.configs[name]


def endpoint(state: Store, name: str) -> Endpoint:
    """Endpoint of this name; raises the service's error if it does not exist."""
    if name not in state.endpoints:
        raise ValidationError(f'Could not find endpoint "{state.arn("endpoint", name)}".')
    return state.endpoints[name]


def _require_settled(record: Endpoint) -> None:
    if record.status in ("Creating", "Updating", "RollingBack", "Deleting"):
        raise ValidationError(f'Cannot update in-progress endpoint "{record.data["EndpointArn"]}".')
