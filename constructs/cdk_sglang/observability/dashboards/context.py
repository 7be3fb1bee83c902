"""What every dashboard of a fleet is made from: its endpoints, names of dashboards, links. No CDK."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import quote

from cdk_sglang.metrics.promql import Place
from cdk_sglang.observability.dashboards.panel import Text
from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint

COMPONENT_LOGS: Final = "/aws/sagemaker/InferenceComponents/"
ENDPOINT_LOGS: Final = "/aws/sagemaker/Endpoints/"
"""Beginnings of log groups (https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html, read 2026-11)."""
INSIGHTS: Final = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/SageMaker-AI-Insights-Metrics.html"
"""Page of AWS's own dashboards; the address of these dashboards in the console is documented nowhere."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A component and its endpoint.

    Attributes:
        endpoint: The endpoint.
        component: The component.
    """

    endpoint: ObservedEndpoint
    component: ObservedComponent

    @property
    def place(self) -> Place:
        """Metrics of the component; its name alone is unique in an account and Region, and a shorter query."""
        return Place(component=self.component.component_name)

    @property
    def title(self) -> str:
        """Name of the component for people."""
        return f"{self.endpoint.name}/{self.component.name}"


_LINKS_PER_ROW: Final = 10
Detail: TypeAlias = Literal["full", "plan", "endpoints", "fleet"]
"""How much is drawn, from most to least: `full` everything; `plan` of each component what the plan predicts; `endpoints` of each component
its line among those of the endpoint, and of endpoints what matters most; `fleet` no dashboards of single endpoints."""
DETAILS: Final[tuple[Detail, ...]] = get_args(Detail)


@dataclass(frozen=True, kw_only=True)
class DashboardContext:
    """What dashboards are made from.

    Attributes:
        name: Name of the fleet, which the names of dashboards begin with.
        endpoints: Its endpoints.
        enrichment: Whether CloudWatch answers PromQL.
        runbooks: Address of the runbooks, or their folder in a repository; None if there are none.
        detail: How much is drawn.
        agent: Whether the fleet has an agent, whose dashboard is linked.
        sampled_seconds: Seconds between two samples of costs, copies and scaling; None if nothing samples them.
    """

    name: str
    endpoints: tuple[ObservedEndpoint, ...]
    enrichment: bool
    runbooks: str | None = None
    detail: Detail = "full"
    agent: bool = False
    sampled_seconds: int | None = None

    @property
    def is_large(self) -> bool:
        """Whether there are no dashboards of components."""
        return self.detail in {"endpoints", "fleet"}

    @property
    def components(self) -> Iterator[Watched]:
        """Every component with its endpoint."""
        for endpoint in self.endpoints:
            for component in endpoint.components:
                yield Watched(endpoint=endpoint, component=component)

    def board_name(self, kind: str, page: int = 1) -> str:
        """Return the name of a dashboard of the whole fleet; SageMaker's names have no underscore, so none of an endpoint is the same.

        Args:
            kind: What the dashboard shows, such as fleet.
            page: Number of the dashboard, where one cannot hold everything.
        """
        return f"{self.name}_{kind}{_page(page)}"

    def header(self, title: str, *links: str) -> Text:
        """Return the title of a dashboard with its links.

        Args:
            title: The title.
            links: Further links, in Markdown.
        """
        runbooks = [] if self.runbooks is None else [_runbooks(self.runbooks)]
        standard = [
            board_link("Fleet", self.board_name("fleet")),
            f"[GPU panels of AWS: SageMaker AI Insights]({INSIGHTS})",
        ]
        return Text(
            markdown=f"# {title}\n{' · '.join([*standard, *runbooks, *links])}", height=2 + len(links) // _LINKS_PER_ROW
        )


def endpoint_place(endpoint: ObservedEndpoint) -> Place:
    """Return the metrics of an endpoint."""
    return Place(endpoint=endpoint.endpoint_name)


def components_board_name(endpoint: ObservedEndpoint, page: int = 1) -> str:
    """Return the name of an endpoint's dashboard of components.

    Args:
        endpoint: The endpoint.
        page: Number of the dashboard, where one cannot hold everything.
    """
    return f"{endpoint.endpoint_name}_components{_page(page)}"


def board_link(text: str, name: str) -> str:
    """Return a link to another dashboard of the console, in Markdown.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_remove_text_dashboard.html (read 2026-11)
    """
    return f"[{text}](#dashboards:name={name})"


def log_link(text: str, group: str) -> str:
    """Return a link to a log group of the console, in Markdown; the console encodes the name twice, with $ in the place of %."""
    encoded = quote(quote(group, safe=""), safe="").replace("%", "$")
    return f"[{text}](#logsV2:log-groups/log-group/{encoded})"


def _runbooks(address: str) -> str:
    return f"[Runbooks]({address})" if "://" in address else f"Runbooks: {address} of the repository"


def _page(page: int) -> str:
    return "" if page == 1 else f"-{page}"
