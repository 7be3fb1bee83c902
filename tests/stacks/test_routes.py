"""Routes of an environment: what they deploy, and what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pydantic
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import ConfigurationError
from cdk_sglang.client.route import _destinations, parameter_name
from cdk_sglang.environments.reading import cdk_json_context
from cdk_sglang.environments.settings import Environment
from stacks.fleet import add_fleet


@pytest.fixture
def two(fine: dict[str, Any]) -> dict[str, Any]:
    """An environment with the same model on two endpoints, behind one name."""
    chat = fine["endpoints"].pop("chat")
    chat["components"] = {"qwen": {"model": {"prefix": "weights/qwen/"}}}
    fine["endpoints"] = {"reserved": chat, "burst": copy.deepcopy(chat)}
    fine["routes"] = {"reasoning": ["reserved/qwen", "burst/qwen"]}
    return fine


def test_a_route_is_a_parameter_of_the_foundation_that_the_client_reads(two: dict[str, Any], root: Path) -> None:
    app = cdk.App(context=cdk_json_context(root / "cdk.json"))
    settings = Environment.model_validate(two)
    env = cdk.Environment(account=settings.account, region=settings.region)
    add_fleet(app, name="prod", settings=settings, source="prod.yaml", env=env)
    foundation = app.node.find_child("Foundation")
    assert isinstance(foundation, cdk.Stack)
    parameters = Template.from_stack(foundation).find_resources("AWS::SSM::Parameter")
    named = {found["Properties"]["Name"]: found["Properties"]["Value"] for found in parameters.values()}
    value = named[parameter_name("prod", "reasoning")]
    assert [(at.endpoint, at.component) for at in _destinations("", value)] == [
        ("prod-reserved", "prod-reserved-qwen"),
        ("prod-burst", "prod-burst-qwen"),
    ]
    assert json.loads(value)["version"] == 1


def refused(content: dict[str, Any]) -> str:
    with pytest.raises(pydantic.ValidationError) as caught:
        Environment.model_validate(content)
    return str(caught.value)


def test_a_route_names_what_is_in_the_file(two: dict[str, Any]) -> None:
    two["routes"] = {"reasoning": ["reservd/qwen", "burst/qwn"]}
    problems = refused(two)
    assert "routes.reasoning: reservd/qwen: unknown endpoint 'reservd'; did you mean 'reserved'" in problems
    assert "routes.reasoning: burst/qwn: endpoint burst has no component 'qwn'; did you mean 'qwen'" in problems


def test_a_route_has_one_model(two: dict[str, Any]) -> None:
    components = two["endpoints"]["burst"]["components"]
    components["qwen"]["model"] = {"id": "Qwen/Qwen3-8B", "prefix": "weights/other/"}
    assert (
        "routes.reasoning: reserved/qwen serves weights/qwen/, burst/qwen serves Qwen/Qwen3-8B; a route has one model: "
        "leave one out, or give both the same model.id if the weights are the same"
    ) in refused(two)


def test_the_same_model_may_lie_in_two_places(two: dict[str, Any]) -> None:
    for name, endpoint in two["endpoints"].items():
        endpoint["components"]["qwen"]["model"] = {"id": "Qwen/Qwen3-8B", "prefix": f"weights/{name}/"}
    assert Environment.model_validate(two).routes["reasoning"] == ("reserved/qwen", "burst/qwen")


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (["burst/qwen"], "at least 2 items"),
        ([f"e{index}/qwen" for index in range(6)], "at most 5 items"),
        (["burst/qwen", "burst/qwen"], "is listed more than once"),
        (["burst", "reserved/qwen"], "use <endpoint>/<component>, such as reserved/qwen"),
        (["burst/qwen/triage", "reserved/qwen"], "use <endpoint>/<component>"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(two: dict[str, Any], targets: list[str], problem: str) -> None:
    two["routes"] = {"reasoning": targets}
    assert problem in refused(two)


def test_a_route_to_names_that_are_too_long_hides_nothing_else_that_is_wrong(two: dict[str, Any], root: Path) -> None:
    burst = two["endpoints"]["burst"]
    burst["components"] = {"a-very-long-name-for-one-model": burst["components"].pop("qwen")}
    two["endpoints"] = {"reserved": two["endpoints"]["reserved"], "another-very-long-name-of-an-endpoint": burst}
    two["endpoints"]["reserved"]["components"]["qwen"]["environment"] = {"API_TOKEN": "x" * 20}
    two["routes"] = {"all": ["reserved/qwen", "another-very-long-name-of-an-endpoint/a-very-long-name-for-one-model"]}
    settings = Environment.model_validate(two)
    app = cdk.App(context=cdk_json_context(root / "cdk.json"))
    with pytest.raises(ConfigurationError) as caught:
        add_fleet(
            app,
            name="prod",
            settings=settings,
            source="prod.yaml",
            env=cdk.Environment(account="111122223333", region="us-east-1"),
        )
    problems = caught.value.problems
    assert all(problem.startswith("prod.yaml: ") for problem in problems)
    assert any("API_TOKEN" in problem for problem in problems)
    assert any(problem.startswith("prod.yaml: routes.all.destinations: component name") for problem in problems)
