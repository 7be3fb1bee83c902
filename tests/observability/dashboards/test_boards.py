"""What a fleet's dashboards show: rows, advice, the plan behind the measured line, and nothing that would stay empty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cdk_sglang.metrics.cloudwatch import SCALING, published_metric
from cdk_sglang.metrics.figures import mean_latency
from cdk_sglang.metrics.figures.copies import SCALING_REASONS
from cdk_sglang.observability.dashboards.boards import all_boards
from cdk_sglang.observability.dashboards.body import dashboard_body
from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.dashboards.cost_board import cost_boards
from cdk_sglang.observability.dashboards.layout import even_rows, placed
from cdk_sglang.observability.dashboards.limits import body_json, dashboard_problems
from cdk_sglang.observability.dashboards.panel import Board, Panel, Text
from tests.metrics.conftest import Promtool, with_plain_labels
from tests.observability.dashboards.conftest import COMPONENT, many, observe
from tools.check.metric_names import findings
from tools.check.metric_uses import uses

Make = Callable[..., DashboardContext]
ADAPTED: dict[str, Any] = {
    "server": {"lora": {"max_rank": 16, "target_modules": ["all"], "max_loras_per_batch": 4}},
    "adapters": {"triage": {"key": "adapters/triage-v3.tar.gz"}},
}
DRAFTED: dict[str, Any] = {"server": {"speculative": {"algorithm": "NGRAM", "num_draft_tokens": 4}}}


def _boards(context: DashboardContext) -> dict[str, Board]:
    return {board.name: board for board in all_boards(context)}


def _panels(context: DashboardContext) -> Iterator[tuple[str, Panel]]:
    for board in all_boards(context):
        for row in board.rows:
            yield from ((board.name, panel) for panel in row if isinstance(panel, Panel))


def _texts(board: Board) -> str:
    return "\n".join(panel.markdown for row in board.rows for panel in row if isinstance(panel, Text))


def _panel(board: Board, title: str) -> Panel:
    (found,) = (
        panel for row in board.rows for panel in row if isinstance(panel, Panel) and panel.title.startswith(title)
    )
    return found


@pytest.mark.parametrize("enrichment", [True, False])
def test_there_is_a_dashboard_of_the_fleet_of_endpoints_of_components_of_capacity_and_of_gpus(
    context: Make, enrichment: bool
) -> None:
    assert list(_boards(context(enrichment=enrichment))) == [
        "prod_fleet",
        "prod-chat",
        "prod-chat_components",
        "prod_capacity",
        "prod_gpus",
    ]


def test_the_fleet_has_a_row_for_each_endpoint_with_promise_traffic_latency_cost_and_waste() -> None:
    context = DashboardContext(name="prod", endpoints=many(2, 1), enrichment=True)
    rows = _boards(context)["prod_fleet"].rows[1:]
    titles = [[panel.title for panel in row if isinstance(panel, Panel)] for row in rows]
    assert titles == [
        [
            f"{name}: Error budget left (30d)",
            f"{name}: Output tokens per second",
            f"{name}: Time to first token (p95)",
            f"{name}: US dollars per hour now",
            f"{name}: Idle GPU-hours paid for (1h)",
        ]
        for name in ("endpoint-0", "endpoint-1")
    ]


@pytest.mark.parametrize("enrichment", [True, False])
@pytest.mark.parametrize(
    "changes",
    [{}, ADAPTED, DRAFTED, {"slo": None}, {"sampled": 300, "team": "search"}],
    ids=["plain", "adapters", "draft", "no slo", "sampled"],
)
def test_each_panel_has_something_to_draw_and_says_what_to_do(
    context: Make, changes: dict[str, Any], enrichment: bool
) -> None:
    for name, panel in _panels(context(enrichment=enrichment, **changes)):
        assert bool(panel.lines) != bool(panel.maths), (name, panel.title)
        assert re.fullmatch(r"[A-Z][^\n]{20,}\.", panel.advice), (name, panel.title)
        assert panel.unit, (name, panel.title)


def test_the_plan_and_the_objective_stand_behind_what_is_measured(context: Make) -> None:
    fleet = context()
    (component,) = fleet.endpoints[0].components
    plan = component.plan
    assert plan is not None
    assert plan.ttft_ms is not None
    assert plan.output_tok_s is not None
    board = _boards(fleet)["prod-chat_components"]
    ttft = _panel(board, "Time to the first token")
    assert [(band.label, band.low, band.high) for band in ttft.bands] == [
        ("plan", plan.ttft_ms.low / 1000, plan.ttft_ms.high / 1000),
        ("objective", 1.0, None),
    ]
    tokens = _panel(board, "Output tokens per second and copy")
    assert [(band.low, band.high) for band in tokens.bands] == [(plan.output_tok_s.low, plan.output_tok_s.high)]
    copies = _panel(board, "Copies running")
    assert [(band.label, band.low, band.high) for band in copies.bands] == [("wanted", 1, 4)]


def test_the_plan_is_for_the_mean_which_is_what_its_band_is_drawn_behind(context: Make) -> None:
    ttft = _panel(_boards(context())["prod-chat_components"], "Time to the first token")
    place = next(iter(context().components)).place
    measured = mean_latency(place, key="time_to_first_token", title="Time to the first token")
    assert [line.query for line in ttft.lines] == [measured.query]


def test_a_component_of_an_unknown_model_has_no_band_and_says_so(context: Make) -> None:
    fleet = context(model={"prefix": "weights/own/", "weights_gib": 6}, slo=None)
    board = _boards(fleet)["prod-chat_components"]
    assert _panel(board, "Time to the first token").bands == ()
    assert "not planned: nothing is known of its model" in _texts(board)


def test_lines_of_an_endpoint_survive_new_components(context: Make) -> None:
    queries = [line.query for name, panel in _panels(context()) if name == "prod-chat" for line in panel.lines]
    assert len(queries) > 9
    assert not [query for query in queries if "prod-chat-llama" in query]


def test_without_enrichment_every_dashboard_says_how_to_enable_it_and_what_it_costs(context: Make) -> None:
    for board in all_boards(context(enrichment=False)):
        text = _texts(board)
        assert "observability: {enrichment: enable}" in text, board.name
        assert "$0.50 per GB enriched and $0.50 per GB ingested" in text, board.name
    assert not [board.name for board in all_boards(context()) if "OTel enrichment is off" in _texts(board)]


def test_without_enrichment_nothing_is_drawn_that_needs_promql(context: Make) -> None:
    assert not [panel.title for _, panel in _panels(context(enrichment=False, **ADAPTED)) if panel.lines]
    kinds = {
        widget["type"]
        for board in all_boards(context(enrichment=False))
        for widget in dashboard_body(board, region="us-east-1")["widgets"]
    }
    assert kinds == {"text", "metric"}


def test_with_enrichment_the_panels_of_aws_are_not_drawn_again(context: Make) -> None:
    names = {
        metric.metric.name
        for _, panel in _panels(context())
        for math in panel.maths
        for metric in math.metrics.values()
    }
    assert not names & {"ModelLatency", "GPUUtilizationNormalized", "GPUMemoryUtilizationNormalized"}


def test_prometheus_reads_every_query_as_cloudwatch_gets_it(context: Make, promtool: Promtool) -> None:
    fleet = context(**{**ADAPTED, "server": {**ADAPTED["server"], **DRAFTED["server"]}})
    queries = {
        query["query"]
        for board in all_boards(fleet)
        for widget in dashboard_body(board, region="us-east-1")["widgets"]
        for query in widget["properties"].get("data", {}).get("queries", ())
    }
    rules = [{"record": "panel", "expr": with_plain_labels(query)} for query in sorted(queries)]
    output = promtool("check", "rules", "--lint=none", rules={"groups": [{"name": "panels", "rules": rules}]})
    assert f"{len(rules)} rules found" in output
    assert len(rules) > 40


def test_every_metric_with_enrichment_is_one_that_is_published(context: Make) -> None:
    bodies = {board.name: body_json(dashboard_body(board, region="us-east-1")) for board in all_boards(context())}
    template = {
        "Resources": {
            name: {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardName": name, "DashboardBody": body}}
            for name, body in bodies.items()
        }
    }
    assert len(list(uses(template))) > 40
    assert list(findings(template)) == []


@pytest.mark.parametrize("enrichment", [True, False])
def test_classic_metrics_have_names_dimensions_and_statistics_that_aws_documents(
    context: Make, enrichment: bool
) -> None:
    rows = [
        row
        for board in all_boards(context(enrichment=enrichment, sampled=300, team="search", **ADAPTED))
        for widget in dashboard_body(board, region="us-east-1")["widgets"]
        for row in widget["properties"].get("metrics", ())
        if isinstance(row[0], str)
    ]
    assert rows
    for namespace, name, *dimensions, options in rows:
        metric = published_metric(namespace, name)
        assert metric is not None, (namespace, name)
        assert frozenset(dimensions[::2]) in metric.dimensions | metric.enhanced, (namespace, name)
        assert re.fullmatch(r"Sum|Average|Maximum|Minimum|p\d+|PR\(.*\)", options["stat"])


def test_ids_of_metric_math_are_unique_in_a_widget_and_known_to_its_expressions(context: Make) -> None:
    for board in all_boards(context(enrichment=False)):
        for widget in dashboard_body(board, region="us-east-1")["widgets"]:
            rows = widget["properties"].get("metrics", ())
            ids = [row[-1]["id"] for row in rows if "id" in row[-1]]
            assert len(ids) == len(set(ids)), widget["properties"]["title"]
            for row in rows:
                expression = re.sub(r"SEARCH\('.*?', '.*?', \d+\)", "0", row[-1].get("expression", ""))
                assert set(re.findall(r"\bm\d+_\w+", expression)) <= set(ids)
                assert not re.findall(r"\b[a-z]+_?[a-z]*\b(?<!m\d)", re.sub(r"\bm\d+_\w+", "", expression))


def test_expressions_have_labels_so_that_no_id_is_shown(context: Make) -> None:
    boards = _boards(context(enrichment=False, slo=None)).values()
    widgets = [one for board in boards for one in dashboard_body(board, region="us-east-1")["widgets"]]
    options = [row[-1] for widget in widgets for row in widget["properties"].get("metrics", [])]
    labels = [one.get("label") for one in options if "SEARCH" not in one.get("expression", "SEARCH")]
    assert (all(labels), "Availability (5m)" in labels) == (True, True)


def test_gpus_without_enrichment_are_found_by_instance_and_accelerator_in_percent(context: Make) -> None:
    memory = _panel(_boards(context(enrichment=False))["prod_gpus"], "chat: GPU memory")
    assert "InstanceId,AcceleratorId} MetricName=" in memory.maths[0].expression
    assert 'EndpointName="prod-chat"' in memory.maths[0].expression
    assert (memory.unit, memory.bands[0].low) == ("percent", 97)


def test_gpus_with_enrichment_are_a_heat_map(context: Make) -> None:
    assert _panel(_boards(context())["prod_gpus"], "chat: GPU use").view == "heatmap"


def test_speculative_decoding_has_a_dashboard_where_it_is_used(context: Make) -> None:
    board = _boards(context(**DRAFTED, slo={"accept_length": 2.5}))["prod_speculative"]
    accepted = _panel(board, "chat/llama: Accept length")
    assert [(band.label, band.low) for band in accepted.bands] == [("as promoted", 2.5)]
    assert "prod_speculative" not in _boards(context(enrichment=False, **DRAFTED))


def test_a_component_whose_draft_has_to_be_promoted_first_has_that_dashboard_too(context: Make) -> None:
    board = _boards(context(speculative={"ngram": {}}))["prod_speculative"]
    assert board == _boards(context(**DRAFTED))["prod_speculative"]


def test_adapters_have_a_dashboard_with_their_places_and_the_requests_of_each(context: Make) -> None:
    board = _boards(context(**ADAPTED))["prod_adapters"]
    loaded = _panel(board, "chat/llama: Adapters loaded")
    assert [band.low for band in loaded.bands] == [4]
    (math,) = _panel(board, "chat/llama: Requests of each adapter").maths
    assert [dict(metric.dimensions) for metric in math.metrics.values()] == [
        {"InferenceComponentName": "prod-chat-llama-triage"}
    ]
    without = _boards(context(enrichment=False, **ADAPTED))["prod_adapters"]
    assert [panel.title for _, panel in _panels(context(enrichment=False, **ADAPTED)) if "adapter" in panel.title]
    assert "OTel enrichment is off" in _texts(without)


@pytest.mark.parametrize("enrichment", [True, False])
def test_links_lead_to_dashboards_that_exist_and_to_logs(context: Make, enrichment: bool) -> None:
    boards = _boards(context(enrichment=enrichment, runbooks="https://docs.example.com/runbooks", **ADAPTED))
    for board in boards.values():
        text = _texts(board)
        assert set(re.findall(r"#dashboards:name=([^)]+)\)", text)) <= set(boards), board.name
        assert "[Runbooks](https://docs.example.com/runbooks)" in text
        assert "SageMaker AI Insights" in text
    logs = "#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FInferenceComponents$252Fprod-chat-llama)"
    assert logs in _texts(boards["prod-chat_components"])


def test_a_folder_of_runbooks_is_named_and_not_linked(context: Make) -> None:
    text = _texts(_boards(context(runbooks="docs/runbooks"))["prod_fleet"])
    assert "Runbooks: docs/runbooks of the repository" in text


@pytest.mark.parametrize("enrichment", [True, False])
def test_no_panel_covers_another_or_leaves_the_grid(enrichment: bool) -> None:
    context = DashboardContext(
        name="prod",
        endpoints=observe({"chat": {"llama": {**COMPONENT, **ADAPTED}, "plain": COMPONENT}}),
        enrichment=enrichment,
    )
    for board in all_boards(context):
        taken: set[tuple[int, int]] = set()
        for place in placed(board):
            cells = {
                (place.x + column, place.y + row)
                for column in range(place.panel.width)
                for row in range(place.panel.height)
            }
            assert not cells & taken, (board.name, place)
            assert place.x + place.panel.width <= 24, (board.name, place)
            taken |= cells


def test_an_endpoint_without_a_promise_says_how_to_make_one(context: Make) -> None:
    assert "slo: {availability_percent: 99.9}" in _texts(_boards(context(slo=None))["prod-chat"])
    promised = _boards(context())["prod-chat"]
    assert "slo:" not in _texts(promised)
    assert _panel(promised, "Burn rate of the error budget (1h)").bands[0].low == 1


def test_an_objective_below_the_first_bucket_of_the_histogram_has_no_goodput(context: Make) -> None:
    board = _boards(context(slo={"ttft_ms": 1000, "tpot_ms": 0.001}))["prod-chat_components"]
    assert not [panel for row in board.rows for panel in row if isinstance(panel, Panel) and "Goodput" in panel.title]


@pytest.mark.parametrize("enrichment", [True, False])
def test_where_costs_are_sampled_copies_wanted_and_what_scales_them_are_drawn(context: Make, enrichment: bool) -> None:
    boards = _boards(context(enrichment=enrichment, sampled=300))
    copies = _panel(boards["prod-chat_components"], "Copies wanted and running")
    assert [(one.label, one.metrics["metric"].metric.name) for one in copies.maths] == [
        ("Copies wanted", "CopiesWanted"),
        ("Copies running", "CopiesRunning"),
    ]
    assert {one.metrics["metric"].dimensions["InferenceComponentName"] for one in copies.maths} == {"prod-chat-llama"}
    reasons = _panel(boards["prod-chat_components"], "What scaled it, by reason")
    assert [one.metrics["metric"].dimensions["Reason"] for one in reasons.maths] == list(SCALING_REASONS)
    assert {one.period_seconds for one in (*copies.maths, *reasons.maths)} == {300}
    short = _panel(boards["prod-chat"], "Copies wanted that do not run")
    assert short.maths[0].expression == "wanted - running"
    assert _panel(boards["prod-chat"], "Scaling decisions").maths[0].label == "llama"
    assert not any(SCALING in str(panel) for _, panel in _panels(context(enrichment=enrichment)))


def test_costs_have_a_dashboard_by_endpoint_component_and_team(context: Make) -> None:
    adapters = {"triage": {"key": "adapters/triage-v3.tar.gz", "team": "support"}}
    boards = _boards(context(sampled=300, team="search", **(ADAPTED | {"adapters": adapters})))
    assert "prod_costs" in _texts(boards["prod_fleet"])
    board = boards["prod_costs"]
    lines = {
        panel.title: [(one.label, one.metrics["metric"].dimensions) for one in panel.maths]
        for row in board.rows
        for panel in row
        if isinstance(panel, Panel)
    }
    assert lines == {
        "US dollars per hour now": [("chat", {"Endpoint": "chat"})],
        "US dollars per day, by team": [("search", {"Team": "search"}), ("support", {"Team": "support"})],
        "US dollars per day, by component": [
            ("chat/llama", {"Endpoint": "chat", "Component": "llama"}),
            ("chat: GPUs that no copy reserved", {"Endpoint": "chat", "Component": "(unallocated)"}),
        ],
    }
    assert "prod_costs" not in _boards(context())


def test_costs_of_many_components_keep_to_what_a_widget_and_a_dashboard_take() -> None:
    context = DashboardContext(name="prod", endpoints=many(20, 120), enrichment=True, sampled_seconds=300)
    drawn = list(cost_boards(context))
    assert [board.name for board in drawn] == ["prod_costs", "prod_costs-2"]
    titles = [panel.title for board in drawn for row in board.rows for panel in row if isinstance(panel, Panel)]
    assert titles[-1] == "US dollars per day, by component, 2301 to 2400 of 2400"
    for board in drawn:
        problems = dashboard_problems("x", board.name, dashboard_body(board, region="us-east-1"))
        assert list(problems) == []


def test_panels_of_a_component_stand_in_even_rows_that_leave_each_room_for_its_words(context: Make) -> None:
    numbers = list(range(11))
    assert list(even_rows(numbers, most=4)) == [numbers[:4], numbers[4:8], numbers[8:]]
    assert [len(row) for row in even_rows(numbers[:9], most=4)] == [3, 3, 3]
    assert [len(row) for row in even_rows(numbers[:5], most=4)] == [3, 2]
    assert list(even_rows([], most=4)) == []
    board = _boards(context(enrichment=True))["prod-chat_components"]
    assert {panel.width for row in board.rows for panel in row if isinstance(panel, Panel)} <= {6, 8, 12}
