"""An environment as an app: one foundation stack, one serving stack and one alarms stack per endpoint, and the stacks that monitor them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk

from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.fleet_names import shared_names
from cdk_sglang.environments.naming import environment_name_problems, stack_name
from cdk_sglang.environments.planning import ResolvedFleet, resolve_fleet
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import ConfigurationError, PlanRefusedError, Problem
from cdk_sglang.planning.export import plan_digest
from cdk_sglang.planning.own import NOTHING_OWN, Own
from stacks.alarms import AlarmsStack
from stacks.deletion import empty_buckets
from stacks.foundation import FoundationStack
from stacks.serving import ServingStack
from stacks.watching import add_watching


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The stacks of an environment, and the resolved environment that they were created from.

    Attributes:
        stacks: One stack for each endpoint.
        alarms: One stack of alarms for each endpoint.
        resolved: The environment, with every value resolved, and its plan.
    """

    stacks: list[ServingStack]
    alarms: list[AlarmsStack]
    resolved: ResolvedFleet


def add_fleet(
    app: cdk.Stage, *, name: str, settings: Environment, source: str, env: cdk.Environment, own: Own = NOTHING_OWN
) -> Fleet:
    """Add every stack of one environment to the app.

    Args:
        app: The CDK app, or a stage of one.
        name: Name of the environment.
        settings: Its settings.
        source: The file that it was read from; prefix of every problem's line.
        env: Account and Region, if known.
        own: The user's own models and prices.

    Raises:
        PlanRefusedError: The settings are valid, but the plan rejects them: they do not fit, are too slow or cost too much.
        ConfigurationError: The settings have problems; lists those of all endpoints, before anything is written.
    """
    raise_if_any(problem.in_file(source) for problem in environment_name_problems(name))
    resolved = resolve_fleet(settings, name=name, own=own, region=env.region)
    problems = list(resolved.problems)
    refused = frozenset(shared_names(name, settings.endpoints).values())
    foundation = None
    serving: dict[str, ServingStack] = {}
    alarms: list[AlarmsStack] = []
    try:
        foundation = FoundationStack(
            app, "Foundation", environment=name, settings=settings, stack_name=stack_name(name, "foundation"), env=env
        )
    except ConfigurationError as error:
        problems += error.problems
    for endpoint, plan in resolved.endpoints.items():
        try:
            stack = ServingStack(
                app,
                f"Serving-{endpoint}",
                environment=name,
                plan=plan,
                settings=settings,
                refused=refused,
                stack_name=stack_name(name, endpoint),
                env=env,
            )
        except ConfigurationError as error:
            problems += error.problems
            continue
        if foundation is not None:
            stack.add_stack_dependency(foundation)
        serving[endpoint] = stack
    if foundation is not None:
        watching = add_watching(
            app,
            name=name,
            settings=settings,
            resolved=resolved,
            foundation=foundation,
            serving=serving,
            whole=not problems,
            env=env,
            prices=own.prices,
        )
        alarms = watching.alarms
        problems += watching.problems
        if not problems:
            problems += _add_drafts(app, name, settings, resolved, serving=serving, env=env)
        problems += _add_agent(app, name=name, settings=settings, foundation=foundation, serving=serving, env=env)
    if problems:
        kind = ConfigurationError if set(problems) - set(resolved.plan.problems) else PlanRefusedError
        raise kind(problem.in_file(source) for problem in dict.fromkeys(problems))
    for planned in resolved.plan.endpoints:
        serving[planned.name].say_plan(plan_digest(planned))
    if settings.data.on_delete == "destroy":
        for child in app.node.children:
            if isinstance(child, cdk.Stack):
                empty_buckets(child, retention_days=settings.data.log_retention_days)
    for key, value in {"cdk-sglang:environment": name, **settings.tags}.items():
        cdk.Tags.of(app).add(key, value)
    return Fleet(stacks=list(serving.values()), alarms=alarms, resolved=resolved)


def _add_drafts(
    app: cdk.Stage,
    name: str,
    settings: Environment,
    resolved: ResolvedFleet,
    *,
    serving: Mapping[str, ServingStack],
    env: cdk.Environment,
) -> list[Problem]:
    """Add the stack of the drafts, if any component has one, and return the problems of the drafts."""
    components = (one for endpoint in settings.endpoints.values() for one in endpoint.components.values())
    if all(component.speculative is None for component in components):
        return []
    from stacks.speculative import SpeculativeStack

    try:
        stack = SpeculativeStack(
            app,
            "Speculative",
            environment=name,
            settings=settings,
            endpoints=resolved.endpoints,
            stack_name=stack_name(name, "speculative"),
            env=env,
        )
    except ConfigurationError as error:
        return list(error.problems)
    for endpoint in serving.values():  # it reads their roles
        stack.add_stack_dependency(endpoint)
    return []


def _add_agent(
    app: cdk.Stage,
    *,
    name: str,
    settings: Environment,
    foundation: FoundationStack,
    serving: Mapping[str, ServingStack],
    env: cdk.Environment,
) -> list[Problem]:
    """Add the agent, if there is one, and return its problems."""
    if not settings.agent.enabled or settings.agent.component is None:
        return []
    from stacks.agent import AgentStack

    try:
        agent = AgentStack(
            app, "Agent", environment=name, settings=settings, stack_name=stack_name(name, "agent"), env=env
        )
    except ConfigurationError as error:
        return list(error.problems)
    agent.add_stack_dependency(foundation)
    endpoint = settings.agent.component.partition("/")[0]
    if endpoint in serving:  # so that its first request finds a model
        agent.add_stack_dependency(serving[endpoint])
    return []
