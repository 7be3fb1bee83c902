"""Endpoints, components and adapters in templates, by the names that their owner knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cdk_sglang.cli.assembly import Stack
from cdk_sglang.cli.diff.values import normal, parameter_values, references
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance

_ENDPOINT: Final = "AWS::SageMaker::Endpoint"
_COMPONENT: Final = "AWS::SageMaker::InferenceComponent"
_TARGET: Final = "AWS::ApplicationAutoScaling::ScalableTarget"
_ALARM: Final = "AWS::CloudWatch::Alarm"
_VERIFICATION: Final = "Custom::CdkSglangTruth"

Resources = Mapping[str, Mapping[str, Any]]
"""Resources of a stack by logical id, with properties made by `normal`."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """An endpoint, a component or an adapter.

    Attributes:
        stack: Name of its stack.
        logical_id: Logical id of its resource.
        name: Its name in SageMaker; its logical id if CloudFormation makes the name.
        word: Its name in the environment's file.
        properties: Properties of its resource.
        resources: Resources of its stack.
    """

    stack: str
    logical_id: str
    name: str
    word: str
    properties: Mapping[str, Any]
    resources: Resources

    @cached_property
    def guards(self) -> tuple[str, ...]:
        """Alarms that trigger a rollback of its update, in the words of their descriptions."""
        rollback = self.properties.get("DeploymentConfig", {}).get("AutoRollbackConfiguration", {})
        return tuple(self._alarm_text(one.get("AlarmName")) for one in rollback.get("Alarms", ()))

    def _alarm_text(self, name: object) -> str:
        for reference in references(name):
            alarm = self.resources.get(reference.name, {})
            if alarm.get("Type") == _ALARM:
                return alarm_text(reference.name, alarm)
        return str(name)


@dataclass(frozen=True, kw_only=True)
class AdapterPart(Part):
    """An adapter."""


@dataclass(frozen=True, kw_only=True)
class ComponentPart(Part):
    """A component with its adapters, by the word for each."""

    adapters: Mapping[str, AdapterPart]

    @cached_property
    def specifications(self) -> list[Mapping[str, Any]]:
        """Its specifications, one for each instance type of a pool."""
        return list(self.properties.get("Specifications") or [self.properties.get("Specification", {})])

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Logical ids of its models."""
        return tuple(
            dict.fromkeys(one.name for spec in self.specifications for one in references(spec.get("ModelName")))
        )

    @cached_property
    def gpus(self) -> int:
        """GPUs of one copy; the most of all instance types."""
        needs = (spec.get("ComputeResourceRequirements", {}) for spec in self.specifications)
        return max((int(need.get("NumberOfAcceleratorDevicesRequired", 0)) for need in needs), default=0)

    @cached_property
    def scaling(self) -> tuple[str, ...]:
        """Logical ids of what scales its copies."""
        mine = f"inference-component/{self.name}"
        return tuple(
            logical_id
            for logical_id, body in self.resources.items()
            if body["Type"].startswith("AWS::ApplicationAutoScaling::") and body["Properties"].get("ResourceId") == mine
        )

    @cached_property
    def copies(self) -> tuple[int, int]:
        """Minimum and maximum number of copies, scheduled bounds included."""
        targets = [self.resources[one]["Properties"] for one in self.scaling if self.resources[one]["Type"] == _TARGET]
        actions = [action["ScalableTargetAction"] for one in targets for action in one.get("ScheduledActions", ())]
        least = [int(one["MinCapacity"]) for one in (*targets, *actions) if "MinCapacity" in one]
        most = [int(one["MaxCapacity"]) for one in (*targets, *actions) if "MaxCapacity" in one]
        if least and most:
            return min(least), max(most)
        count = self.properties.get("RuntimeConfig", {}).get("CopyCount", 1)
        copies = int(count) if isinstance(count, int | float) else 1
        return copies, copies


@dataclass(frozen=True, kw_only=True)
class EndpointPart(Part):
    """An endpoint with its components, by the word for each."""

    components: Mapping[str, ComponentPart]
    region: str | None

    @cached_property
    def config(self) -> str | None:
        """Logical id of its configuration."""
        return next((one.name for one in references(self.properties.get("EndpointConfigName"))), None)

    @cached_property
    def _variant(self) -> Mapping[str, Any]:
        variants = self.resources.get(self.config or "", {}).get("Properties", {}).get("ProductionVariants") or [{}]
        variant: Mapping[str, Any] = variants[0]
        return variant

    @cached_property
    def types(self) -> tuple[str, ...]:
        """Instance types, in order of preference."""
        pools = sorted(self._variant.get("InstancePools", ()), key=lambda pool: int(pool.get("Priority", 1)))
        return tuple(pool["InstanceType"] for pool in pools) or tuple(filter(None, [self._variant.get("InstanceType")]))

    @cached_property
    def instances(self) -> tuple[int, int]:
        """Minimum and maximum number of instances."""
        initial = int(self._variant.get("InitialInstanceCount", 1))
        scaling = self._variant.get("ManagedInstanceScaling", {})
        return int(scaling.get("MinInstanceCount", initial)), int(scaling.get("MaxInstanceCount", initial))

    @cached_property
    def is_reserved(self) -> bool:
        """Whether its instances are those of a training plan, which are already paid."""
        return "CapacityReservationConfig" in self._variant

    @cached_property
    def gpus_per_instance(self) -> int | None:
        """GPUs of the instance type that has the fewest; None if a type is unknown."""
        try:
            return min((GpuInstance.named(name).gpu_count for name in self.types), default=None)
        except ConfigurationError:
            return None

    @cached_property
    def is_verified(self) -> bool:
        """Whether its deployments are checked against the specification."""
        return any(
            body["Type"] == _VERIFICATION and f'"endpoint":"{self.name}"' in str(body["Properties"].get("Asked"))
            for body in self.resources.values()
        )


def alarm_text(logical_id: str, alarm: Mapping[str, Any], *, whole: bool = False) -> str:
    """Return what an alarm watches: the first sentence of its description.

    Args:
        logical_id: Logical id of the alarm.
        alarm: Its resource.
        whole: With the subject, such as "Component prod-chat-llama".
    """
    text = alarm["Properties"].get("AlarmDescription")
    sentence = (text if isinstance(text, str) else logical_id).partition(". ")[0].rstrip(".")
    return sentence if whole else sentence.partition(": ")[2] or sentence


def find_endpoints(stacks: Iterable[Stack]) -> Mapping[tuple[str, str], EndpointPart]:
    """Return the endpoints of stacks, by stack and name in SageMaker.

    Args:
        stacks: The stacks.
    """
    return {(stack.name, endpoint.name): endpoint for stack in stacks for endpoint in _endpoints(stack)}


def _endpoints(stack: Stack) -> Iterator[EndpointPart]:
    parameters = parameter_values(stack.template)
    resources: Resources = {
        name: {**body, "Properties": normal(body.get("Properties", {}), parameters)}
        for name, body in stack.template.get("Resources", {}).items()
    }
    hosted = {name: body["Properties"] for name, body in resources.items() if body["Type"] == _COMPONENT}
    for logical_id, body in resources.items():
        if body["Type"] != _ENDPOINT:
            continue
        properties = body["Properties"]
        name = _text(properties.get("EndpointName"), logical_id)
        environment = _tag(properties, "cdk-sglang:environment")
        mine = {
            one: properties
            for one, properties in hosted.items()
            if properties.get("EndpointName") == name
            or any(reference.name == logical_id for reference in references(properties.get("EndpointName")))
        }
        components = list(_components(stack.name, name, mine, resources))
        yield EndpointPart(
            stack=stack.name,
            logical_id=logical_id,
            name=name,
            word=name.removeprefix(f"{environment}-") if environment else name,
            properties=properties,
            resources=resources,
            components={one.word: one for one in components},
            region=stack.region,
        )


def _components(stack: str, endpoint: str, mine: Resources, resources: Resources) -> Iterator[ComponentPart]:
    bases = {one: _base(properties, mine) for one, properties in mine.items()}
    for logical_id, properties in mine.items():
        if bases[logical_id] is not None:
            continue
        name = _text(properties.get("InferenceComponentName"), logical_id)
        adapters = [
            AdapterPart(
                stack=stack,
                logical_id=one,
                name=_text(other.get("InferenceComponentName"), one),
                word=_text(other.get("InferenceComponentName"), one).removeprefix(f"{name}-"),
                properties=other,
                resources=resources,
            )
            for one, other in mine.items()
            if bases[one] in {name, logical_id}
        ]
        yield ComponentPart(
            stack=stack,
            logical_id=logical_id,
            name=name,
            word=_tag(properties, "cdk-sglang:component") or name.removeprefix(f"{endpoint}-"),
            properties=properties,
            resources=resources,
            adapters={one.word: one for one in adapters},
        )


def _base(properties: Mapping[str, Any], mine: Resources) -> str | None:
    """Return name or logical id of the component that an adapter belongs to; None if it is not an adapter."""
    base = properties.get("Specification", {}).get("BaseInferenceComponentName")
    if base is None or isinstance(base, str):
        return base
    return next((one.name for one in references(base) if one.name in mine), str(base))


def _text(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise


def _tag(properties: Mapping[str, Any], key: str) -> str | None:
    return next((str(tag["Value"]) for tag in properties.get("Tags", ()) if tag.get("Key") == key), None)
