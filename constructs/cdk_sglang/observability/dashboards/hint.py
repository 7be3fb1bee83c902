"""What dashboards say where CloudWatch does not answer PromQL. No CDK."""

from __future__ import annotations

from cdk_sglang.observability.dashboards.panel import Text
from cdk_sglang.observability.enrichment_cost import COST


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
