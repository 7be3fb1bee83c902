"""A running component, or the model of a variant without components, as an environment file states it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.cli.importing.image import Container
from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.refusals import container_of
from cdk_sglang.cli.importing.rollouts import imported_component_rollout
from cdk_sglang.cli.importing.running import Running, RunningComponent
from cdk_sglang.cli.importing.scaling import imported_scaling
from cdk_sglang.cli.importing.server import ImportedServer, imported_server
from cdk_sglang.cli.importing.weights import ImportedModel, imported_model
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.spec.image_facts import ImageFacts
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.spec.startup import TIMEOUT_MAX_SECONDS

TEAM_TAG: Final = "cdk-sglang:team"
"""As in cdk_sglang.serving.shared.names, whose import would load CDK."""
_STRATEGIES: Final = {"SPREAD": "spread", "BINPACK": "binpack"}
_TIMEOUTS: Final = {
    "download_seconds": "ModelDataDownloadTimeoutInSeconds",
    "health_check_seconds": "ContainerStartupHealthCheckTimeoutInSeconds",
}


@dataclass(frozen=True, kw_only=True)
class EndpointFacts:
    """What components must know of their endpoint.

    Attributes:
        running: The endpoint.
        instances: Its instance types, in order of preference.
        image: What its image was built for.
        own: The user's own models.
        today: Day from which schedules count.
        notes: What a reader must know.
    """

    running: Running
    instances: Sequence[GpuInstance]
    image: ImageFacts
    own: Sequence[ModelFacts]
    today: dt.date
    notes: Notes

    @property
    def is_ours(self) -> bool:
        """Whether this library created it."""
        return self.running.environment is not None


def definition_of(spec: Mapping[str, Any], running: Running) -> Mapping[str, Any]:
    """Return the container that a specification or variant names: image, environment, data of the model.

    Args:
        spec: Specification of a component, or a production variant.
        running: The endpoint.
    """
    if spec.get("ModelName"):
        return container_of(running.models[spec["ModelName"]])
    container = spec.get("Container") or {}
    image = (container.get("DeployedImage") or {}).get("SpecifiedImage", "")
    return {**container, "Image": image, "ModelDataUrl": container.get("ArtifactUrl")}


def container_in(spec: Mapping[str, Any], running: Running) -> Container:
    """Return image and variables of a specification or variant.

    Args:
        spec: Specification of a component, or a production variant.
        running: The endpoint.
    """
    defined = definition_of(spec, running)
    deployed = (spec.get("Container") or {}).get("DeployedImage")
    if deployed is None:
        variants = running.endpoint.get("ProductionVariants") or [{}]
        images = variants[0].get("DeployedImages") or []
        deployed = next((one for one in images if one.get("SpecifiedImage") == defined.get("Image")), dict[str, Any]())
    image = defined.get("Image") or ""
    return Container(
        image=image, resolved=deployed.get("ResolvedImage") or image, environment=defined.get("Environment") or {}
    )


def imported_component(one: RunningComponent, facts: EndpointFacts, *, where: str) -> dict[str, Any]:
    """Return a component as a file states it, without its adapters.

    Args:
        one: The component.
        facts: Its endpoint.
        where: Path of the component in the file.
    """
    notes, by_type = facts.notes, _by_type(one, facts)
    spec = next(iter(by_type.values()))
    model, server = _model_and_server(spec, facts, where=where)
    content: dict[str, Any] = {"model": model.content}
    settings = dict(server.server)
    sizes = _sizes(by_type, facts, server, where=where)
    if len(facts.instances) > 1:
        settings = {"tp_size": server.options.tp_size, **settings}
    if settings:
        content["server"] = settings
    scaling = imported_scaling(
        one.scaling, facts.running.alarms, where=where, component_name=one.name, today=facts.today, notes=notes
    )
    copies = (one.described.get("RuntimeConfig") or {}).get("DesiredCopyCount", 1)
    if not scaling and copies > 1:
        content["copies"] = copies
    if not scaling and copies == 0:
        notes.lost(f"{where}.copies", "0, and nothing scales it", "1 copy; give it scaling with min_copies: 0")
    content |= {"scaling": scaling} if scaling else {}
    content |= _parts(one, spec, by_type, facts, model=model, where=where)
    may_be_zero = scaling.get("min_copies") == 0
    rollout = imported_component_rollout(
        one.described, facts.running.alarms, where=where, may_be_zero=may_be_zero, notes=notes
    )
    content |= {"rollout": rollout} if rollout else {}
    if TEAM_TAG in one.tags:
        content["team"] = one.tags[TEAM_TAG]
    content |= {"tp_size_by_type": sizes} if sizes else {}
    content |= {"environment": dict(server.environment)} if server.environment else {}
    return content


def imported_variant_model(facts: EndpointFacts, *, where: str) -> dict[str, Any]:
    """Return the model of a variant without components as a component.

    Args:
        facts: The endpoint.
        where: Path of the component in the file.
    """
    running, notes = facts.running, facts.notes
    variant = running.variant
    model, server = _model_and_server(variant, facts, where=where)
    content: dict[str, Any] = {"model": model.content}
    if server.server:
        content["server"] = dict(server.server)
    gpus, there = server.options.gpus_per_copy, facts.instances[0].gpu_count
    if gpus < there:
        notes.changed(f"{where}.server.tp_size", f"{there} GPUs for its container, which uses {gpus}", f"{gpus} a copy")
    scaling = imported_scaling(
        running.scaling, running.alarms, where=where, component_name="", today=facts.today, notes=notes
    )
    now: Mapping[str, Any] = next(iter(running.endpoint.get("ProductionVariants") or []), {})
    instances = now.get("DesiredInstanceCount") or variant.get("InitialInstanceCount") or 1
    if scaling:
        content["scaling"] = scaling
        notes.comment(f"{where}.scaling", "Of instances now; here copies are scaled, and instances follow them.")
    elif instances > 1:
        content["copies"] = instances
    startup = _startup(variant, facts, model=model, where=where)
    content |= {"startup": startup} if startup else {}
    content |= {"environment": dict(server.environment)} if server.environment else {}
    return content


def _model_and_server(
    spec: Mapping[str, Any], facts: EndpointFacts, *, where: str
) -> tuple[ImportedModel, ImportedServer]:
    running = facts.running
    defined = definition_of(spec, running)
    model = imported_model(defined, where=where, parameters=running.parameters, own=facts.own, notes=facts.notes)
    variables = defined.get("Environment") or {}
    server = imported_server(variables, where=where, image=facts.image, is_ours=facts.is_ours, notes=facts.notes)
    return model, server


def _by_type(one: RunningComponent, facts: EndpointFacts) -> dict[str, Mapping[str, Any]]:
    """Return a specification for each instance type, in order of preference."""
    specs = one.specifications
    named = {spec["InstanceType"]: spec for spec in specs if spec.get("InstanceType")}
    return {instance.name: named.get(instance.name, specs[0]) for instance in facts.instances}


def _gpus(spec: Mapping[str, Any]) -> int:
    return int((spec.get("ComputeResourceRequirements") or {}).get("NumberOfAcceleratorDevicesRequired") or 0)


def _sizes(
    by_type: Mapping[str, Mapping[str, Any]], facts: EndpointFacts, server: ImportedServer, *, where: str
) -> dict[str, int]:
    """Return GPUs of a forward pass on the types where they differ, and note what else differs by type."""
    sizes: dict[str, int] = {}
    for name, spec in by_type.items():
        variables = definition_of(spec, facts.running).get("Environment") or {}
        there = imported_server(variables, where=where, image=facts.image, is_ours=facts.is_ours, notes=Notes())
        if there.options.tp_size != server.options.tp_size:
            sizes[name] = there.options.tp_size
        if there.options.with_tp_size(server.options.tp_size) != server.options.with_tp_size(server.options.tp_size):
            facts.notes.lost(f"{where}.server", f"other options on {name}", "the same on all types, but for tp_size")
        if _gpus(spec) != there.options.gpus_per_copy:
            facts.notes.changed(
                f"{where}.server.tp_size",
                f"{_gpus(spec)} GPUs a copy on {name}, of which SGLang uses {there.options.gpus_per_copy}",
                f"{there.options.gpus_per_copy} GPUs a copy",
            )
    return sizes


def _parts(
    one: RunningComponent,
    spec: Mapping[str, Any],
    by_type: Mapping[str, Mapping[str, Any]],
    facts: EndpointFacts,
    *,
    model: ImportedModel,
    where: str,
) -> dict[str, Any]:
    """Return what differs from what we would compute: host resources, start-up time-outs, placement."""
    content: dict[str, Any] = {}
    resources = _resources(by_type, facts, where=where)
    if resources:
        content["resources"] = resources
    startup = _startup(spec.get("StartupParameters") or {}, facts, model=model, where=where)
    if startup:
        content["startup"] = startup
    scheduling, cache = spec.get("SchedulingConfig"), spec.get("DataCacheConfig")
    if scheduling or cache:
        balance = (scheduling or {}).get("AvailabilityZoneBalance") or {}
        content["placement"] = {
            "strategy": _STRATEGIES[(scheduling or {}).get("PlacementStrategy", "SPREAD")],
            **({"max_zone_imbalance": balance["MaxImbalance"]} if balance.get("MaxImbalance") else {}),
            **({"cache": False} if cache and not cache["EnableCaching"] else {}),
        }
    status = one.described["InferenceComponentStatus"]
    if status != "InService":
        reason = one.described.get("FailureReason", "")
        facts.notes.warnings.append(
            f"{one.name} is {status}{f' ({reason})' if reason else ''}; the file has it as it is"
        )
    return content


def _resources(by_type: Mapping[str, Mapping[str, Any]], facts: EndpointFacts, *, where: str) -> dict[str, Any]:
    requirements: list[HostResources] = []
    usual: list[HostResources] = []
    path = f"{where}.resources"
    for name, spec in by_type.items():
        needs = spec.get("ComputeResourceRequirements") or {}
        share = HostResources.share_of(GpuInstance.named(name), gpus=max(1, _gpus(spec)))
        requirements.append(
            HostResources(
                cpu_cores=float(needs.get("NumberOfCpuCoresRequired") or share.cpu_cores),
                memory_mib=int(needs.get("MinMemoryRequiredInMb") or share.memory_mib),
            )
        )
        usual.append(share)
        if needs.get("MaxMemoryRequiredInMb"):
            facts.notes.lost(path, f"at most {needs['MaxMemoryRequiredInMb']} MiB a copy", "no upper bound")
        if needs.get("AcceleratorPartitionType"):
            facts.notes.lost(path, f"GPU partitions, {needs['AcceleratorPartitionType']}", "whole GPUs")
        if not needs.get("NumberOfCpuCoresRequired") and not facts.is_ours:
            facts.notes.changed(path, "no cores reserved", f"{share.cpu_cores:g} cores a copy, half of its GPUs' share")
    if requirements == usual:
        return {}
    if len(set(map(repr, requirements))) > 1:
        facts.notes.lost(path, "other host resources by type", f"those of {next(iter(by_type))} on all")
    cores = requirements[0].cpu_cores
    return {"cpu_cores": int(cores) if float(cores).is_integer() else cores, "memory_mib": requirements[0].memory_mib}


def _startup(
    parameters: Mapping[str, Any], facts: EndpointFacts, *, model: ImportedModel, where: str
) -> dict[str, int]:
    """Return time-outs that differ from those that we would compute from the weights."""
    from cdk_sglang.serving.component.startup import timeouts_for_weights

    usual = timeouts_for_weights(model.weights_bytes, facts.instances).model_dump()
    timeouts = {key: parameters[member] for key, member in _TIMEOUTS.items() if parameters.get(member)}
    if not timeouts:
        derived = (
            f"{usual['download_seconds']} s for files, {usual['health_check_seconds']} s for the first health check"
        )
        facts.notes.changed(f"{where}.startup", "SageMaker's own time-outs", derived)
        return {}
    if {**usual, **timeouts} == usual or max(timeouts.values()) > TIMEOUT_MAX_SECONDS:
        return {}
    return {**usual, **timeouts}
