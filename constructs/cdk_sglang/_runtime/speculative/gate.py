"""The gate's canaries: created on spare GPUs of the endpoint or on a second endpoint, watched until they serve, and deleted by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from . import canaries
from .base_model import live_model, serves_base
from .canaries import SIDES, Speculation, endpoint_of, name_of
from .clients import Aws
from .config import Config
from .draft import of_run
from .ends import BASE_CHANGED, GATE_FAILED, EndError, Throttled, answered, code_of, is_absent, is_throttle, message_of
from .event import Event
from .gate_logs import make_log_groups
from .jobs import stop_jobs

WAIT_SECONDS = 30
OPEN_MAX = 5400.0
"""Seconds within which canaries have to serve: time for an instance, then at most an hour of download and start, as for the live component."""
_EXISTS = ("already existing", "already exists", "resourceinuse")
_MESSAGE_MAX = 500


def open_gate(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Create the canaries.

    Raises:
        EndError: There is no capacity for them, or SageMaker rejects them.
    """
    del seconds_left
    live = live_model(aws, config)
    if live is None or not serves_base(config, live[1]):
        raise EndError(
            BASE_CHANGED,
            f"component {config.component} does not serve {config.base.uri} any more",
            "start again, for the model as it is now: cdk-sglang eagle start",
        )
    component, model = live
    speculation = Speculation.of(of_run(config, event))
    need = canaries.gpus_of(component, config.gate.instance)
    free = free_gpus(aws, config, run=event.run)
    gate: dict[str, Any] = {"state": "opening", "opened": now.isoformat(), "wait_seconds": WAIT_SECONDS, "gpus": need}
    for side in SIDES:
        request = canaries.model_request(config, event.run, side, live=model, speculation=speculation)
        _create(aws.sagemaker.create_model, request)
    has_room = free // need >= len(SIDES)
    make_log_groups(aws, event.run, retention_days=config.gate.log_retention_days, second_endpoint=not has_room)
    if has_room:
        gate |= {"endpoint": config.endpoint, "variant": component["VariantName"], "second": False, "instances": 0}
        _components(aws, config, event, gate, component)
        return gate
    if not config.gate.second_endpoint:
        raise EndError(
            GATE_FAILED,
            f"endpoint {config.endpoint} has {free} spare GPUs of {config.gate.instance}, and two canaries take {2 * need}",
            "set speculative.<kind>.second_endpoint: true, or start again when the endpoint has an instance to spare",
        )
    instances = -(-len(SIDES) // max(1, config.gate.gpus // need))
    described = answered(aws.sagemaker.describe_endpoint, EndpointName=config.endpoint) or {}
    live_config = answered(
        aws.sagemaker.describe_endpoint_config, EndpointConfigName=described.get("EndpointConfigName", "")
    )
    _create(
        aws.sagemaker.create_endpoint_config,
        canaries.config_request(config, event.run, live=live_config or {}, instances=instances),
    )
    name = endpoint_of(event.run)
    tags = canaries.tags(event.run, config)
    _create(aws.sagemaker.create_endpoint, {"EndpointName": name, "EndpointConfigName": name, "Tags": tags})
    return {**gate, "endpoint": name, "variant": "gate", "second": True, "instances": instances}


def free_gpus(aws: Aws, config: Config, *, run: str) -> int:
    """Return the GPUs of the endpoint's instances that no copy holds; those of this run's canaries count as free.

    Args:
        aws: Clients.
        config: Configuration.
        run: Name of the run.
    """
    endpoint = answered(aws.sagemaker.describe_endpoint, EndpointName=config.endpoint)
    if endpoint is None or endpoint.get("EndpointStatus") != "InService":
        return 0
    instances = sum(
        variant.get("CurrentInstanceCount", 0)
        for variant in endpoint.get("ProductionVariants", ())
        if variant.get("InstanceType", config.gate.instance) == config.gate.instance
    )
    used = 0
    own = {name_of(run, side) for side in SIDES}
    pages = aws.sagemaker.get_paginator("list_inference_components").paginate(EndpointNameEquals=config.endpoint)
    for page in pages:
        for item in page["InferenceComponents"]:
            name = item["InferenceComponentName"]
            if name in own:
                continue
            one = answered(aws.sagemaker.describe_inference_component, InferenceComponentName=name)
            if one is None or (one.get("Specification") or {}).get("BaseInferenceComponentName"):
                continue  # an adapter uses its base's GPUs
            runtime = one.get("RuntimeConfig") or {}
            copies = max(runtime.get("CurrentCopyCount", 0), runtime.get("DesiredCopyCount", 0))
            used += copies * canaries.gpus_of(one, config.gate.instance)
    return int(max(0, instances * config.gate.gpus - used))


def watch(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Check whether the canaries serve.

    Raises:
        EndError: One of them has failed, or the time is up.
    """
    del seconds_left
    gate = event.result("gate")
    waited = (now - dt.datetime.fromisoformat(gate["opened"])).total_seconds()
    late = waited > OPEN_MAX
    if gate["second"]:
        status, reason = _endpoint(aws, gate["endpoint"])
        if status == "Failed" or (late and status != "InService"):
            raise _failed(f"second endpoint {gate['endpoint']} is {status}{_because(reason)}", waited)
        if status != "InService":
            return {**gate, "state": "opening", "wait_seconds": WAIT_SECONDS}
    live = live_model(aws, config)
    if live is None:
        raise EndError(BASE_CHANGED, f"component {config.component} does not exist any more", "deploy, and start again")
    _components(aws, config, event, gate, live[0])
    states = []
    for side in SIDES:
        name = name_of(event.run, side)
        found = answered(aws.sagemaker.describe_inference_component, InferenceComponentName=name) or {}
        status = str(found.get("InferenceComponentStatus", "Creating"))
        if status == "Failed" or (late and status != "InService"):
            raise _failed(f"canary {name} is {status}{_because(found.get('FailureReason', ''))}", waited)
        states.append(status)
    is_open = all(status == "InService" for status in states)
    return {**gate, "state": "open" if is_open else "opening", "wait_seconds": WAIT_SECONDS}


def close(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Delete whatever a run's gate has created, found by its names; what no longer exists counts as deleted.

    Raises:
        Throttled: Something cannot be deleted yet.
    """
    del config, now, seconds_left
    removed, left = remove(aws, event.run)
    if left:
        raise Throttled("; ".join(left))
    return {"removed": removed}


def remove(aws: Aws, run: str) -> tuple[list[str], list[str]]:
    """Stop a run's benchmark jobs, and delete its canaries, second endpoint, configurations and models.

    Returns:
        Names of what is deleted or being deleted, and what cannot be deleted yet with SageMaker's reason: a component while it is created, an
        endpoint before its components.

    Args:
        aws: Clients.
        run: Name of the run.
    """
    removed, left = stop_jobs(aws.sagemaker, run)
    sagemaker, endpoint = aws.sagemaker, endpoint_of(run)
    for side in SIDES:
        name = name_of(run, side)
        _delete(
            sagemaker.describe_inference_component,
            sagemaker.delete_inference_component,
            removed,
            left,
            InferenceComponentName=name,
        )
    _delete(sagemaker.describe_endpoint, sagemaker.delete_endpoint, removed, left, EndpointName=endpoint)
    _delete(
        sagemaker.describe_endpoint_config,
        sagemaker.delete_endpoint_config,
        removed,
        left,
        EndpointConfigName=endpoint,
    )
    for side in SIDES:
        _delete(sagemaker.describe_model, sagemaker.delete_model, removed, left, ModelName=name_of(run, side))
    return removed, left


def _delete(
    describe: Callable[..., Any], delete: Callable[..., Any], removed: list[str], left: list[str], **name: str
) -> None:
    (value,) = name.values()
    found = answered(describe, **name)
    if found is None:
        return
    if "Deleting" in {found.get("InferenceComponentStatus"), found.get("EndpointStatus")}:
        removed.append(value)
        return
    try:
        if answered(delete, **name) is not None:
            removed.append(value)
    except ClientError as error:
        left.append(f"{value}: {code_of(error)}: {message_of(error)[:_MESSAGE_MAX]}")


def _components(aws: Aws, config: Config, event: Event, gate: Mapping[str, Any], live: Mapping[str, Any]) -> None:
    for side in SIDES:
        name = name_of(event.run, side)
        if answered(aws.sagemaker.describe_inference_component, InferenceComponentName=name) is None:
            request = canaries.component_request(
                config, event.run, side, live=live, endpoint=gate["endpoint"], variant=gate["variant"]
            )
            _create(aws.sagemaker.create_inference_component, request)


def _create(create: Callable[..., Any], request: Mapping[str, Any]) -> None:
    """Create a resource unless it exists: names are unique to the run, so an existing one is from an earlier call."""
    try:
        create(**request)
    except ClientError as error:
        text = f"{code_of(error)} {message_of(error)}".lower()
        if any(part in text for part in _EXISTS):
            return
        if is_throttle(error) or is_absent(error):  # a new endpoint configuration may stay invisible for some seconds
            raise Throttled(f"{code_of(error)}: {message_of(error)}") from error
        raise EndError(
            GATE_FAILED,
            f"SageMaker refuses the gate: {code_of(error)}: {message_of(error)[:_MESSAGE_MAX]}",
            "raise the quota that it names, or fix the request's cause, and start again: cdk-sglang eagle start",
        ) from error


def _endpoint(aws: Aws, name: str) -> tuple[str, str]:
    found = answered(aws.sagemaker.describe_endpoint, EndpointName=name)
    if found is None:
        return "deleted", "somebody deleted it"
    return str(found["EndpointStatus"]), str(found.get("FailureReason", ""))


def _because(reason: object) -> str:
    text = " ".join(str(reason or "").split())[:_MESSAGE_MAX]
    return f" ({text})" if text else ""


def _failed(text: str, waited: float) -> EndError:
    return EndError(
        GATE_FAILED,
        f"{text} after {waited / 60:.0f} min",
        "see the canary's log in CloudWatch (/aws/sagemaker/InferenceComponents/gate-…), fix the cause, and start again",
    )
