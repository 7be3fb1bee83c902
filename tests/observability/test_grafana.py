"""Grafana's dashboards: the same panels at the same places, of PromQL alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError
from cdk_sglang.cli.main import app
from cdk_sglang.observability.dashboards.boards import all_boards
from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.dashboards.layout import placed
from cdk_sglang.observability.dashboards.panel import Panel
from cdk_sglang.observability.grafana import grafana_dashboards
from tests.observability.dashboards.conftest import many

CONTEXT = DashboardContext(name="prod", endpoints=many(1, 2), enrichment=True)


@pytest.fixture
def dashboards() -> dict[str, Any]:
    pytest.importorskip("grafana_foundation_sdk", reason="the extra grafana is not installed")
    return {name: json.loads(text) for name, text in grafana_dashboards(CONTEXT).items()}


def test_each_dashboard_is_written_under_the_name_of_cloudwatchs(dashboards: dict[str, Any]) -> None:
    assert list(dashboards) == [board.name for board in all_boards(CONTEXT)]
    assert [one["uid"] for one in dashboards.values()] == list(dashboards)


def test_every_query_of_cloudwatch_is_there_with_its_advice(dashboards: dict[str, Any]) -> None:
    for board in all_boards(CONTEXT):
        panels = [p for p in dashboards[board.name]["panels"] if p["type"] != "text"]
        drawn = [place.panel for place in placed(board) if isinstance(place.panel, Panel) and place.panel.lines]
        assert [panel["title"] for panel in panels] == [panel.title for panel in drawn]
        for panel, one in zip(panels, drawn, strict=True):
            assert panel["description"] == one.advice
            queries = [target["expr"] for target in panel["targets"]]
            assert queries[: len(one.lines)] == [line.query for line in one.lines]
            assert len({target["refId"] for target in panel["targets"]}) == len(queries)
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_the_plans_band_and_the_objective_are_lines_with_their_names(dashboards: dict[str, Any]) -> None:
    panels = dashboards["prod-endpoint-0_components"]["panels"]
    ttft = next(panel for panel in panels if panel.get("title", "").startswith("Time to the first token"))
    assert [target["legendFormat"] for target in ttft["targets"][1:]] == ["plan, low", "plan, high", "objective"]
    assert ttft["fieldConfig"]["defaults"]["unit"] == "s"


def test_no_link_leads_into_the_console_of_aws(dashboards: dict[str, Any]) -> None:
    assert "](#" not in json.dumps(dashboards)


def test_two_exports_are_identical() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="the extra grafana is not installed")
    assert grafana_dashboards(CONTEXT) == grafana_dashboards(CONTEXT)


def test_without_the_extra_the_command_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("grafana_foundation_sdk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'cdk-sglang\[grafana\]'"):
        grafana_dashboards(CONTEXT)


def test_the_command_writes_a_file_for_each_dashboard(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="the extra grafana is not installed")
    monkeypatch.chdir(root)
    done = CliRunner().invoke(app, ["grafana", "--env", "dev", "--into", str(tmp_path / "grafana")])
    assert done.exit_code == 0, done.output
    files = sorted(path.name for path in (tmp_path / "grafana").iterdir())
    assert files == [
        "dev-chat.json",
        "dev-chat_components.json",
        "dev_capacity.json",
        "dev_fleet.json",
        "dev_gpus.json",
    ]
