"""Resolution and planning of an environment: every endpoint is resolved once, and all of them are planned together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cdk_sglang.environments.fleet_names import fleet_name_problems
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.environments.naming import endpoint_name, stack_name
from cdk_sglang.environments.own import own_facts
from cdk_sglang.environments.reading import load
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware.regions import region_problems
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from cdk_sglang.observability.observed_fleet import ObservedFleet
from cdk_sglang.planning import FleetPlan, FleetRequest, Hosting, ResolvedEndpoint, plan_fleet, resolve
from cdk_sglang.planning.amis import pool_ami_problems
from cdk_sglang.planning.guides import docs_site
from cdk_sglang.planning.own import NOTHING_OWN, Own
from cdk_sglang.planning.price import REGION
from cdk_sglang.spec.endpoint import Endpoint
from cdk_sglang.spec.model import Model

_MIB_PER_GIB: Final = 1024


@dataclass(frozen=True, kw_only=True)
class ResolvedFleet:
    """An environment with every value resolved.

    Attributes:
        endpoints: Endpoints by name.
        request: Request to the planner.
        plan: Plan that the planner returned.
        problems: All problems found.
    """

    endpoints: Mapping[str, ResolvedEndpoint]
    request: FleetRequest
    plan: FleetPlan
    problems: tuple[Problem, ...]

    @property
    def unplanned(self) -> list[str]:
        """Components whose memory cannot be checked because their model is in neither the catalogue nor the user's own files."""
        return [f"{name}.{component}" for name, endpoint in self.endpoints.items() for component in endpoint.unplanned]


def fleet_request(name: str, *, folder: Path = ENVIRONMENTS) -> FleetRequest:
    """Return the planner request of an environment, for `cdk-sglang plan --env`.

    Args:
        name: The environment.
        folder: Folder of environments, with the user's own models and prices.

    Raises:
        ConfigurationError: The settings are wrong; one line per problem.
    """
    settings = load(name, folder=folder)
    own = own_facts(settings, name=name, folder=folder)
    endpoints, source = _resolved(settings, own, settings.region or REGION), str(folder / f"{name}.yaml")
    request = _request(name, settings, own, endpoints)
    problems = [
        *fleet_name_problems(name, settings.endpoints),
        *_endpoint_problems(settings, settings.region or REGION),
        *(
            problem
            for endpoint in endpoints.values()
            # The plan itself reports what the instances lack, but only for endpoints whose model it knows.
            for problem in [*endpoint.problems, *([] if endpoint.is_planned else _room_problems(endpoint))]
        ),
    ]
    if problems:  # including those of the plan, so that all are reported at once
        problems += plan_fleet(request).problems
        raise ConfigurationError(problem.in_file(source) for problem in dict.fromkeys(problems))
    return replace(request, source=source)


def observed_fleet(name: str, *, folder: Path = ENVIRONMENTS) -> ObservedFleet:
    """Return what is monitored in an environment, for `cdk-sglang status --env`.

    Args:
        name: The environment.
        folder: Folder of environments, with the user's own models and prices.

    Raises:
        ConfigurationError: The settings are wrong; one line per problem.
    """
    settings = load(name, folder=folder)
    own = own_facts(settings, name=name, folder=folder)
    resolved = resolve_fleet(settings, name=name, own=own)
    parts = ["foundation", "observability", *(part for one in resolved.endpoints for part in (one, f"{one}-alarms"))]
    return ObservedFleet(
        environment=name,
        region=settings.region,
        endpoints=observed_endpoints(name, resolved),
        stack_names=tuple(stack_name(name, part) for part in parts),
        enrichment=settings.observability.enrichment != "none",
        prices=own.prices,
    )


def observed_endpoints(environment: str, fleet: ResolvedFleet) -> tuple[ObservedEndpoint, ...]:
    """Return the monitored endpoints of an environment.

    Args:
        environment: Name of the environment.
        fleet: The resolved environment and its plan.
    """
    plans = {plan.name: plan for plan in fleet.plan.endpoints}
    return tuple(
        observed_endpoint(resolved, endpoint_name=endpoint_name(environment, name), plan=plans.get(name))
        for name, resolved in fleet.endpoints.items()
    )


def resolve_fleet(
    settings: Environment, *, name: str, own: Own = NOTHING_OWN, region: str | None = None
) -> ResolvedFleet:
    """Resolve and plan every endpoint of an environment.

    Args:
        settings: The environment.
        name: Its name.
        own: The user's own models and prices.
        region: Region to use if the file names none; us-east-1 if it is unspecified too.
    """
    endpoints = _resolved(settings, own, settings.region or region or REGION)
    request = _request(name, settings, own, endpoints)
    plan = plan_fleet(request)
    problems = fleet_name_problems(name, settings.endpoints)
    problems += _endpoint_problems(settings, settings.region or region or REGION)
    problems += [
        problem for endpoint in endpoints.values() for problem in [*endpoint.problems, *_room_problems(endpoint)]
    ]
    return ResolvedFleet(
        endpoints=endpoints, request=request, plan=plan, problems=tuple(dict.fromkeys([*problems, *plan.problems]))
    )


def _endpoint_problems(settings: Environment, region: str) -> list[Problem]:
    """Return the problems of endpoints, with the messages of their constructs: instance types in the Region, image, routing and rollout."""
    problems: list[Problem] = []
    for name, endpoint in settings.endpoints.items():
        path, capacity = f"endpoints.{name}", endpoint.capacity
        types = (problem for instance in capacity.instances for problem in region_problems(region, instance))
        problems += [Problem(f"{path}.capacity", problem) for problem in dict.fromkeys(types)]
        of_image = pool_ami_problems(capacity, (endpoint.image or settings.image).facts)
        problems += [Problem(f"{path}.image", problem) for problem in of_image]
        if endpoint.routing is not None:
            of_routing = endpoint.routing.problems(max_instances=capacity.max_instances)
            problems += [problem.under(f"{path}.routing") for problem in of_routing]
        if endpoint.rollout is not None:
            of_rollout = endpoint.rollout.problems(min_instances=capacity.min_instances)
            problems += [problem.under(f"{path}.rollout") for problem in of_rollout]
    return problems


def _room_problems(endpoint: ResolvedEndpoint) -> list[Problem]:
    return endpoint.room_problems(f"endpoints.{endpoint.name}")


def _resolved(settings: Environment, own: Own, region: str) -> dict[str, ResolvedEndpoint]:
    return {
        name: resolve(
            name,
            {
                short_name: component.model_copy(update={"model": _with_size(component.model, own)})
                for short_name, component in endpoint.components.items()
            },
            _hosting(settings, endpoint, own, region),
            path=f"endpoints.{name}",
            own=own,
        )
        for name, endpoint in settings.endpoints.items()
    }


def _hosting(settings: Environment, endpoint: Endpoint, own: Own, region: str) -> Hosting:
    return Hosting(
        capacity=endpoint.capacity,
        image=(endpoint.image or settings.image).facts,
        region=region,
        nightly_stop=endpoint.nightly_stop,
        rollout=endpoint.rollout,
        prices=own.prices,
        network_isolation=endpoint.network_isolation,
        calibration=own.calibration,
    )


def _with_size(model: Model, own: Own) -> Model:
    """Return a model with its size in whole MiB: as specified, else from its facts."""
    facts = own.known(model).facts
    gib = model.weights_gib or (None if facts is None else facts.weights_gib)
    return model if gib is None else model.replace(weights_gib=max(1, round(gib * _MIB_PER_GIB)) / _MIB_PER_GIB)


def _request(name: str, settings: Environment, own: Own, endpoints: Mapping[str, ResolvedEndpoint]) -> FleetRequest:
    (region,) = {endpoint.hosting.region for endpoint in endpoints.values()}
    requests = (endpoint.request() for endpoint in endpoints.values())
    with_budget = settings.budget_usd_per_hour is not None
    return FleetRequest(
        environment=name,
        region=region,
        # For unknown models only the instances are known, and only a budget needs those.
        endpoints=tuple(request for request in requests if request.components or with_budget),
        budget_usd_per_hour=settings.budget_usd_per_hour,
        prices=own.prices,
        routes=settings.routes,
        unplanned=tuple(f"{short}.{one}" for short, endpoint in endpoints.items() for one in endpoint.unplanned),
        docs_site=docs_site(settings.observability.runbooks_url),
    )
