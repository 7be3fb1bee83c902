"""Tables of a plan's page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.planning.fleet import ComponentPlan, FleetPlan, Range
    from cdk_sglang.planning.predict import Band

_HOLDS = (
    "component",
    "model",
    "GPUs per copy",
    "copies per instance",
    "copies min to max",
    "KV tokens",
    "requests at context",
)
_SPEED = (
    "component",
    "in flight",
    "TTFT ms",
    "TPOT ms",
    "tokens/s per copy",
    "$/1M in",
    "$/1M out",
    "new copy s",
    "from zero s",
)


_COST = ("endpoint", "instances", "min / typical / max", "$/h min", "$/h typical", "$/h max", "$ per scale-in tail")
_HOST = (
    "component",
    "host memory GiB of a copy",
    "cache's tier",
    "adapters",
    "buffers while loading",
    "weights GB on NVMe",
    "cache's files GB",
    "NVMe GB of an instance",
)


_SIDE_BY_SIDE = 2
"""Types of a pool that are named in one cell; more would make the table wider than a page."""


def costs(plan: FleetPlan) -> str:
    """Return the table of instances and costs."""
    rows = cost_rows(plan)
    tails = iter(endpoint.scale_in_tail_usd for endpoint in plan.endpoints)
    return table(_COST, [[*row, _tail(next(tails)) if row[0] and row[1] else ""] for row in rows])


def _tail(usd: float | None) -> str:
    return "" if usd is None else f"{usd:,.2f}"


def cost_rows(plan: FleetPlan) -> list[list[str]]:
    """Return endpoint, types, instances and dollars per hour; below a pool a row for each of its types, as if all were of it."""
    rows = []
    for endpoint in plan.endpoints:
        names = [one.instance for one in endpoint.types]
        types = " or ".join(names) if len(names) <= _SIDE_BY_SIDE else f"any of {len(names)} types"
        rows.append([endpoint.name, types, *_ranges(endpoint.instances, endpoint.usd_per_hour)])
        if len(endpoint.types) > 1:
            rows += [["", f"all {one.instance}", *_ranges(one.instances, one.usd_per_hour)] for one in endpoint.types]
    if len(plan.endpoints) > 1:
        rows.append(["all", "", "", *_ranges(None, plan.usd_per_hour)[1:]])
    return rows


def origins(plan: FleetPlan, *, with_source: bool = False) -> list[str]:
    """Return where prices and models come from, a line each; models of the package's catalogue share one.

    Args:
        plan: The plan.
        with_source: Say where each price was read as well, which takes lines of its own.
    """
    lines: dict[str, None] = {}
    for one in (one for endpoint in plan.endpoints for one in endpoint.types):
        price = one.price
        if price is not None:
            source = f", read from {_bare(price.source)}" if with_source else ""
            lines[
                f"price of {one.instance}: {price.usd_per_hour:,.2f} $/h, {price.kind} in {price.region} of {price.date}, from "
                f"{price.file or 'the package'}{source}"
            ] = None
    components = [component for endpoint in plan.endpoints for component in endpoint.components]
    known = dict.fromkeys(component.model for component in components if not component.facts_file)
    if known:
        lines[f"from the package's catalogue: {', '.join(known)}"] = None
    for component in components:
        if component.facts_file:
            day = f" on {component.facts_date}" if component.facts_date else ""
            lines[f"from {component.facts_file}: {component.model}, read from {_bare(component.facts_source)}{day}"] = (
                None
            )
    return list(lines)


def _bare(address: str) -> str:
    """Return an address without its scheme: a page that is looked at without a network has no links."""
    return address.replace("https://", "").replace("http://", "")


def _ranges(count: Range | None, usd: Range | None) -> list[str]:
    counts = f"{count.low:g} / {count.typical:g} / {count.high:g}" if count else ""
    return [counts, *([f"{v:,.2f}" for v in (usd.low, usd.typical, usd.high)] if usd else ["unknown"] * 3)]


def host(components: Sequence[ComponentPlan]) -> str:
    """Return the table of host memory and NVMe."""
    return table(_HOST, [_hosted(component) for component in components])


def _hosted(component: ComponentPlan) -> list[str]:
    host, disk = component.host, component.disk
    memory = ["unknown"] * 4
    if host is not None:
        memory = [f"{gib:,.1f}" for gib in (host.reserved_gib, host.cache_gib, host.adapters_gib, host.loading_gib)]
    if disk is None:
        return [component.name, *memory, "unknown", "unknown", "none"]
    files = "no limit" if disk.cache_gb is None else f"{disk.copies} x {disk.cache_gb:,.0f}" if disk.cache_gb else "0"
    return [component.name, *memory, f"{disk.weights_gb:,.0f}", files, f"{disk.nvme_gb:,.0f}"]


def holds(components: Sequence[ComponentPlan]) -> str:
    """Return the table of what copies take and hold."""
    return table(_HOLDS, [_held(component) for component in components])


def _held(component: ComponentPlan) -> list[str]:
    return [
        component.name,
        component.model,
        str(component.gpus),
        str(component.copies_per_instance),
        f"{component.min_copies} to {component.max_copies}",
        f"{component.memory.kv_tokens:,}",
        f"{component.requests_at_context:,} at {component.context_length:,}",
    ]


def speed(components: Sequence[ComponentPlan]) -> str:
    """Return the table of times and prices."""
    return table(_SPEED, [_timed(component) for component in components])


def _timed(component: ComponentPlan) -> list[str]:
    return [
        component.name,
        f"{component.concurrency:g}",
        spread(component.ttft_ms),
        spread(component.tpot_ms),
        spread(component.output_tok_s),
        money(component.usd_per_million_input_tokens),
        money(component.usd_per_million_output_tokens),
        f"{component.start_up.new_copy:,.0f}",
        f"{component.start_up.from_zero:,.0f}",
    ]


def spread(band: Band | None) -> str:
    """Return a predicted number with its band."""
    if band is None:
        return "unknown"
    digits = 0 if band.value >= 100 else 1  # noqa: PLR2004 # milliseconds need no tenths beyond
    return f"{band.value:,.{digits}f} ({band.low:,.{digits}f} to {band.high:,.{digits}f})"


def money(value: float | None) -> str:
    """Return dollars; small sums with a digit more."""
    return "unknown" if value is None else f"{value:,.3f}" if value < 1 else f"{value:,.2f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; columns of words are set left, columns of numbers right."""
    words = [any(row[index][:1].isalpha() and row[index] != "unknown" for row in rows) for index in range(len(head))]

    def line(tag: str, cells: Sequence[str]) -> str:
        left = (' class="text"' if text else "" for text in words)
        shown = (f"<{tag}{side}>{escape(cell)}</{tag}>" for side, cell in zip(left, cells, strict=True))
        return "<tr>" + "".join(shown) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return f'<div class="wide"><table><thead>{line("th", head)}</thead><tbody>{body}</tbody></table></div>'
