"""The agent in an environment file: what is refused, with its path and the next step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import check

Check = Callable[..., list[str]]
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:visits"


@pytest.fixture
def with_agent(fine: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    def make(*, parser: str | None = "llama3", **agent: Any) -> dict[str, Any]:
        component = fine["endpoints"]["chat"]["components"]["llama"]
        if parser is not None:
            component["server"] = {"tool_call_parser": parser}
        return fine | {"agent": {"enabled": True, "component": "chat/llama", **agent}}

    return make


def problems(content: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        check(content, source="e.yaml")
    return [problem.removeprefix("e.yaml: ") for problem in error.value.problems]


def test_an_agent_takes_two_lines(with_agent: Callable[..., dict[str, Any]]) -> None:
    agent = check(with_agent(), source="e.yaml").agent
    assert agent.tools.reference
    assert agent.authorizer.iam is not None
    assert not agent.memory.enabled
    assert agent.redact
    assert agent.policy == "none"


def test_it_is_off_by_default(fine: dict[str, Any]) -> None:
    assert not check(fine, source="e.yaml").agent.enabled


def test_what_is_off_is_not_held_against_the_rest(fine: dict[str, Any]) -> None:
    assert not check(fine | {"agent": {"component": "nowhere/none", "network": "vpc"}}, source="e.yaml").agent.enabled


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ({"component": None}, "agent.component: missing; an agent needs a model, as <endpoint>/<component>"),
        (
            {"component": "llama"},
            "agent.component: 'llama' is not allowed; use <endpoint>/<component> or <endpoint>/<component>/<adapter>, such as chat/llama",
        ),
        ({"component": "chap/llama"}, "agent.component: chap/llama: unknown endpoint 'chap'; did you mean 'chat'"),
        (
            {"component": "chat/lama"},
            "agent.component: chat/lama: endpoint chat has no component 'lama'; did you mean 'llama'",
        ),
        (
            {"component": "chat/llama/triage"},
            "agent.component: chat/llama/triage: component llama has no adapter 'triage'; it has no adapters",
        ),
        (
            {"network": "vpc"},
            "agent.network: vpc needs subnets, and network.vpc is none; use network: public, or give the environment a VPC",
        ),
        (
            {"policy": "enforce", "tools": {"reference": False}},
            "agent.policy: enforce needs a gateway, and there are no tools; use policy: none or add tools",
        ),
        ({"memory": {"enabled": True, "expiry_days": 6}}, "agent.memory.expiry_days: 6 is not allowed; use a value >= 7"),
        (
            {"memory": {"enabled": True, "expiry_days": 366}},
            "agent.memory.expiry_days: 366 is not allowed; use a value <= 365",
        ),
        ({"authorizer": {}}, "agent.authorizer: give exactly one of iam and jwt"),
        ({"authorizer": {"none": {}}}, "agent.authorizer.none: unknown key; known: iam, jwt"),
        (
            {"authorizer": {"jwt": {"allowed_clients": ["app"]}}},
            "agent.authorizer.jwt.discovery_url: missing; it has no default",
        ),
        (
            {"authorizer": {"jwt": {"discovery_url": "https://id.example.com/.well-known/openid-configuration"}}},
            "agent.authorizer.jwt: without a list every token of the provider is accepted; give allowed_clients or allowed_audience",
        ),
        (
            {"authorizer": {"jwt": {"discovery_url": "https://id.example.com", "allowed_clients": ["app"]}}},
            "agent.authorizer.jwt.discovery_url: 'https://id.example.com' is not allowed; use the provider's discovery URL, such as ",
        ),
        (
            {"session": {"idle_minutes": 90, "max_hours": 1}},
            "agent.session.idle_minutes: 90 is longer than max_hours: 1; use 60 or fewer",
        ),
        (
            {"code": "agent", "container": {"repository": "agents", "digest": f"sha256:{'a' * 64}"}},
            "agent.container: goes without code, got both; remove one",
        ),
        (
            {"container": {"repository": "agents", "digest": "latest"}},
            "agent.container.digest: 'latest' is not allowed; use an image digest, such as sha256:… of `docker push`",
        ),
        (
            {"endpoints": {"DEFAULT": 1}},
            "agent.endpoints.DEFAULT: is AgentCore's own endpoint of the newest version; choose another name",
        ),
        ({"endpoints": {"stable": 0}}, "agent.endpoints.stable: 0 is not allowed; use a value >= 1"),
        (
            {"tools": {"own": {"clinical": {"function_arn": FUNCTION, "schema": "t.json"}}}},
            "agent.tools.own.clinical: is the name of the project's own tools; rename it, or set reference: false",
        ),
        (
            {"tools": {"own": {"visits": {"function_arn": FUNCTION.replace("us-east-1", "us-west-2"), "schema": "t.json"}}}},
            "agent.tools.own.visits.function_arn: is in Region us-west-2, the environment in us-east-1; a gateway invokes functions of its own",
        ),
        (
            {"tools": {"own": {"visits": {"function_arn": FUNCTION.replace("1111", "9999"), "schema": "t.json"}}}},
            "agent.tools.own.visits.function_arn: is in account 999922223333, the environment in 111122223333; a",
        ),
        ({"failed_turns_alarm": 0}, "agent.failed_turns_alarm: 0 is not allowed; use a value >= 1"),
        ({"max_tool_calls": 0}, "agent.max_tool_calls: 0 is not allowed; use a value >= 1"),
        ({"answer_tokens": 0}, "agent.answer_tokens: 0 is not allowed; use a value >= 16"),
        ({"modell": "x"}, "agent.modell: unknown key; did you mean 'model_api'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    with_agent: Callable[..., dict[str, Any]], agent: dict[str, Any], problem: str
) -> None:
    (line,) = problems(with_agent(**agent))
    assert line.startswith(problem)


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ({"id": "Qwen/Qwen3-8B", "prefix": "weights/q/"}, "for Qwen/Qwen3-8B use qwen"),
        ({"prefix": "weights/llama/"}, "for weights/llama/ use llama3"),
        (
            {"prefix": "weights/unheard-of/"},
            "set the one of the model's family (docs.sglang.io: Tool Parser), or agent.tools: {reference: false}",
        ),
    ],
)
def test_tools_need_a_parser_and_the_message_names_it(
    with_agent: Callable[..., dict[str, Any]], model: dict[str, Any], hint: str
) -> None:
    content = with_agent(parser=None)
    content["endpoints"]["chat"]["components"]["llama"]["model"] = model
    (problem,) = problems(content)
    assert problem == (
        "endpoints.chat.components.llama.server.tool_call_parser: missing; the agent has tools, and without a parser their calls arrive as "
        f"text; {hint}"
    )


def test_an_agent_without_tools_needs_no_parser(with_agent: Callable[..., dict[str, Any]]) -> None:
    assert not check(with_agent(parser=None, tools={"reference": False}), source="e.yaml").agent.tools.any


@pytest.mark.parametrize(
    ("region", "agent", "problem"),
    [
        (
            "us-wes-2",
            {},
            "region: SageMaker has no endpoint in Region 'us-wes-2' (botocore 1.44.5); did you mean 'us-west-2'",
        ),
        ("ap-northeast-3", {}, "agent.enabled: AgentCore is not in Region ap-northeast-3; did you mean "),
        (
            "eu-south-1",
            {"memory": {"enabled": True}},
            "agent.memory.enabled: Region eu-south-1 has no AgentCore memory; use one of ap-northeast-1, ap-northeast-2, ap-south-1, ",
        ),
        (
            "us-gov-west-1",
            {"policy": "enforce"},
            "agent.policy: Region us-gov-west-1 has no policies of AgentCore gateways; use ",
        ),
    ],
)
def test_what_the_region_does_not_have_is_refused_with_the_regions_that_do(
    with_agent: Callable[..., dict[str, Any]], region: str, agent: dict[str, Any], problem: str
) -> None:
    (line,) = problems({**with_agent(**agent), "region": region})
    assert line.startswith(problem)


def test_what_is_not_known_of_a_region_is_not_held_against_it(with_agent: Callable[..., dict[str, Any]]) -> None:
    assert check({**with_agent(policy="enforce"), "region": "us-west-1"}, source="e.yaml").agent.policy == "enforce"


def test_every_problem_is_told_at_once(with_agent: Callable[..., dict[str, Any]]) -> None:
    assert len(problems(with_agent(parser=None, network="vpc"))) == 2


def test_no_endpoint_may_have_the_name_of_its_stack(fine: dict[str, Any]) -> None:
    from cdk_sglang.environments.fleet_names import stack_name_problems

    assert stack_name_problems(["agent"]) == [
        "endpoints.agent: 'agent' names the stack of the agent; choose another name"
    ]
