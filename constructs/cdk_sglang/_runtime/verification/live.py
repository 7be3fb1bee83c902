"""Compare the live endpoint, components, models and scaling targets with the specification, without requests to a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .findings import Finding, MissingError, UnseenError, call, waiting, wrong
from .specification import Component, Specification, Variant

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

ON_ITS_WAY = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_DIMENSION = "sagemaker:inference-component:DesiredCopyCount"
_TARGETS_AT_ONCE = (
    50  # ResourceIds of DescribeScalableTargets: botocore 1.44.5 gives no bound, the API reference says 50
)
_SHOWN = 3
DIGEST = "sha256:"
_AGAIN = "the old version serves; see the alarms and logs of the new one, fix it, and deploy again"


def endpoint_findings(sagemaker: SageMakerClient, specification: Specification) -> list[Finding]:
    """Return the differences of the endpoint itself."""
    name = specification.endpoint
    try:
        description = call(sagemaker.describe_endpoint, EndpointName=name)
    except MissingError:
        return [wrong(f"endpoint {name}: does not exist; it was deleted outside of CloudFormation")]
    except UnseenError as error:
        return [error.finding]
    status, config = description["EndpointStatus"], description.get("EndpointConfigName", "none")
    if status in ON_ITS_WAY:
        return [waiting(f"endpoint {name}: is {status}")]
    if status != "InService":
        return [
            wrong(
                f"endpoint {name}: is {status}{_because(description)}; look at its events, and deploy again when that is fixed"
            )
        ]
    if config != specification.config:
        return [
            wrong(
                f"endpoint {name}: asked for configuration {specification.config}, serves with {config}: "
                f"SageMaker rolled the update back{_because(description, otherwise=' without a reason')}; {_AGAIN}"
            )
        ]
    return []


def component_findings(
    sagemaker: SageMakerClient, specification: Specification, component: Component
) -> tuple[list[Finding], int]:
    """Return the differences of a component, and its desired number of copies."""
    try:
        description = call(sagemaker.describe_inference_component, InferenceComponentName=component.name)
        findings, copies = _component(description, specification, component)
        if not any(finding.kind == "wrong" for finding in findings):
            for variant in component.variants:
                findings += _model(
                    call(sagemaker.describe_model, ModelName=variant.model), description, component, variant
                )
    except MissingError as error:
        return [wrong(f"component {component.name}: {error}; it was deleted outside of CloudFormation")], 0
    except UnseenError as error:
        return [error.finding], 0
    return findings, copies


def _component(
    description: Mapping[str, Any], specification: Specification, component: Component
) -> tuple[list[Finding], int]:
    name, status = f"component {component.name}", description.get("InferenceComponentStatus")
    if status in ON_ITS_WAY:
        return [waiting(f"{name}: is {status}")], 0
    if status != "InService":
        return [wrong(f"{name}: is {status}{_because(description)}; see its logs, fix it, and deploy again")], 0
    findings = []
    if description["EndpointName"] != specification.endpoint:
        findings.append(
            wrong(f"{name}: asked for on endpoint {specification.endpoint}, is on {description['EndpointName']}")
        )
    specifications = description.get("Specifications") or [description.get("Specification", {})]
    for variant in component.variants:
        models = sorted(
            {
                specification.get("ModelName", "none")
                for specification in specifications
                if not component.others or specification.get("InstanceType") in variant.instance_types
            }
        )
        if models != [variant.model]:
            where = f" on {', '.join(variant.instance_types)}" if component.others else ""
            findings.append(
                wrong(
                    f"{name}: asked for model {variant.model}{where}, serves {', '.join(models) or 'none'}: "
                    f"SageMaker rolled the update back{_because(description, otherwise=' without a reason')}; {_AGAIN}"
                )
            )
    types = {specification.get("InstanceType", "") for specification in specifications}
    if component.instance_types and types != set(component.instance_types):
        findings.append(
            wrong(
                f"{name}: asked for {', '.join(component.instance_types)}, has specifications for {', '.join(sorted(types))}"
            )
        )
    runtime = description.get("RuntimeConfig", {})
    desired, current = runtime.get("DesiredCopyCount", 0), runtime.get("CurrentCopyCount", 0)
    findings += _copies(name, component, desired=desired, current=current)
    return findings, desired


def _copies(name: str, component: Component, *, desired: int, current: int) -> list[Finding]:
    bounds = f"{component.fewest}" if component.fewest == component.most else f"{component.fewest} to {component.most}"
    if not component.fewest <= desired <= component.most:
        text = f"{name}: asked for {bounds} copies, {desired} are wanted now"
        if component.scaling:  # a target corrects a count that is out of its bounds within a minute or two
            return [waiting(f"{text}; scaling has not moved them yet")]
        return [wrong(f"{text}; somebody changed the count outside of CloudFormation: set it back, or state it")]
    if current < desired:
        return [waiting(f"{name}: {current} of {desired} copies are there")]
    return []


def _model(
    model: Mapping[str, Any], description: Mapping[str, Any], component: Component, variant: Variant
) -> list[Finding]:
    name, findings = f"component {component.name}", []
    container = model.get("PrimaryContainer") or (model.get("Containers") or [{}])[0]
    image, environment = container.get("Image", "none"), container.get("Environment") or {}
    if image != component.image:
        findings.append(wrong(f"{name}: asked for image {component.image}, model {variant.model} has {image}"))
    resolved = (description.get("Specification", {}).get("Container", {}).get("DeployedImage") or {}).get(
        "ResolvedImage", ""
    )
    digest = component.image.partition("@")[2]
    if digest and "@" in resolved and resolved.partition("@")[2] != digest:
        findings.append(wrong(f"{name}: asked for image {digest}, runs {resolved.partition('@')[2]}"))
    names = sorted(
        variable
        for variable in {*environment, *variant.environment}
        if not _same(environment.get(variable), variant.environment.get(variable))
    )
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        findings.append(
            wrong(
                f"{name}: model {variant.model} has another environment than asked: {', '.join(names[:_SHOWN])}{more} differ"
            )
        )
    return findings


def _same(live: str | None, expected: str | None) -> bool:
    if live is not None and expected is not None and expected.startswith(DIGEST):  # long values are passed as digests
        return hashlib.sha256(live.encode()).hexdigest() == expected.removeprefix(DIGEST)
    return live == expected


def scaling_findings(
    scaling: Any,
    components: Sequence[Component],
    *,
    copies: Callable[[str], int],
) -> list[Finding]:
    """Return the scaling targets that are missing, have other bounds than specified, or allow no copy.

    Args:
        scaling: Client of Application Auto Scaling.
        components: Components of the endpoint.
        copies: Returns the desired number of copies of a component by its name.
    """
    scaled = [component for component in components if component.scaling]
    targets: dict[str, dict[str, Any]] = {}
    for first in range(0, len(scaled), _TARGETS_AT_ONCE):
        ids = [f"inference-component/{component.name}" for component in scaled[first : first + _TARGETS_AT_ONCE]]
        request: dict[str, Any] = {"ServiceNamespace": "sagemaker", "ScalableDimension": _DIMENSION, "ResourceIds": ids}
        while True:
            try:
                page = call(scaling.describe_scalable_targets, **request)
            except (MissingError, UnseenError) as error:
                return [error.finding if isinstance(error, UnseenError) else UnseenError(str(error)).finding]
            targets |= {target["ResourceId"].partition("/")[2]: target for target in page["ScalableTargets"]}
            if not page.get("NextToken"):
                break
            request["NextToken"] = page["NextToken"]
    return [
        finding
        for component in scaled
        for finding in _target(component, targets.get(component.name), copies=copies(component.name))
    ]


def _target(component: Component, target: dict[str, Any] | None, *, copies: int) -> list[Finding]:
    name = f"component {component.name}"
    bounds = " or ".join(f"{low} to {high}" for low, high in component.scaling)
    if target is None:
        return [
            wrong(f"{name}: asked for scaling from {bounds} copies, has no scaling target; deploy again to register it")
        ]
    low, high = target["MinCapacity"], target["MaxCapacity"]
    if (low, high) not in component.scaling:
        return [
            wrong(
                f"{name}: asked for scaling from {bounds} copies, its target has {low} to {high}; "
                "somebody changed it outside of CloudFormation: set it back, or state it"
            )
        ]
    if high == 0 and copies == 0:
        return [
            wrong(
                f"{name}: its schedule has stopped it (0 copies at most), so nothing can be asked of it; "
                "deploy when the schedule lets it run"
            )
        ]
    return []


def _because(description: Mapping[str, Any], *, otherwise: str = "") -> str:
    reason = " ".join(str(description.get("FailureReason", "")).split())[:300]
    return f" ({reason})" if reason else otherwise
