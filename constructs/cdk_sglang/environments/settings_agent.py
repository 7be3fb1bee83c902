"""Checks of an environment's agent against the rest of the file: its model, the model's server options, the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal

from cdk_sglang.checks import did_you_mean
from cdk_sglang.engine.parsers import suggested_parsers
from cdk_sglang.errors import Problem
from cdk_sglang.hardware.agent_regions import agentcore_region_problem

if TYPE_CHECKING:
    from cdk_sglang.spec.agent import Agent
    from cdk_sglang.spec.component import Component
    from cdk_sglang.spec.endpoint import Endpoint
    from cdk_sglang.spec.model import Model

_PATH: Final = "agent"


def agent_problems(
    agent: Agent,
    endpoints: Mapping[str, Endpoint],
    *,
    vpc: Literal["create", "existing", "none"],
    account: str | None,
    region: str | None,
) -> list[Problem]:
    """Return the problems of an agent in its environment; an empty list if it is disabled.

    Args:
        agent: The agent.
        endpoints: Endpoints of the environment by name.
        vpc: The environment's kind of network.
        account: The environment's account; None if the file names none.
        region: The environment's Region; None if the file names none.
    """
    if not agent.enabled or agent.component is None:
        return []
    problems = list(_component_problems(agent, agent.component, endpoints))
    if region is not None:
        problems += agent_region_problems(agent, region)
    if agent.network == "vpc" and vpc == "none":
        text = "vpc needs subnets, and network.vpc is none; use network: public, or give the environment a VPC"
        problems.append(Problem(f"{_PATH}.network", text))
    for name, tool in agent.tools.own.items():
        _, _, _, there, owner, *_ = tool.function_arn.split(":")
        for what, got, home in (("Region", there, region), ("account", owner, account)):
            if home is not None and got != home:
                text = f"is in {what} {got}, the environment in {home}; a gateway invokes functions of its own"
                problems.append(Problem(f"{_PATH}.tools.own.{name}.function_arn", text))
    return problems


def agent_region_problems(agent: Agent, region: str) -> Iterator[Problem]:
    """Yield a problem for each part of an agent that is not available in its Region.

    Args:
        agent: The agent.
        region: AWS Region.
    """
    if text := agentcore_region_problem(region):
        yield Problem(f"{_PATH}.enabled", f"{text}, or set agent: {{enabled: false}}")
        return
    if agent.memory.enabled and (text := agentcore_region_problem(region, "memory")):
        yield Problem(f"{_PATH}.memory.enabled", f"{text}, or leave the memory off")
    if agent.policy != "none" and (text := agentcore_region_problem(region, "policy")):
        yield Problem(f"{_PATH}.policy", f"{text}, or use policy: none")


def _component_problems(agent: Agent, served: str, endpoints: Mapping[str, Endpoint]) -> Iterator[Problem]:
    path = f"{_PATH}.component"
    endpoint, component, *rest = served.split("/")
    if endpoint not in endpoints:
        yield Problem(path, f"{served}: unknown endpoint {endpoint!r}; {did_you_mean(endpoint, endpoints)}")
        return
    components = endpoints[endpoint].components
    if component not in components:
        hint = did_you_mean(component, components)
        yield Problem(path, f"{served}: endpoint {endpoint} has no component {component!r}; {hint}")
        return
    found = components[component]
    for adapter in rest:
        if adapter not in found.adapters:
            hint = did_you_mean(adapter, found.adapters) if found.adapters else "it has no adapters"
            yield Problem(path, f"{served}: component {component} has no adapter {adapter!r}; {hint}")
    if agent.tools.any and found.server.tool_call_parser is None:
        place = f"endpoints.{endpoint}.components.{component}.server.tool_call_parser"
        yield Problem(
            place, f"missing; the agent has tools, and without a parser their calls arrive as text; {_parser(found)}"
        )


def _parser(component: Component) -> str:
    name = _name(component.model)
    known = suggested_parsers(name)
    if known is None or known.tool_call_parser is None:
        return "set the one of the model's family (docs.sglang.io: Tool Parser), or agent.tools: {reference: false}"
    return f"for {name} use {known.tool_call_parser}"


def _name(model: Model) -> str:
    return model.catalogue_id or model.hugging_face or model.prefix or model.s3 or ""
