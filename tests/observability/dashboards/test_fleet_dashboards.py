"""The construct that deploys dashboards: names, limits for large fleets, the same bytes every time, and what it refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import Capacity, ConfigurationError, FleetDashboards, InferenceEndpoint, ModelSource
from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.dashboards.fitting import fitting_bodies
from cdk_sglang.observability.dashboards.limits import MAX_TEMPLATE_BYTES, dashboard_problems
from tests.observability.dashboards.conftest import COMPONENT, many, observe
from tests.serving.conftest import own_image

HERE = cdk.Environment(account="111122223333", region="us-east-1")


def _stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Observability", env=HERE)


def _bodies(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    found = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard").values()
    return {one["Properties"]["DashboardName"]: json.loads(one["Properties"]["DashboardBody"]) for one in found}


def test_dashboards_have_literal_names_and_are_deployed() -> None:
    stack = _stack()
    dashboards = FleetDashboards(stack, "Dashboards", name="prod", endpoints=observe({"chat": {"llama": COMPONENT}}))
    assert set(_bodies(stack)) == set(dashboards.names)
    assert dashboards.names == ("prod_fleet", "prod-chat", "prod-chat_components", "prod_capacity", "prod_gpus")


@pytest.mark.parametrize(
    ("endpoints", "components"), [(4, 25), (1, 100), (10, 10), (25, 4)], ids=["4x25", "1x100", "10x10", "25x4"]
)
@pytest.mark.parametrize("enrichment", [True, False])
def test_a_hundred_components_stay_within_the_limits(endpoints: int, components: int, enrichment: bool) -> None:
    stack = _stack()
    FleetDashboards(stack, "Dashboards", name="prod", endpoints=many(endpoints, components), enrichment=enrichment)
    bodies = _bodies(stack)
    for name, body in bodies.items():
        metrics = [
            len(widget["properties"].get("metrics", ())) + len(widget["properties"].get("data", {}).get("queries", ()))
            for widget in body["widgets"]
        ]
        assert len(body["widgets"]) <= 500, name
        assert max(metrics) <= 500, name
        assert sum(metrics) <= 2500, name
        for widget in body["widgets"]:
            for query in widget["properties"].get("data", {}).get("queries", ()):
                assert len(query["query"]) <= 10_000, (name, widget["properties"]["title"])
    assert len(json.dumps(Template.from_stack(stack).to_json()).encode()) <= MAX_TEMPLATE_BYTES
    drawn = json.dumps([body["widgets"] for body in bodies.values()])
    assert f"prod-endpoint-{endpoints - 1}" in drawn


def test_a_hundred_components_each_have_the_plan_behind_the_measured_line() -> None:
    bodies = fitting_bodies(
        DashboardContext(name="prod", endpoints=many(4, 25), enrichment=True), region="us-east-1", path="x"
    )
    assert bodies.detail == "plan"
    bands = sum(text.count('"label":"plan, low"') for text in bodies.texts.values())
    assert bands == 300  # first token, further tokens and throughput


def test_a_larger_fleet_has_its_components_on_the_dashboards_of_endpoints_alone() -> None:
    stack = _stack()
    dashboards = FleetDashboards(stack, "Dashboards", name="prod", endpoints=many(2, 120), enrichment=True)
    assert dashboards.names == ("prod_fleet", "prod-endpoint-0", "prod-endpoint-1", "prod_capacity", "prod_gpus")
    Annotations.from_stack(stack).has_info(
        "*", Match.string_like_regexp("one template cannot hold dashboards of every")
    )
    assert "_components" not in json.dumps(_bodies(stack))


def test_a_fleet_of_very_many_endpoints_has_a_row_for_each_of_them() -> None:
    stack = _stack()
    dashboards = FleetDashboards(stack, "Dashboards", name="prod", endpoints=many(60, 2), enrichment=True)
    assert dashboards.names == ("prod_fleet", "prod_fleet-2", "prod_capacity", "prod_capacity-2", "prod_gpus")
    Annotations.from_stack(stack).has_info(
        "*", Match.string_like_regexp("one template cannot hold dashboards of every")
    )
    assert "prod-endpoint-59" in json.dumps(_bodies(stack)["prod_fleet-2"])


def test_a_fleet_that_no_template_holds_is_refused_with_the_way_out() -> None:
    endpoints = many(150, 1)
    context = DashboardContext(name="prod", endpoints=endpoints, enrichment=True)
    with pytest.raises(ConfigurationError) as error:
        fitting_bodies(context, region="us-east-1", path="Dashboards")
    (problem,) = error.value.problems
    assert re.fullmatch(
        r"Dashboards: the dashboards have \d+ bytes, 950000 fit into a template; divide the endpoints among several fleets, or leave the "
        r"dashboards out \(observability: \{dashboards: false\}\)",
        problem,
    )


def test_two_renders_are_identical() -> None:
    def template() -> str:
        stack = _stack()
        FleetDashboards(stack, "Dashboards", name="prod", endpoints=many(2, 3), enrichment=True)
        return json.dumps(Template.from_stack(stack).to_json())

    assert template() == template()


def test_the_region_may_be_known_only_at_deployment() -> None:
    stack = cdk.Stack(cdk.App(), "Observability")
    FleetDashboards(stack, "Dashboards", name="prod", endpoints=observe({"chat": {"llama": COMPONENT}}))
    found = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard").values()
    for resource in found:
        parts = resource["Properties"]["DashboardBody"]["Fn::Join"][1]
        assert {"Ref": "AWS::Region"} in parts
        json.loads("".join(part if isinstance(part, str) else "us-east-1" for part in parts))


def _endpoint(stack: cdk.Stack) -> InferenceEndpoint:
    return InferenceEndpoint(
        stack, "Chat", capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2), image=own_image(stack)
    )


def test_an_endpoint_of_the_library_is_drawn_beside_its_plan() -> None:
    stack = _stack()
    endpoint = _endpoint(stack)
    endpoint.add_component(
        "llama",
        model=ModelSource.from_s3("s3://models/llama/", model_id="meta-llama/Llama-3.2-3B-Instruct", check=False),
        component_name="my-llama",
    )
    FleetDashboards(stack, "Dashboards", name="own", endpoints=[endpoint], enrichment=True)
    bodies = _bodies(stack)
    assert set(bodies) == {
        "own_fleet", "own_capacity", "own_gpus", endpoint.endpoint_name, f"{endpoint.endpoint_name}_components",
    }  # fmt: skip
    text = json.dumps(bodies[f"{endpoint.endpoint_name}_components"])
    assert '\\"my-llama\\"' in text
    assert "plan, low" in text


def test_what_would_be_refused_is_said_at_once() -> None:
    stack = _stack()
    chat = observe({"chat": {"llama": COMPONENT}})
    with pytest.raises(ConfigurationError) as error:
        FleetDashboards(stack, "Dashboards", name="Prod!", endpoints=[*chat, *chat])
    assert list(error.value.problems) == [
        "Dashboards.name: 'Prod!' is not allowed; use up to 40 lower-case letters, digits and single hyphens, starting with a letter",
        "Dashboards.endpoints[1]: prod-chat is listed more than once; keep one",
    ]
    with pytest.raises(ConfigurationError, match=r"Dashboards\.endpoints: none; give at least one endpoint"):
        FleetDashboards(stack, "Dashboards", name="prod", endpoints=[])
    with pytest.raises(ConfigurationError, match="Chat: has no components yet; add them first"):
        FleetDashboards(stack, "Dashboards", name="prod", endpoints=[_endpoint(stack)])
    assert not stack.node.try_find_child("Dashboards")


def _text(count: int, **properties: Any) -> dict[str, Any]:
    return {"widgets": [{"type": "text", "properties": {"title": "a", **properties}}] * count}


def test_each_limit_of_cloudwatch_is_held() -> None:
    assert dashboard_problems("d", "name", _text(500)) == []
    assert dashboard_problems("d", "name", _text(501)) == ["d: 501 widgets, a dashboard takes 500; split the dashboard"]
    assert dashboard_problems("d", "a b", _text(1)) == [
        "d: dashboard name 'a b' is not allowed; use up to 255 letters, digits, hyphens and underscores"
    ]
    assert dashboard_problems("d", "name", _text(1, metrics=[[]] * 501)) == [
        "d.a: 501 metrics, a widget takes 500; aggregate or split the chart"
    ]
    assert dashboard_problems("d", "name", _text(6, metrics=[[]] * 417)) == [
        "d: 2502 metrics, a dashboard takes 2500; split the dashboard"
    ]


def test_minutes_between_samples_are_those_that_showback_takes() -> None:
    with pytest.raises(ConfigurationError, match=r"Dashboards\.sample_minutes: 0 is not allowed; use 1 to 15"):
        FleetDashboards(_stack(), "Dashboards", name="prod", endpoints=many(1, 1), sample_minutes=0)
