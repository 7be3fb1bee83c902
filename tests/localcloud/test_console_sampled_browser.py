"""Costs, copies and scaling decisions, which showback samples, drawn by the library's own dashboards in a real browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.environments.planning import observed_endpoints, resolve_fleet
from cdk_sglang.environments.settings import Environment
from cdk_sglang.observability.dashboards.boards import all_boards
from cdk_sglang.observability.dashboards.body import dashboard_body
from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.dashboards.limits import body_json
from localcloud.aws.server import LocalCloud
from tests.support.browser import Page

_NAMESPACES = ("cdk-sglang/prod", "cdk-sglang/Scaling")
_DAY = 86_400
_SAMPLED_SECONDS = 300
_MODEL = {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"}
_SCALED = {"model": _MODEL, "scaling": {"min_copies": 1, "max_copies": 4}}
_SETTINGS: dict[str, Any] = {
    "account": "111122223333",
    "region": "us-east-1",
    "network": {"vpc": "none"},
    "endpoints": {
        "chat": {
            "capacity": {"type": "ml.g6e.48xlarge", "max_instances": 4},
            "components": {"llama": {**_SCALED, "team": "search"}, "second-llama": {**_SCALED, "team": "support"}},
        }
    },
}
PANELS = {
    "prod_costs": ("US dollars per hour now", "US dollars per day, by team", "US dollars per day, by component"),
    "prod-chat": ("Copies wanted that do not run", "Scaling decisions"),
    "prod-chat_components": ("Copies wanted and running", "What scaled it, by reason"),
}


def _panel(title: str) -> str:
    """Return JavaScript for the panel whose title begins with a text."""
    return f"[...document.querySelectorAll('.panel')].find((one) => one.querySelector('h2')?.textContent.startsWith({json.dumps(title)}))"


def _painted(title: str) -> str:
    """Return JavaScript for the number of different colours on a panel's canvas."""
    return f"""(() => {{
      const canvas = {_panel(title)}.querySelector("canvas");
      const data = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
      return new Set(data).size;
    }})()"""


@pytest.fixture(scope="module")
def page(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(browser, tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


@pytest.fixture(scope="module")
def bodies() -> dict[str, dict[str, Any]]:
    """Return the bodies of the dashboards of a small fleet without OTel enrichment, whose showback samples it."""
    settings = Environment.model_validate(_SETTINGS)
    context = DashboardContext(
        name="prod",
        endpoints=observed_endpoints("prod", resolve_fleet(settings, name="prod")),
        enrichment=False,
        sampled_seconds=_SAMPLED_SECONDS,
    )
    return {
        board.name: json.loads(body_json(dashboard_body(board, region="us-east-1"))) for board in all_boards(context)
    }


@pytest.fixture
def drawn(cloud: LocalCloud, client: Callable[[str], Any], bodies: dict[str, dict[str, Any]], page: Page) -> LocalCloud:
    """The dashboards in the embedded AWS, with data for every metric of them that showback samples."""
    cloudwatch = client("cloudwatch")
    for name in PANELS:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps(bodies[name]))
    for metric in {json.dumps(one) for name in PANELS for one in _sampled(bodies[name])}:
        _publish(cloudwatch, *json.loads(metric))
    page.problems.clear()
    return cloud


def _sampled(body: dict[str, Any]) -> Iterator[list[str]]:
    """Yield namespace, name, and names and values of dimensions, of every metric of a dashboard that showback publishes."""
    for widget in body["widgets"]:
        for row in widget["properties"].get("metrics", []):
            if row[0] in _NAMESPACES:
                yield [part for part in row if isinstance(part, str)]


def _publish(cloudwatch: Any, namespace: str, name: str, *dimensions: str) -> None:
    """Publish a metric: a value for each of ten days if it is a daily one, else for each sample of two hours."""
    daily = name == "CostUsd"
    step, count = (_DAY, 10) if daily else (_SAMPLED_SECONDS, 24)
    now = time.time() // step * step
    pairs = list(zip(dimensions[::2], dimensions[1::2], strict=True))
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in pairs],
            "Timestamp": datetime.fromtimestamp(now - step * back, UTC),
            "Value": 2.0 + (back * 7 + len(f"{name} {dimensions}")) % 5,
        }
        for back in reversed(range(count))
    ]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)


@pytest.mark.parametrize("screen", [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")])
@pytest.mark.parametrize("name", PANELS)
def test_what_is_sampled_is_drawn(
    drawn: LocalCloud, page: Page, tmp_path: Path, name: str, screen: tuple[int, str]
) -> None:
    width, scheme = screen
    page.open(
        drawn.credentials.console_address(drawn.url).replace("#", f"?dashboard={name}#"),
        width=width,
        height=5000 if width == 400 else 2600,
        scheme=scheme,
    )
    page.until("document.querySelector('.panel') && !document.querySelector('[aria-busy]')")
    for title in PANELS[name]:
        page.until(f"{_painted(title)} > 20")  # axes, lines and their soft edges
        assert "No data" not in page.value(f"{_panel(title)}.innerText")
    page.screenshot(tmp_path / "sampled.png")
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth"), "nothing is cut off on a phone"
    assert page.problems == []
