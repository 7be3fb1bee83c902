"""API of inference components: base components with copies, and adapters on them."""

from __future__ import annotations

from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.aws.clock import clock
from localcloud.aws.hosting import fleet, instances, rollouts, validation
from localcloud.aws.hosting.endpoints import endpoint as find_endpoint
from localcloud.aws.hosting.operations import handles, listing
from localcloud.aws.hosting.records import Component, gpus_of
from localcloud.aws.hosting.store import Store


@handles("CreateInferenceComponent")
def create_inference_component(state: Store, **request: Any) -> dict[str, Any]:
    """Create a component, which is Creating until its copies are healthy."""
    name, arn = request["InferenceComponentName"], state.arn("inference-component", request["InferenceComponentName"])
    if any(other.data["InferenceComponentArn"] == arn for other in state.components.values()):
        raise ValidationError(f'Cannot create already existing inference component "{arn}".')
    endpoint = find_endpoint(state, request["EndpointName"])
    if endpoint.status not in ("InService", "Updating", "RollingBack"):
        raise ValidationError(f"Endpoint {request['EndpointName']} is {endpoint.status}; it must be InService")
    specs = _specs(request)
    base = specs[0].get("BaseInferenceComponentName")
    variant = _check_adapter(state, request, base) if base else _check_base(state, request, specs)
    now = clock().utc()
    data = {
        "InferenceComponentName": name,
        "InferenceComponentArn": arn,
        "EndpointName": request["EndpointName"],
        "EndpointArn": endpoint.data["EndpointArn"],
        "VariantName": variant,
        "InferenceComponentStatus": "Creating",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    copies = request.get("RuntimeConfig", {}).get("CopyCount", 1)
    state.components[name] = Component(data=data, tags=list(request.get("Tags", [])), specs=specs, desired=copies)
    return {"InferenceComponentArn": arn}


def _specs(request: dict[str, Any]) -> list[dict[str, Any]]:
    if ("Specification" in request) == ("Specifications" in request):
        raise ValidationError("Exactly one of Specification and Specifications must be provided.")
    return request.get("Specifications") or [request["Specification"]]


def _check_adapter(state: Store, request: dict[str, Any], base_name: str) -> str:
    base = component(state, base_name)
    spec = _specs(request)[0]
    if base.base:
        raise ValidationError(f"{base_name} is an adapter and cannot be the base of another")
    if base.data["EndpointName"] != request["EndpointName"]:
        raise ValidationError(f"Base inference component {base_name} is on endpoint {base.data['EndpointName']}")
    if base.status != "InService":
        raise ValidationError(f"Base inference component {base_name} is {base.status}; it must be InService")
    if spec.get("ComputeResourceRequirements") or request.get("RuntimeConfig"):
        raise ValidationError(
            "An adapter inference component takes neither ComputeResourceRequirements nor RuntimeConfig"
        )
    if not spec.get("Container", {}).get("ArtifactUrl"):
        raise ValidationError("An adapter inference component requires Container.ArtifactUrl")
    return str(base.data["VariantName"])


def _check_base(state: Store, request: dict[str, Any], specs: list[dict[str, Any]]) -> str:
    name = request.get("VariantName")
    if not name:
        raise ValidationError("VariantName is required for a base inference component")
    endpoint = find_endpoint(state, request["EndpointName"])
    variants = {v["VariantName"]: v for v in state.config_of(endpoint).get("ProductionVariants", [])}
    if name not in variants:
        raise ValidationError(f'Could not find production variant "{name}" on endpoint {request["EndpointName"]}.')
    if variants[name].get("ModelName"):
        raise ValidationError("Inference Components are not supported in this Endpoint")
    check_specs(state, variants[name], specs)
    return str(name)


def check_specs(state: Store, variant: dict[str, Any], specs: list[dict[str, Any]]) -> None:
    """Refuse specifications that contradict the component's model or variant."""
    types = instances.instance_types(variant)
    for spec in specs:
        if bool(spec.get("ModelName")) == bool(spec.get("Container", {}).get("Image")):
            raise ValidationError("Exactly one of ModelName and Container.Image is required in a Specification.")
        if spec.get("ModelName") and spec["ModelName"] not in state.models():
            raise ValidationError(f'Could not find model "{state.arn("model", spec["ModelName"])}".')
        if "ComputeResourceRequirements" not in spec:
            raise ValidationError("ComputeResourceRequirements is required for a base inference component")
        if len(specs) > 1 and spec.get("InstanceType") not in types:
            raise ValidationError(f"Specification for {spec.get('InstanceType')}: the variant has {types}")
        need = spec["ComputeResourceRequirements"].get("NumberOfAcceleratorDevicesRequired", 0)
        for kind in [spec["InstanceType"]] if spec.get("InstanceType") else types:
            if need > gpus_of(kind):
                raise ValidationError(
                    f"NumberOfAcceleratorDevicesRequired is {need}, instance type {kind} has {gpus_of(kind)}"
                )


@handles("UpdateInferenceComponent")
def update_inference_component(state: Store, **request: Any) -> dict[str, Any]:
    """Change the specification or the copy count of a component; copies are replaced while it serves."""
    record = component(state, request["InferenceComponentName"])
    _require_settled(record)
    changes = "Specification" in request or "Specifications" in request
    if record.base and ("RuntimeConfig" in request or (changes and _adapter_changes_base(record, request))):
        raise ValidationError("Only the artifact of an adapter inference component can be updated")
    copies = request.get("RuntimeConfig", {}).get("CopyCount", record.desired)
    rollout = rollouts.for_component(state, request, copies)
    if changes:
        specs = _specs(request)
        if not record.base:
            check_specs(state, state.variant(record), specs)
        if specs != record.specs:
            record.previous = (record.revision, record.specs)
            record.revision += 1
            record.specs = specs
            record.rollout = None if record.base else rollout
            for copy in state.components[record.base].copies if record.base else []:
                copy.unload_adapter(record.name)
    if record.base:
        record.previous = None
    record.desired = copies
    record.data |= {"LastModifiedTime": clock().utc(), "InferenceComponentStatus": "Updating"}
    record.data.pop("FailureReason", None)
    record.data.pop("LastDeploymentConfig", None)
    if "DeploymentConfig" in request:
        record.data["LastDeploymentConfig"] = request["DeploymentConfig"]
    return {"InferenceComponentArn": record.data["InferenceComponentArn"]}


def _adapter_changes_base(adapter: Component, request: dict[str, Any]) -> bool:
    return bool(_specs(request)[0].get("BaseInferenceComponentName", adapter.base) != adapter.base)


@handles("UpdateInferenceComponentRuntimeConfig")
def update_runtime_config(
    state: Store, InferenceComponentName: str, DesiredRuntimeConfig: dict[str, Any]
) -> dict[str, Any]:
    """Change only the copy count."""
    request = {"InferenceComponentName": InferenceComponentName, "RuntimeConfig": DesiredRuntimeConfig}
    return update_inference_component(state, **request)


@handles("DescribeInferenceComponent")
def describe_inference_component(state: Store, InferenceComponentName: str) -> dict[str, Any]:
    """Describe a component with its current copies."""
    return validation.pick(
        validation.operation("DescribeInferenceComponent").output_shape,
        describe(state, component(state, InferenceComponentName)),
    )


def describe(state: Store, record: Component) -> dict[str, Any]:
    """Description of a component for DescribeInferenceComponent and ListInferenceComponents."""
    summaries = [_summary(state, spec) for spec in record.specs]
    data = record.data | ({"Specification": summaries[0]} if len(summaries) == 1 else {"Specifications": summaries})
    if not record.base:
        healthy = [copy for copy in record.copies if copy.state == "healthy"]
        data["RuntimeConfig"] = {"DesiredCopyCount": record.desired, "CurrentCopyCount": len(healthy)}
    return data


def _summary(state: Store, spec: dict[str, Any]) -> dict[str, Any]:
    shape = validation.operation("DescribeInferenceComponent").output_shape.members["Specification"]
    summary = validation.pick(shape, spec)
    container = dict(spec.get("Container", {}))
    image = container.pop("Image", None) or (
        fleet.container_of(state, spec).get("Image") if spec.get("ModelName") in state.models() else None
    )
    if image:
        deployed = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": clock().utc()}
        container = container | {"DeployedImage": deployed}
    return summary | ({"Container": container} if container and not spec.get("ModelName") else {})


@handles("ListInferenceComponents")
def list_inference_components(state: Store, **request: Any) -> dict[str, Any]:
    """List components."""
    return listing("ListInferenceComponents", [describe(state, c) for c in state.components.values()], request)


@handles("DeleteInferenceComponent")
def delete_inference_component(state: Store, InferenceComponentName: str) -> dict[str, Any]:
    """Delete a component; its copies answer the requests in flight first."""
    record = component(state, InferenceComponentName)
    if record.status in ("Creating", "Updating", "Deleting"):
        raise ValidationError(f"Cannot delete inference component {record.name} while it is {record.status}")
    adapters = [adapter.name for adapter in state.adapters_of(record.name)]
    if adapters:
        raise ValidationError(f"Cannot delete inference component {record.name}: adapters use it: {adapters}")
    record.status = "Deleting"
    return {}


def component(state: Store, name: str) -> Component:
    """Component of this name; raises the service's error if it does not exist."""
    if name not in state.components:
        raise ValidationError(f'Could not find inference component "{state.arn("inference-component", name)}".')
    return state.components[name]


def _require_settled(record: Component) -> None:
    if record.status not in ("InService", "Failed"):
        raise ValidationError(f"Cannot update inference component {record.name} while it is {record.status}")
