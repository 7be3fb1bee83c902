"""First rows of every dashboard: title and links, and a hint if CloudWatch does not answer PromQL. No CDK."""

from __future__ import annotations

from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.dashboards.panel import AnyPanel, Text
from cdk_sglang.observability.enrichment_cost import COST


def opening(context: DashboardContext, title: str, *links: str) -> list[list[AnyPanel | None]]:
    """Return the first rows of a dashboard.

    Args:
        context: The fleet.
        title: Title of the dashboard.
        links: Links in addition to those of every dashboard, in Markdown.
    """
    header = context.header(title, *links)
    return [[header]] if context.enrichment else [[header], [enrichment_hint()]]


def enrichment_hint() -> Text:
    """Return how to enable OTel enrichment, what it shows and what it costs."""
    return Text(
        markdown=(
            "**Only part of the picture: OTel enrichment is off.** With it, these dashboards show time to the first token and per token beside the "
            "plan, tokens per second, KV cache, queue, prefix cache, accept length, start-up by phase and each GPU. "
            "Set `observability: {enrichment: enable}` in the environment (or `enabled`, if the account has it) and deploy. "
            f"It covers the whole account and Region and costs {COST}."
        ),
        height=3,
    )
