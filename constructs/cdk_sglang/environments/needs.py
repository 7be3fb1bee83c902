"""What an environment requires from its account, for `cdk-sglang doctor --env`. Does not import CDK."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cdk_sglang import hardware
from cdk_sglang.agents import names
from cdk_sglang.environments.account_needs import (
    DEFAULT_QUALIFIER,
    UNKNOWN_REGISTRY,
    AgentNeeds,
    EndpointNeeds,
    HubNeeds,
    ImageNeeds,
    Needs,
    NetworkNeeds,
    WeightsNeeds,
)
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.environments.naming import endpoint_name, parameter_name, stack_name
from cdk_sglang.environments.own import own_facts
from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import cdk_json_context, load
from cdk_sglang.environments.settings import Environment
from cdk_sglang.planning.cost import BUDGET
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.endpoint import Endpoint
from cdk_sglang.spec.image import Image

_LOGS_OF_ENDPOINT: Final = "/aws/sagemaker/Endpoints/"
_LOGS_OF_COMPONENT: Final = "/aws/sagemaker/InferenceComponents/"
"""Same value as in cdk_sglang.serving.shared.logs, which is not imported because that would load CDK."""
_SERVICES: Final = ("sagemaker.runtime", "sagemaker.api", "logs")
_AGENT_SERVICES: Final = ("bedrock-agentcore.gateway", "bedrock-agentcore", "xray")
"""Short names of the interface endpoints that stacks.foundation creates for the agent."""
_DLC_REPOSITORY: Final = "sglang"
_QUALIFIER: Final = "@aws-cdk/core:bootstrapQualifier"
"""Context key in cdk.json that selects a CDK bootstrap with another qualifier (aws-cdk-lib 2.275.0)."""


def environment_needs(name: str, *, folder: Path = ENVIRONMENTS) -> Needs:
    """Return what an environment requires from its account.

    Args:
        name: The environment.
        folder: Folder of environments, with the user's own models and prices.

    Raises:
        ConfigurationError: The settings are wrong; one line per problem.
    """
    settings = load(name, folder=folder)
    own = own_facts(settings, name=name, folder=folder)
    # With a budget, the plan also prices endpoints with unknown models.
    budget = settings.budget_usd_per_hour or math.inf
    fleet = resolve_fleet(settings.model_copy(update={BUDGET: budget}), name=name, own=own)
    components = [one for endpoint in settings.endpoints.values() for one in endpoint.components.values()]
    models = [component.model for component in components]
    topics = (settings.alarms.topic if settings.alarms.kind == "existing" else None, settings.alarms.page)
    return Needs(
        environment=name,
        account=settings.account,
        region=settings.region,
        planned_region=fleet.request.region,
        stack_names=tuple(stack_name(name, part) for part in _parts(settings, components)),
        foundation_stack=stack_name(name, "foundation"),
        bucket_parameter=parameter_name(name, "weights-bucket"),
        key_parameter=parameter_name(name, "key-arn"),
        images_repository=f"cdk-sglang/{name}",
        endpoints=tuple(_endpoint(name, short, endpoint) for short, endpoint in settings.endpoints.items()),
        network=_network(settings),
        images=tuple(dict.fromkeys(_images(settings, fleet.request.region))),
        secrets=tuple(dict.fromkeys(model.token_secret for model in models if model.token_secret)),
        topics=tuple(dict.fromkeys(topic for topic in topics if topic)),
        hub_models=tuple(
            dict.fromkeys(
                HubNeeds(repository=model.hugging_face, revision=model.revision, token_secret=model.token_secret)
                for model in models
                if model.hugging_face is not None and model.revision is not None
            )
        ),
        weights=tuple(dict.fromkeys(one for component in components for one in _weights(component))),
        enrichment=settings.observability.enrichment,
        enrichment_stack=stack_name(name, "enrichment"),
        usd_per_hour=fleet.plan.usd_per_hour,
        budget_usd_per_hour=settings.budget_usd_per_hour,
        problems=tuple(problem for problem in fleet.problems if problem.path != BUDGET),
        qualifier=str(cdk_json_context().get(_QUALIFIER, DEFAULT_QUALIFIER)),
        agent=_agent(name, settings),
    )


def _agent(environment: str, settings: Environment) -> AgentNeeds | None:
    agent = settings.agent
    if not agent.enabled or agent.component is None:
        return None
    return AgentNeeds(
        stack_name=stack_name(environment, "agent"),
        runtime_name=names.runtime_name(environment),
        gateway_name=names.gateway_name(environment) if agent.tools.any else None,
        memory_name=names.memory_name(environment) if agent.memory.enabled else None,
        has_policies=agent.policy != "none",
        functions=tuple(tool.function_arn for tool in agent.tools.own.values()),
        in_vpc=agent.network == "vpc",
        discovery_url=None if agent.authorizer.jwt is None else agent.authorizer.jwt.discovery_url,
    )


def _parts(settings: Environment, components: list[Component]) -> Iterator[str]:
    """Yield the parts that have a stack each, as in stacks.fleet."""
    yield "foundation"
    for endpoint in settings.endpoints:
        yield endpoint
        yield f"{endpoint}-alarms"
    yield "observability"
    watched = settings.observability
    optional = {
        "dashboards": watched.dashboards,
        "enrichment": watched.enrichment == "enable",
        "transaction-search": watched.transaction_search == "enable",
        "showback": watched.showback.enabled,
        "speculative": any(component.speculative is not None for component in components),
        "agent": settings.agent.enabled and settings.agent.component is not None,
    }
    yield from (part for part, is_made in optional.items() if is_made)


def _endpoint(environment: str, name: str, endpoint: Endpoint) -> EndpointNeeds:
    full, capacity = endpoint_name(environment, name), endpoint.capacity
    components = {f"{full}-{short}": component for short, component in endpoint.components.items()}
    move = capacity.on_demand_move
    on_demand = capacity.max_instances if capacity.reservation is None else 0 if move is None else move.max_instances
    return EndpointNeeds(
        name=name,
        endpoint_name=full,
        stack_name=stack_name(environment, name),
        component_names=(
            *components,
            *(
                f"{full_name}-{adapter}"
                for full_name, component in components.items()
                for adapter in component.adapters
            ),
        ),
        log_groups=(f"{_LOGS_OF_ENDPOINT}{full}", *(f"{_LOGS_OF_COMPONENT}{one}" for one in components)),
        types=tuple(instance.name for instance in capacity.instances),
        max_instances=on_demand,
        reservation=capacity.reservation,
    )


def _network(settings: Environment) -> NetworkNeeds:
    network, agent = settings.network, settings.agent
    agent_is_inside = agent.enabled and agent.network == "vpc"
    return NetworkNeeds(
        vpc=network.vpc,
        zones=network.availability_zones or (),
        services=(*_SERVICES, *(_AGENT_SERVICES if agent_is_inside else ())) if network.vpc == "create" else (),
        subnet_ids=network.subnet_ids or (),
        security_group_ids=network.security_group_ids or (),
    )


def _images(settings: Environment, region: str) -> Iterator[ImageNeeds]:
    """Yield every image that an endpoint or a build pulls."""
    dlc_account = hardware.dlc_account(region) or UNKNOWN_REGISTRY
    for endpoint in settings.endpoints.values():
        image: Image = endpoint.image or settings.image
        if image.repository is not None:
            place = image.repository
            yield ImageNeeds(name=place.name, registry="", repository=place.name, digest=place.digest)
        elif image.dlc is not None:
            pin = "" if image.digest is None else f"@{image.digest}"
            yield ImageNeeds(
                name=f"{_DLC_REPOSITORY}:{image.dlc}{pin}",
                registry=dlc_account,
                repository=_DLC_REPOSITORY,
                tag=image.dlc,
                digest=image.digest,
            )
        elif image.build is not None:
            base = image.build.container_base
            repository, _, tag = base.reference.partition(":")
            registry = dlc_account if base.is_dlc else "docker"
            yield ImageNeeds(name=base.name, registry=registry, repository=repository, tag=tag, digest=base.digest)
    container = settings.agent.container
    if settings.agent.enabled and container is not None:
        name = container.repository
        yield ImageNeeds(name=name, registry="", repository=name, digest=container.digest)


def _weights(component: Component) -> Iterator[WeightsNeeds]:
    """Yield the files that must be in S3 already, without those that the deployment itself uploads."""
    model = component.model
    if model.hugging_face is None:
        yield WeightsNeeds(key=model.folder, bucket=model.bucket_name)
    for adapter in component.adapters.values():
        if adapter.object_key is not None:
            yield WeightsNeeds(key=adapter.object_key, bucket=adapter.bucket_name)
