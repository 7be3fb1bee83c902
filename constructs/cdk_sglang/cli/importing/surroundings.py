"""What surrounds the components of a running endpoint: network, routing, metrics, rollout; and what no file can express."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cdk_sglang.cli.importing.component import EndpointFacts
from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.rollouts import imported_endpoint_rollout
from cdk_sglang.cli.importing.running import Running
from cdk_sglang.hardware import inference_ami_for

_METRIC_SECONDS: Final = 60
_UNREADABLE: Final = (
    "alarms, data, observability, budget, bench, agent, routes; of endpoints idle_alarm and verify; of components load, slo, smoke, "
    "speculative, fit_check, and rollout before a first update"
)


def imported_network(running: Running, specs: Sequence[Mapping[str, Any]], *, notes: Notes) -> dict[str, Any]:
    """Return the key `network` of the environment.

    Args:
        running: The endpoint.
        specs: Specifications of its components, or its variant.
        notes: What a reader must know.
    """
    found = [
        running.config.get("VpcConfig"),
        *(running.models.get(s.get("ModelName", ""), {}).get("VpcConfig") for s in specs),
    ]
    network = next(filter(None, found), None)
    if network is None:
        return {"vpc": "none"}
    subnets, groups = network["Subnets"], network["SecurityGroupIds"]
    published = running.parameters.get("subnet-ids")
    if published is not None and set(published.split(",")) == set(subnets):
        notes.unread("network", "cidr and availability_zones", "their defaults")
        return {"vpc": "create"}
    return {"vpc": "existing", "subnet_ids": list(subnets), "security_group_ids": list(groups)}


def imported_parts(running: Running, specs: Sequence[Mapping[str, Any]], *, where: str, notes: Notes) -> dict[str, Any]:
    """Return the keys of an endpoint other than capacity and components.

    Args:
        running: The endpoint.
        specs: Specifications of its components, or its variant.
        where: Path of the endpoint in the file.
        notes: What a reader must know.
    """
    content: dict[str, Any] = {}
    routing = running.variant.get("RoutingConfig") or {}
    strategy, prefix = routing.get("RoutingStrategy"), routing.get("PrefixAwareRoutingConfig") or {}
    if strategy == "PREFIX_AWARE":
        content["routing"] = {
            "prefix_aware": {
                "prefix_length": prefix.get("PrefixLength", 4096),
                "concurrency_threshold": prefix.get("ConcurrencyThreshold", 32),
            }
        }
    elif strategy != "LEAST_OUTSTANDING_REQUESTS":
        has = {None: "at random, AWS's default", "RANDOM": "at random"}.get(strategy, str(strategy))
        notes.changed(f"{where}.routing", has, "to the copy with the fewest outstanding requests")
    isolated = [
        running.models.get(spec.get("ModelName", ""), running.config).get("EnableNetworkIsolation") for spec in specs
    ]
    if not all(isolated):
        content["network_isolation"] = False
        notes.comment(f"{where}.network_isolation", "true is our default: weights of S3 come through SageMaker.")
    metrics = running.config.get("MetricsConfig") or {}
    if not (metrics.get("EnableEnhancedMetrics") and metrics.get("EnableDetailedObservability")):
        notes.changed("metrics", "without enhanced metrics and detailed observability", "with both")
    seconds = metrics.get("MetricPublishFrequencyInSeconds", _METRIC_SECONDS)
    if seconds != _METRIC_SECONDS:
        content["metric_frequency_seconds"] = seconds
    rollout = imported_endpoint_rollout(running.endpoint, running.alarms, where=where, notes=notes)
    return {**content, **({"rollout": rollout} if rollout else {})}


def tell_of_the_rest(running: Running, facts: EndpointFacts, *, notes: Notes) -> None:
    """Note what no key of the file can express.

    Args:
        running: The endpoint.
        facts: What components know of it.
        notes: Where it is noted.
    """
    variant, config = running.variant, running.config
    if not facts.is_ours:
        role = config.get("ExecutionRoleArn") or next(iter(running.models.values()), {}).get("ExecutionRoleArn", "?")
        notes.changed("execution role", role, "a role of its own, which reads its weights and image alone")
        notes.changed("watching", "what you have set up", "alarms, dashboards and a check after each deployment")
    notes.unread(
        "what no API says", _UNREADABLE, "our defaults; write back what you had" if facts.is_ours else "our defaults"
    )
    for what, has in _unsaid(variant, config, running.endpoint):
        notes.lost(what, has, "none")
    amis = (inference_ami_for(one, facts.image.cuda, facts.image.compute_capabilities) for one in facts.instances)
    ami = next((one.name for one in amis if one is not None), None)
    if variant.get("InferenceAmiVersion") != ami:
        usual = "SageMaker's default"
        notes.changed("inference AMI", variant.get("InferenceAmiVersion") or usual, ami or usual)


def _unsaid(
    variant: Mapping[str, Any], config: Mapping[str, Any], endpoint: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    capture = endpoint.get("DataCaptureConfig") or config.get("DataCaptureConfig") or {}
    if capture.get("EnableCapture"):
        yield "data capture", f"to {capture.get('DestinationS3Uri')}"
    if config.get("ShadowProductionVariants"):
        yield "shadow variants", ", ".join(one["VariantName"] for one in config["ShadowProductionVariants"])
    if config.get("KmsKeyId"):
        yield "key of the volumes", str(config["KmsKeyId"])
    if config.get("ExplainerConfig"):
        yield "explainer", "SageMaker Clarify"
    if config.get("CrossRegionTrafficConfig"):
        yield "cross-Region traffic", "on"
    for member, what in (
        ("VolumeSizeInGB", "size of the volumes in GB"),
        ("EnableSSMAccess", "SSM access"),
        ("CoreDumpConfig", "core dumps"),
        ("AcceleratorPartitionLayouts", "GPU partitions"),
    ):
        if variant.get(member):
            yield what, str(variant[member]) if not isinstance(variant[member], dict | list) else "configured"
