"""Stacks that monitor a fleet: alarms of each endpoint, logs, dashboards, costs, and the account settings that they rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aws_cdk as cdk

from cdk_sglang.environments.naming import stack_name
from cdk_sglang.environments.planning import ResolvedFleet, observed_endpoints
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import PriceTable
from cdk_sglang.observability.observed import ObservedEndpoint
from stacks.alarms import AlarmsStack
from stacks.observability import DashboardsStack, EnrichmentStack, ObservabilityStack, TransactionSearchStack


@dataclass(frozen=True, kw_only=True)
class Watching:
    """Stacks that monitor a fleet, and their problems.

    Attributes:
        alarms: One stack of alarms for each endpoint.
        problems: Reasons why something cannot be monitored, with paths as in the settings file.
    """

    alarms: list[AlarmsStack] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def add_watching(
    app: cdk.Stage,
    *,
    name: str,
    settings: Environment,
    resolved: ResolvedFleet,
    foundation: cdk.Stack,
    serving: Mapping[str, cdk.Stack],
    whole: bool,
    env: cdk.Environment,
    prices: PriceTable | None = None,
) -> Watching:
    """Add every stack that monitors the endpoints of an environment.

    Args:
        app: The CDK app, or a stage of one.
        name: Name of the environment.
        settings: Its settings.
        resolved: The environment, with every value resolved, and its plan.
        foundation: Stack with the key and the topic.
        serving: Stacks of the endpoints by the endpoint's name; an endpoint without one was refused and is not monitored.
        whole: Whether nothing was refused so far; otherwise only further problems matter.
        env: Account and Region, if known.
        prices: The user's own prices; only the package's by default.
    """
    observed = observed_endpoints(name, resolved)
    watching = Watching()
    for endpoint in observed:
        if endpoint.name not in serving:
            continue
        try:
            alarms = AlarmsStack(
                app,
                f"Alarms-{endpoint.name}",
                environment=name,
                endpoint=endpoint,
                settings=settings,
                serving_stack=stack_name(name, endpoint.name),
                stack_name=stack_name(name, f"{endpoint.name}-alarms"),
                env=env,
            )
        except ConfigurationError as error:
            watching.problems.extend(error.problems)
            continue
        alarms.add_stack_dependency(foundation)
        watching.alarms.append(alarms)
    if not whole:
        return watching
    _add_account_settings(app, name, settings, env)
    if settings.observability.showback.enabled:
        _add_showback(app, name, settings, observed, foundation=foundation, env=env, prices=prices)
    logs = ObservabilityStack(
        app,
        "Observability",
        environment=name,
        settings=settings,
        fleet=resolved,
        stack_name=stack_name(name, "observability"),
        env=env,
    )
    for stack in (foundation, *serving.values()):  # alarms notify its topic; metric filters read the log groups
        logs.add_stack_dependency(stack)
    if settings.observability.dashboards:
        watching.problems.extend(_add_dashboards(app, name, settings, resolved, env))
    return watching


def _add_account_settings(app: cdk.Stage, name: str, settings: Environment, env: cdk.Environment) -> None:
    if settings.observability.enrichment == "enable":
        EnrichmentStack(app, "Enrichment", stack_name=stack_name(name, "enrichment"), env=env)
    if settings.observability.transaction_search == "enable":
        TransactionSearchStack(app, "TransactionSearch", stack_name=stack_name(name, "transaction-search"), env=env)


def _add_showback(
    app: cdk.Stage,
    name: str,
    settings: Environment,
    observed: Sequence[ObservedEndpoint],
    *,
    foundation: cdk.Stack,
    env: cdk.Environment,
    prices: PriceTable | None,
) -> None:
    from stacks.showback import ShowbackStack

    showback = ShowbackStack(
        app,
        "Showback",
        environment=name,
        settings=settings,
        endpoints=observed,
        prices=prices,
        stack_name=stack_name(name, "showback"),
        env=env,
    )
    showback.add_stack_dependency(foundation)


def _add_dashboards(
    app: cdk.Stage, name: str, settings: Environment, resolved: ResolvedFleet, env: cdk.Environment
) -> list[Problem]:
    try:
        DashboardsStack(
            app,
            "Dashboards",
            environment=name,
            settings=settings,
            fleet=resolved,
            stack_name=stack_name(name, "dashboards"),
            env=env,
        )
    except ConfigurationError as error:
        return [problem.inside("Dashboards").under("observability.dashboards") for problem in error.problems]
    return []
