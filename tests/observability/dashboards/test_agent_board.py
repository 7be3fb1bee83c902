"""The dashboard of an agent: what it draws, from metrics that AgentCore publishes."""

from __future__ import annotations

import re

import pytest

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.metrics.agentcore import AgentMetrics
from cdk_sglang.observability.dashboards.agent_board import agent_board
from cdk_sglang.observability.dashboards.layout import placed
from cdk_sglang.observability.dashboards.panel import Board, Panel, Text

HERE = "arn:aws:bedrock-agentcore:us-east-1:111122223333"
PLAIN = AgentMetrics(runtime_name="prod_agent", runtime_arn=f"{HERE}:runtime/prod_agent-0123456789")
WHOLE = AgentMetrics(
    runtime_name="prod_agent",
    runtime_arn=PLAIN.runtime_arn,
    gateway_arn=f"{HERE}:gateway/prod-tools-0123456789",
    memory_arn=f"{HERE}:memory/prod_agent_memory-0123456789",
)


def _board(metrics: AgentMetrics, *endpoints: str) -> Board:
    return agent_board("prod", metrics, model_endpoint="prod-chat", endpoints=endpoints, runbooks="docs/runbooks")


def _panels(board: Board) -> list[Panel]:
    return [panel for row in board.rows for panel in row if isinstance(panel, Panel)]


def test_each_panel_has_something_to_draw_and_says_what_to_do() -> None:
    panels = _panels(_board(WHOLE, "stable"))
    assert len(panels) == 11
    for panel in panels:
        assert panel.maths, panel.title
        assert re.fullmatch(r"[A-Z][^\n]{20,}\.", panel.advice), panel.title
        assert panel.unit, panel.title
        assert all(line.label for line in panel.maths), panel.title


def test_it_shows_no_tools_and_no_memory_where_there_are_none() -> None:
    titles = [panel.title for panel in _panels(_board(PLAIN))]
    assert titles == [
        "Turns per 5 minutes",
        "Failed turns per 5 minutes",
        "Throttled turns per 5 minutes",
        "Length of a turn",
        "Sessions begun per 5 minutes",
    ]


def test_every_endpoint_of_the_runtime_has_its_line() -> None:
    turns = _panels(_board(PLAIN, "stable"))[0]
    assert [line.label for line in turns.maths] == ["DEFAULT: turns", "stable: turns"]
    assert [metric.dimensions["Name"] for line in turns.maths for metric in line.metrics.values()] == [
        "prod_agent::DEFAULT",
        "prod_agent::stable",
    ]


def test_it_leads_to_the_fleet_to_its_model_and_to_the_runbooks() -> None:
    (text,) = (panel.markdown for row in _board(PLAIN).rows for panel in row if isinstance(panel, Text))
    for link in ("#dashboards:name=prod_fleet)", "#dashboards:name=prod-chat)", "docs/runbooks"):
        assert link in text


def test_no_panel_covers_another_or_leaves_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for place in placed(_board(WHOLE, "stable")):
        cells = {(place.x + x, place.y + y) for x in range(place.panel.width) for y in range(place.panel.height)}
        assert not cells & taken, place
        assert max(x for x, _ in cells) < 24, place
        taken |= cells


def test_a_metric_that_agentcore_does_not_publish_there_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        WHOLE.gateway("TotalErrors")
    assert list(caught.value.problems) == [
        (
            "name: 'TotalErrors' is not published for InvokeGateway; use Duration, Invocations, Latency, SystemErrors, TargetExecutionTime, "
            "Throttles, UserErrors"
        )
    ]
    assert (PLAIN.gateway("Invocations"), PLAIN.memory("Errors", operation="CreateEvent")) == (None, None)
