"""The dashboards as Grafana JSON, for Amazon Managed Grafana or a self-hosted Grafana.

The same panels with the same places (Grafana's grid has 24 columns as CloudWatch's), but of PromQL alone: classic metrics stay in CloudWatch. Needs
the extra `grafana`: the library that describes Grafana's format.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.metrics.figures import Band
from cdk_sglang.observability.dashboards.boards import all_boards
from cdk_sglang.observability.dashboards.chart import ChartBand
from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.dashboards.layout import placed
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, Line, Panel, Text

if TYPE_CHECKING:
    from types import ModuleType

_DATA_SOURCE: Final = "${datasource}"
"""Variable of the dashboard with which the importing user chooses the Prometheus data source."""
_UID_MAX_LENGTH: Final = 40
_UNITS: Final = {
    "seconds": "s",
    "ratio": "percentunit",
    "percent": "percent",
    "celsius": "celsius",
    "USD": "currencyUSD",
    "USD/h": "currencyUSD",
    "requests/s": "reqps",
}
"""Grafana's ids of units (https://github.com/grafana/grafana packages/grafana-data/src/valueFormats/categories.ts, read 2026-11)."""
_CONSOLE_LINK: Final = re.compile(r"( · )\[[^\]]+\]\(#[^)]*\)|\[[^\]]+\]\(#[^)]*\)( · )?")
"""A link within CloudWatch's console."""
_PLOTS: Final = {"heatmap": "timeseries", "number": "stat"}
"""Panels of Grafana by view; lines by default. Its heat map wants buckets, so every GPU has a line."""


def grafana_dashboards(context: DashboardContext) -> dict[str, str]:
    """Return a fleet's dashboards as JSON by the names of CloudWatch's.

    Args:
        context: The fleet; its enrichment must be on, since there is no PromQL without it.

    Raises:
        ConfigurationError: The extra `grafana` is not installed.
    """
    sdk = _Sdk()
    boards = (only_queries(board) for board in all_boards(context))
    return {board.name: sdk.text(board) for board in boards if any(isinstance(p, Panel) for r in board.rows for p in r)}


def only_queries(board: Board) -> Board:
    """Return a dashboard without panels of classic metrics.

    Args:
        board: The dashboard.
    """
    rows = (tuple(panel for panel in row if isinstance(panel, Text) or panel.lines) for row in board.rows)
    return Board(name=board.name, title=board.title, rows=tuple(row for row in rows if row))


class _Sdk:
    """Grafana's library, which only this export needs."""

    def __init__(self) -> None:
        names = ("dashboard", "prometheus", "text", "timeseries", "stat")
        self._builders = {name: _module(f"builders.{name}") for name in names}
        self._models = _module("models.dashboard")
        self._encoder = _module("cog.encoder").JSONEncoder

    def text(self, board: Board) -> str:
        """Return a dashboard as JSON."""
        builder = self._builders["dashboard"]
        variable = builder.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        page = (
            builder.Dashboard(board.title)
            .uid(_uid(board.name))
            .tags(["cdk-sglang"])
            .time("now-6h", "now")
            .with_variable(variable)
        )
        for number, place in enumerate(placed(board), start=1):
            panel = self._panel(place.panel).id(number)
            size = {"w": place.panel.width, "h": place.panel.height}
            page = page.with_panel(panel.grid_pos(self._models.GridPos(x=place.x, y=place.y, **size)))
        return json.dumps(page.build(), cls=self._encoder, indent=1, sort_keys=True) + "\n"

    def _panel(self, panel: AnyPanel) -> Any:
        if isinstance(panel, Text):
            return self._builders["text"].Panel().content(_CONSOLE_LINK.sub("", panel.markdown)).transparent(True)
        kind = _PLOTS.get(panel.view, "timeseries")
        drawn = (
            self._builders[kind]
            .Panel()
            .title(panel.title)
            .description(panel.advice)
            .unit(_UNITS.get(panel.unit, "short"))
        )
        drawn = drawn.datasource(self._models.DataSourceRef(type_val="prometheus", uid=_DATA_SOURCE))
        for number, line in enumerate([*panel.lines, *_bands(panel.bands)]):
            query = self._builders["prometheus"].Dataquery().expr(line.query).ref_id(f"q{number}")
            drawn = drawn.with_target(query if line.label is None else query.legend_format(line.label))
        return drawn


def _bands(bands: Iterable[Band]) -> Iterator[Line]:
    """Yield lines and bands as constant queries, so that their labels are in the legend."""
    for band in bands:
        if band.high is None:
            yield Line(query=f"vector({band.low:.6g})", label=band.label)
            continue
        for query in ChartBand(low=band.low, high=band.high, label=band.label).queries():
            yield Line(query=query.query, label=query.label)


def _uid(name: str) -> str:
    """Return Grafana's id of a dashboard, of up to 40 characters (https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/, read 2026-11)."""
    if len(name) <= _UID_MAX_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _UID_MAX_LENGTH - 9]}-{digest}"


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"grafana_foundation_sdk.{name}")
    except ImportError as error:
        text = f"needs Grafana's library ({error}); install it with `pip install 'cdk-sglang[grafana]'`"
        raise ConfigurationError([Problem("grafana", text)]) from error
