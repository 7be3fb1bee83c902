"""One screen for a person: a table per endpoint if there is room, else lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cdk_sglang.cli.status.report import (
    WRONG,
    ComponentStatus,
    EndpointReport,
    FiringAlarm,
    InstancesStatus,
    Planned,
    Range,
    State,
    StatusReport,
)

_WIDE_FROM: Final = 120
"""Minimum characters per line for a table of components."""
_UNKNOWN: Final = "-"
_WHOLE_FROM: Final = 100
_STEP_MAX: Final = 200


def screen(report: StatusReport, *, width: int) -> RenderableType:
    """Return the screen.

    Args:
        report: The environment.
        width: Characters per line.
    """
    cost = "unknown" if report.usd_per_hour is None else f"{report.usd_per_hour:,.2f}"
    head = Text(
        f"{report.environment} in {report.region} at {report.at:%Y-%m-%d %H:%M:%S} UTC: {cost} $/h now", style="bold"
    )
    parts: list[RenderableType] = [head]
    for endpoint in report.endpoints:
        parts += [Text(), *_endpoint(endpoint, wide=width >= _WIDE_FROM)]
    parts += [Text(), *_end(report)]
    return Group(*parts)


def print_report(report: StatusReport, console: Console) -> None:
    """Print the screen on a console.

    Args:
        report: The environment.
        console: The console.
    """
    console.print(screen(report, width=console.width))


def _endpoint(endpoint: EndpointReport, *, wide: bool) -> Iterator[RenderableType]:
    title = Text(f"{endpoint.name} ({endpoint.endpoint_name}): ", style="bold")
    yield title.append(endpoint.state, style=_style(endpoint.state))
    if endpoint.reason:
        yield _line("reason", endpoint.reason)
    if endpoint.next_step:
        yield _line("next", endpoint.next_step)
    if endpoint.state == "not deployed":
        return
    yield _line("instances", _instances(endpoint))
    if endpoint.gpus:
        idle = f", {endpoint.gpus_idle} of them idle: no copy reserves them" if endpoint.gpus_idle else ", none idle"
        yield _line("GPUs", f"{endpoint.gpus}{idle}")
    yield from ([_table(endpoint)] if wide else _blocks(endpoint))
    for component in endpoint.components:
        if component.reason:
            yield _line(f"{component.name}: reason", component.reason)
        if component.state == "copies missing":
            yield _line(
                f"{component.name}: next",
                f"read /aws/sagemaker/InferenceComponents/{component.component_name} (saved query: errors by copy); "
                "no line there: no instance could be had yet",
            )
    if endpoint.not_measured:
        yield _line("not measured", endpoint.not_measured)


def _instances(endpoint: EndpointReport) -> str:
    if not endpoint.instances:
        return "none"
    text = ", ".join(f"{one.running} x {one.type}{_price(one)}" for one in endpoint.instances)
    running = sum(one.running for one in endpoint.instances)
    return text if running == endpoint.instances_wanted else f"{text}; {endpoint.instances_wanted} wanted"


def _price(one: InstancesStatus) -> str:
    if one.usd_per_hour is None:
        return " (price unknown)"
    estimate = "estimate, " if one.price_is_estimate else ""
    return f" at {one.usd_per_hour:,.2f} $/h ({estimate}{one.price_date})"


def _table(endpoint: EndpointReport) -> Table:
    table = Table(
        "component",
        "state",
        "copies",
        "TTFT ms\nmean / p99",
        "TPOT ms\nmean / p99",
        "tokens/s",
        "requests/s",
        "KV",
        "queue",
        "budget left",
    )
    for one in endpoint.components:
        table.add_row(
            one.name,
            Text(one.state, style=_style(one.state)),
            "\n".join(_copies(one)),
            *("\n".join(filter(None, pair)) for pair in _against_plan(one)),
            "\n".join(_requests(one)),
            _percent(one.measured.kv_share_used),
            _number(one.measured.queue),
            _budget(one),
        )
    return table


def _blocks(endpoint: EndpointReport) -> Iterator[RenderableType]:
    for one in endpoint.components:
        copies, *more = _copies(one)
        yield Text(f"  {one.name}: ").append(one.state, style=_style(one.state)).append(f", {copies}")
        ttft, tpot, tokens = (", ".join(filter(None, pair)) for pair in _against_plan(one))
        rows = {
            "copies": ", ".join(more),
            "TTFT ms": ttft,
            "TPOT ms": tpot,
            "tokens/s": tokens,
            "requests/s": ", ".join(_requests(one)),
            "KV, queue": f"{_percent(one.measured.kv_share_used)}, {_number(one.measured.queue)}",
            "budget left": _budget(one),
        }
        for name, value in rows.items():
            if value.strip(f"{_UNKNOWN}, "):
                yield _line(f"  {name}", value)


def _copies(one: ComponentStatus) -> list[str]:
    lines = [f"{one.copies_running} of {one.copies_wanted}"]
    if one.copies_least is not None:
        lines.append(f"bounds {one.copies_least}-{one.copies_most}")
    if one.adapters:
        lines.append(f"{len(one.adapters)} adapters")
    return lines


def _against_plan(one: ComponentStatus) -> tuple[tuple[str, str], ...]:
    """Return what was measured and what the plan says of TTFT, TPOT and tokens per second."""
    measured, planned = one.measured, one.planned or Planned()
    copies = max(1, one.copies_running)
    return (
        (_pair(measured.ttft_mean_ms, measured.ttft_p99_ms), _plan(planned.ttft_ms)),
        (_pair(measured.tpot_mean_ms, measured.tpot_p99_ms), _plan(planned.tpot_ms)),
        (_number(measured.output_tok_s), _plan(planned.output_tok_s, copies)),
    )


def _pair(mean: float | None, p99: float | None) -> str:
    return _UNKNOWN if mean is None and p99 is None else f"{_number(mean)} / {_number(p99)}"


def _plan(band: Range | None, copies: int = 1) -> str:
    if band is None:
        return ""
    low, high = (_number(edge * copies) for edge in (band.low, band.high))
    return f"plan {low}-{high}"


def _requests(one: ComponentStatus) -> list[str]:
    if one.measured.requests_per_s is None:
        return [_UNKNOWN]
    failed = one.measured.failed_share
    return [f"{one.measured.requests_per_s:,.2f}", *([f"{failed:.1%} failed"] if failed else [])]


def _budget(one: ComponentStatus) -> str:
    if one.error_budget_left is None:
        return _UNKNOWN
    return f"{one.error_budget_left:.0%} of {one.error_budget_days} days"


def _end(report: StatusReport) -> Iterator[RenderableType]:
    for alarm in report.alarms:
        if not alarm.is_fault:
            yield _line("note", alarm.next_step)
            continue
        yield Text("ALARM ", style="bold red").append(_alarm(alarm), style="default")
        if alarm.next_step:
            yield _line(
                "next", alarm.next_step if len(alarm.next_step) <= _STEP_MAX else f"{alarm.next_step[:_STEP_MAX]}..."
            )
    for what in report.not_read:
        yield Text("not read: ", style="bold yellow").append(what, style="default")
    problems = report.problems
    text = f"wrong: {'; '.join(problems)}" if problems else "healthy"
    yield Text(text, style="bold red" if problems else "bold green")


def _alarm(alarm: FiringAlarm) -> str:
    return (
        alarm.name if alarm.since is None else f"{alarm.name} since {alarm.since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    )


def _line(name: str, value: str) -> Text:
    return Text(f"  {name}: ", style="dim").append(value, style="default")


def _style(state: State) -> str:
    if state in WRONG or state == "not deployed":
        return "bold red"
    return {"in service": "green", "asleep": "blue"}.get(state, "yellow")


def _number(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:,.0f}" if value >= _WHOLE_FROM or value == round(value) else f"{value:,.1f}"


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0%}"
