"""Dashboard of an agent: its runtime, its tools and its memory. No CDK.

All of it is classic metrics, which AgentCore publishes without any setting, so that it needs no OTel enrichment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cdk_sglang.metrics.agentcore import DEFAULT_ENDPOINT, AgentMetrics
from cdk_sglang.metrics.classic import Classic, ClassicMetric, math
from cdk_sglang.observability.dashboards.context import DashboardContext, board_link
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, Panel, Text, board

_OBSERVABILITY: Final = "https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-view.html"
"""Page of AWS's own view of sessions and traces."""
_MEMORY_OPERATIONS: Final = ("CreateEvent", "ListEvents")
"""Operations of a memory that the agent uses in every turn."""


def agent_board(
    name: str,
    metrics: AgentMetrics,
    *,
    model_endpoint: str,
    endpoints: Sequence[str] = (),
    runbooks: str | None = None,
) -> Board:
    """Return the dashboard of an agent.

    Args:
        name: Name of the fleet, which the dashboard's name begins with.
        metrics: Metrics of the agent.
        model_endpoint: SageMaker's name of the endpoint of the agent's model; its dashboard is linked.
        endpoints: Named endpoints of the runtime, beside AgentCore's own.
        runbooks: Address of runbooks, or their folder in a repository; none by default.
    """
    context = DashboardContext(name=name, endpoints=(), enrichment=False, runbooks=runbooks)
    title = f"Agent of {name}"
    links = (
        board_link("Model and its tokens", model_endpoint),
        f"[Sessions and traces: AgentCore Observability]({_OBSERVABILITY})",
    )
    qualifiers = (DEFAULT_ENDPOINT, *endpoints)
    rows: list[list[AnyPanel | None]] = [
        [context.header(title, *links)],
        _traffic(metrics, qualifiers),
        _speed(metrics, qualifiers),
    ]
    if metrics.gateway_arn is not None:
        rows += [[Text(markdown="## Tools", height=1)], _tools(metrics)]
    if metrics.memory_arn is not None:
        rows += [[Text(markdown="## Memory", height=1)], _memory(metrics)]
    return board(context.board_name("agent"), title, rows)


def _traffic(metrics: AgentMetrics, qualifiers: Sequence[str]) -> list[AnyPanel | None]:
    def of_runtime(*names: tuple[str, str]) -> tuple[Classic, ...]:
        return tuple(
            _line(metrics.runtime(name, endpoint=endpoint), _label(label, endpoint, qualifiers))
            for endpoint in qualifiers
            for name, label in names
        )

    return [
        Panel(
            title="Turns per 5 minutes",
            advice="None where there should be: ask it with `cdk-sglang agent invoke`, then look at its callers.",
            unit="turns",
            maths=of_runtime(("Invocations", "turns")),
        ),
        Panel(
            title="Failed turns per 5 minutes",
            advice="System: look at the runtime's log for a start that took over 30 s. User: at callers' rights and payloads.",
            unit="turns",
            maths=of_runtime(("SystemErrors", "system"), ("UserErrors", "user")),
        ),
        Panel(
            title="Throttled turns per 5 minutes",
            advice="Any for long: ask AWS for a higher quota of InvokeAgentRuntime, or let callers wait and retry.",
            unit="turns",
            maths=of_runtime(("Throttles", "throttled")),
        ),
    ]


def _speed(metrics: AgentMetrics, qualifiers: Sequence[str]) -> list[AnyPanel | None]:
    latencies = tuple(
        _line(
            metrics.runtime("Latency", endpoint=endpoint, statistic=statistic), _label(statistic, endpoint, qualifiers)
        )
        for endpoint in qualifiers
        for statistic in ("p50", "p99")
    )
    sessions = tuple(
        _line(metrics.runtime("SessionCount", endpoint=endpoint), _label("begun", endpoint, qualifiers))
        for endpoint in qualifiers
    )
    return [
        Panel(
            title="Length of a turn",
            advice="Longer than usual: compare with the model's and the tools' latency; a sleeping model wakes in minutes.",
            unit="milliseconds",
            maths=latencies,
            width=12,
        ),
        Panel(
            title="Sessions begun per 5 minutes",
            advice="As many as turns: callers send a new session id each time, and pay a cold start and the context for it.",
            unit="sessions",
            maths=sessions,
            width=12,
        ),
    ]


def _tools(metrics: AgentMetrics) -> list[AnyPanel | None]:
    return [
        _panel(
            "Requests to the gateway per 5 minutes",
            "None while there are turns: see whether the model calls tools at all (the parser of its component), then at 403s.",
            "requests",
            {"requests": metrics.gateway("Invocations"), "throttled": metrics.gateway("Throttles")},
        ),
        _panel(
            "Failed requests to the gateway per 5 minutes",
            "System: look at the functions' logs. User: arguments that the schema, or calls that a policy refuses.",
            "requests",
            {"system": metrics.gateway("SystemErrors"), "user": metrics.gateway("UserErrors")},
        ),
        _panel(
            "Length of a request to the gateway (p99)",
            "Nearly all of it in the tools: look at their functions. Little of it: look at the gateway's throttles.",
            "milliseconds",
            {"whole": metrics.gateway("Duration"), "in the tools": metrics.gateway("TargetExecutionTime")},
        ),
    ]


def _memory(metrics: AgentMetrics) -> list[AnyPanel | None]:
    def of_memory(name: str) -> dict[str, ClassicMetric | None]:
        return {operation: metrics.memory(name, operation=operation) for operation in _MEMORY_OPERATIONS}

    return [
        _panel(
            "Requests to the memory per 5 minutes",
            "Many more than turns: an agent of your own writes each message by itself; write them in batches.",
            "requests",
            of_memory("Invocations"),
        ),
        _panel(
            "Failed requests to the memory per 5 minutes",
            "Any for long: look at the agent's role and at the key; until then turns are answered without earlier ones.",
            "requests",
            of_memory("Errors"),
        ),
        _panel(
            "Length of a request to the memory (p99)",
            "A large part of a turn: shorten what is kept (agent.memory.expiry_days), or switch the memory off.",
            "milliseconds",
            of_memory("Latency"),
        ),
    ]


def _panel(title: str, advice: str, unit: str, metrics: dict[str, ClassicMetric | None]) -> Panel:
    lines = tuple(_line(metric, label) for label, metric in metrics.items() if metric is not None)
    return Panel(title=title, advice=advice, unit=unit, maths=lines)


def _line(metric: ClassicMetric, label: str) -> Classic:
    found = math("shown", {"shown": metric}, period_seconds=metric.period_seconds)
    assert found is not None
    return replace(found, label=label)


def _label(text: str, endpoint: str, qualifiers: Sequence[str]) -> str:
    return text if len(qualifiers) == 1 else f"{endpoint}: {text}"
