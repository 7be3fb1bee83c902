"""From settings to what the planner is asked, and from its answer to the problems of a settings file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import ModelFacts
from cdk_sglang.planning import ComponentRequest, EndpointRequest, FleetRequest
from cdk_sglang.planning.own import NOTHING_OWN, Own, read_own
from cdk_sglang.serving.component.file_cache import file_cache
from cdk_sglang.serving.component.fit import PRICE_REGION
from cdk_sglang.serving.component.planned import component_request, planned_host, planned_tp_sizes
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.model import Model
from stacks.environments import FOLDER, load
from stacks.settings import Component, Endpoint, Environment


def fleet_request(name: str, *, folder: Path = FOLDER) -> FleetRequest:
    """Return what is to be planned for an environment of this app; what `cdk-sglang plan --env` asks for.

    Args:
        name: The environment.
        folder: Where environments live, with the models and prices of the user's own.

    Raises:
        ConfigurationError: The settings are wrong; one line per problem.
    """
    return request_of(load(name, folder=folder), name=name, own=read_own(folder))


def request_of(settings: Environment, *, name: str, own: Own = NOTHING_OWN, region: str | None = None) -> FleetRequest:
    """Return what is to be planned: every component whose model the catalogue or the user's own files know.

    Args:
        settings: The environment.
        name: Its name.
        own: Models and prices of the user's own.
        region: Region of the prices where the file names none; us-east-1 where nobody does.

    Raises:
        ConfigurationError: A model id or an instance type is unknown, or latency or a budget is asked of what nobody can plan; with
            its path in the settings.
    """
    problems = _unplannable(settings, own)
    endpoints = []
    for endpoint, asked in settings.endpoints.items():
        path = f"endpoints.{endpoint}"
        instances = asked.capacity.instances
        components = tuple(
            request
            for component, wanted in asked.components.items()
            if (
                request := _component(
                    component,
                    wanted,
                    asked,
                    instances,
                    own,
                    engine_version=(asked.image or settings.image).facts.sglang_version,
                    path=f"{path}.components.{component}",
                    problems=problems,
                )
            )
        )
        if components:
            capacity = asked.capacity
            endpoints.append(
                EndpointRequest(
                    name=endpoint,
                    instances=instances,
                    components=components,
                    min_instances=_least_instances(capacity, components),
                    max_instances=capacity.max_instances,
                    reserved=capacity.reservation is not None,
                    reserved_count=None if capacity.reservation is None else capacity.reservation.count,
                    update=_update(asked),
                )
            )
    if problems:
        raise ConfigurationError(problems)
    return FleetRequest(
        environment=name,
        region=settings.region or region or PRICE_REGION,
        endpoints=tuple(endpoints),
        budget_usd_per_hour=settings.budget_usd_per_hour,
        prices=own.prices,
    )


def unplanned(settings: Environment, own: Own = NOTHING_OWN) -> list[str]:
    """Name the components whose memory nobody can check, since neither the catalogue nor the user's own files know their model."""
    return [f"{endpoint}.{component}" for endpoint, component, _ in _unknown(settings, own)]


def _unknown(settings: Environment, own: Own) -> list[tuple[str, str, Component]]:
    """Return endpoint, component and its settings where neither an id nor the repository names a model that is known.

    An id that is given and unknown is a mistake, which `_component` reports.
    """
    return [
        (endpoint, component, wanted)
        for endpoint, asked in settings.endpoints.items()
        for component, wanted in asked.components.items()
        if wanted.model.id is None and own.known_facts(wanted.model.catalogue_id) is None
    ]


def _unplannable(settings: Environment, own: Own) -> list[Problem]:
    """Return why latency or a budget that is asked cannot be held: nobody knows what a component takes."""
    problems = []
    unknown = _unknown(settings, own)
    for endpoint, component, wanted in unknown:
        if wanted.slo is not None:
            path = f"endpoints.{endpoint}.components.{component}"
            problems.append(Problem(f"{path}.slo", f"cannot be checked, since {_reason(wanted.model)}"))
    if settings.budget_usd_per_hour is not None and unknown:
        reasons = "; ".join(
            f"endpoints.{endpoint}.components.{component}: {_reason(wanted.model)}"
            for endpoint, component, wanted in unknown
        )
        problems.append(
            Problem("budget_usd_per_hour", f"cannot be checked, since a component is not planned: {reasons}")
        )
    return problems


def _reason(model: Model) -> str:
    known = "the id of a catalogue model of the same architecture as model.id (cdk-sglang models list)"
    if model.hugging_face is None:
        return f"model has no id; give {known}"
    return f"the catalogue does not know {model.hugging_face}; add it with: cdk-sglang models add {model.hugging_face}, or give {known}"


def _sizes(
    asked: Component, facts: ModelFacts, instances: tuple[GpuInstance, ...], engine_version: str
) -> dict[str, int]:
    return planned_tp_sizes(
        facts, asked.server, instances, tp_size_by_type=asked.tp_size_by_type, engine_version=engine_version
    )


def _update(asked: Endpoint) -> Literal["blue_green", "rolling"] | None:
    if asked.rollout is None:
        return None
    return "rolling" if asked.rollout.strategy == "rolling" else "blue_green"


def _least_instances(capacity: Capacity, components: tuple[ComponentRequest, ...]) -> int:
    if capacity.min_instances is not None:
        return capacity.min_instances
    return min(1, max(component.min_copies for component in components))


def _component(
    name: str,
    asked: Component,
    endpoint: Endpoint,
    instances: tuple[GpuInstance, ...],
    own: Own,
    *,
    engine_version: str,
    path: str,
    problems: list[Problem],
) -> ComponentRequest | None:
    facts = own.known_facts(asked.model.catalogue_id)
    if facts is None:
        if asked.model.id is not None:
            problems += _unknown_id(asked.model.id, own, path)
        return None
    sizes = _sizes(asked, facts, instances, engine_version)
    others = asked.server.pp_size * asked.server.dp_size
    if any(sizes[instance.name] * others > instance.gpu_count for instance in instances):
        return None  # the endpoint says so, with what to do
    low = high = asked.first_copies
    if asked.scaling is not None:
        low, high = asked.scaling.copy_bounds
    if endpoint.nightly_stop is not None:
        low = 0
    first = instances[0]
    host = planned_host(
        asked.server,
        facts,
        first,
        tp_size=sizes[first.name],
        resources=asked.resources,
        weights_bytes=asked.model.weights_bytes,
        added=asked.environment,
    )
    files = file_cache(asked.server, facts=facts, added=asked.environment)
    request = _request(name, asked, facts, sizes, bounds=(low, high), engine_version=engine_version)
    return dataclasses.replace(request, host=host, file_cache_gb=0.0 if files is None else files.copy_gb)


def _unknown_id(model_id: str, own: Own, path: str) -> list[Problem]:
    try:
        own.facts(model_id)
    except ConfigurationError as error:
        return [problem.under(f"{path}.model.id") for problem in error.problems]
    return []


def _request(
    name: str,
    asked: Component,
    facts: ModelFacts,
    sizes: dict[str, int],
    *,
    bounds: tuple[int, int],
    engine_version: str,
) -> ComponentRequest:
    host = asked.resources  # half of an instance's by default, which never decides before its GPUs do
    return component_request(
        name,
        facts,
        asked.server,
        bounds=bounds,
        slo=asked.slo,
        load=asked.load,
        host_memory_gib=0.0 if host is None else host.memory_mib / 1024,
        vcpus=0.0 if host is None else host.cpu_cores,
        tp_sizes=sizes,
        engine_version=engine_version,
        rolling=None if asked.rollout is None else asked.rollout.max_batch,
    )
