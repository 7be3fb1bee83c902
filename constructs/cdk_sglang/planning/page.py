"""A plan as one self-contained page: no script, no font, no image from elsewhere; light and dark."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from cdk_sglang.planning.cost import POOLS_MEAN
from cdk_sglang.planning.curves import CONCURRENCIES, curve
from cdk_sglang.planning.page_tables import costs, holds, host, money, origins, speed, spread, table
from cdk_sglang.planning.price import PER_MILLION_MEANS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.planning.curves import Curve
    from cdk_sglang.planning.fleet import ComponentPlan, EndpointPlan, FleetPlan, FleetRequest
    from cdk_sglang.planning.predict import Band

_STYLE = """
:root{color-scheme:light dark;--fg:#1b1f24;--soft:#57606a;--bg:#fff;--card:#f6f8fa;--line:#d0d7de;--bad:#b42318;--warn:#8a5a00;
--c0:#2f6fed;--c1:#b3541e;--c2:#1a7f5a;--c3:#8444c4;--c4:#a8326b;--c5:#5b6b00;--free:#e7ebef;--kv:#7aa7f7;--weights:#2f6fed;--rest:#b6c0cb}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--soft:#9aa7b4;--bg:#0d1117;--card:#161b22;--line:#30363d;--bad:#ff8a80;--warn:#e3b341;
--c0:#6ea8fe;--c1:#f0965a;--c2:#4cc38a;--c3:#bd93f9;--c4:#f28bb8;--c5:#c0d04f;--free:#21262d;--kv:#3b6fc4;--weights:#6ea8fe;--rest:#484f58}}
*{box-sizing:border-box}body{margin:0 auto;max-width:70rem;padding:1.5rem;font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{margin:2.2rem 0 .6rem;font-size:1.25rem}h3{margin:1.2rem 0 .4rem;font-size:1rem}
p{margin:.3rem 0}li{overflow-wrap:anywhere}.soft{color:var(--soft)}.bad{color:var(--bad)}.warn{color:var(--warn)}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-size:.87rem}.wide{overflow-x:auto}th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{color:var(--soft);font-weight:600;white-space:normal;vertical-align:bottom;min-width:4em}.text{text-align:left}
.hosts{display:flex;flex-wrap:wrap;gap:.8rem}.host{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.5rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.6rem}
figcaption{font-weight:600;margin-bottom:.3rem}svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font:11px system-ui,sans-serif}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .3em 0 .9em;vertical-align:-.05em}
"""
COLOURS = 6
_CHART_W, _CHART_H, _LEFT, _BOTTOM, _TOP = 320, 190, 46, 26, 10


def plan_html(plan: FleetPlan, request: FleetRequest) -> str:
    """Return the page of a plan.

    Args:
        plan: The plan.
        request: What it was made from: the page draws times against requests in flight.
    """
    requested = {endpoint.name: endpoint for endpoint in request.endpoints}
    body = [_head(plan), _cost(plan)]
    for endpoint in plan.endpoints:
        asked = requested[endpoint.name]
        curves = [
            found
            for component, planned in zip(asked.components, endpoint.components, strict=True)
            if component.facts.described
            and (found := curve(endpoint.name, component, asked.instances[0], planned.gpus)) is not None
        ]
        body.append(_endpoint(endpoint, curves))
    body.append(_origins(plan))
    title = f"Plan of {escape(plan.environment)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _head(plan: FleetPlan) -> str:
    lines = [f"<h1>Plan of {escape(plan.environment)}</h1>", f'<p class="soft">{escape(plan.region)}</p>']
    if plan.problems:
        items = "".join(f"<li>{escape(problem)}</li>" for problem in plan.problems)
        lines.append(f'<h2 class="bad">It cannot be deployed</h2><ul class="bad">{items}</ul>')
    if plan.warnings:
        items = "".join(f"<li>{escape(warning)}</li>" for warning in plan.warnings)
        lines.append(f'<ul class="warn">{items}</ul>')
    return "\n".join(lines)


def _cost(plan: FleetPlan) -> str:
    pools = any(len(endpoint.types) > 1 for endpoint in plan.endpoints)
    return "<h2>Cost</h2>" + costs(plan) + (f'<p class="soft">{escape(POOLS_MEAN)}</p>' if pools else "")


def _origins(plan: FleetPlan) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in origins(plan, with_source=True))
    return f'<h2>Where prices and models come from</h2><ul class="soft">{items}</ul>'


def _endpoint(endpoint: EndpointPlan, curves: Sequence[Curve]) -> str:
    names = [component.name for component in endpoint.components]
    colour = {name: f"var(--c{index % COLOURS})" for index, name in enumerate(names)}
    first = ", the first type of its pool" if len(endpoint.types) > 1 else ""
    parts = [f"<h2>{escape(endpoint.name)} <span class='soft'>on {escape(endpoint.instance)}{first}</span></h2>"]
    parts += [holds(endpoint.components), speed(endpoint.components)]
    parts.append(f'<p class="soft">{escape(PER_MILLION_MEANS)}: {escape(endpoint.instance)}</p>')
    if any(component.host or component.disk for component in endpoint.components):
        parts.append(host(endpoint.components))
    parts.append("<h3>GPUs when fully scaled out</h3>")
    parts.append(_packing(endpoint, colour))
    room = (
        "a rolling update finds room for one more copy of each"
        if endpoint.update_room
        else "a rolling update needs another instance"
    )
    parts.append(f'<p class="soft">{room}; {endpoint.fragmentation:.0%} of GPUs in gaps no copy fits</p>')
    parts += [f'<p class="soft">{escape(note)}</p>' for note in endpoint.notes]
    parts.append("<h3>Memory of each GPU</h3>")
    parts.append(
        '<p class="soft"><span class="key" style="background:var(--weights)"></span>weights, draft, adapters and buffers'
        '<span class="key" style="background:var(--kv)"></span>cache<span class="key" style="background:var(--rest)"></span>kept for activations and graphs</p>'
    )
    parts += [_memory(component) for component in endpoint.components]
    for found in curves:
        parts.append(f"<h3>{escape(found.component)} against requests in flight per copy</h3>")
        parts.append('<div class="charts">')
        shade = colour[found.component]
        parts.append(_chart("time to first token, ms", found.ttft_ms, shade))
        parts.append(_chart("time per output token, ms", found.tpot_ms, shade))
        parts.append(_chart("output tokens per second", found.output_tok_s, shade))
        parts.append("</div>")
    for component in endpoint.components:
        if component.alternatives:
            parts.append(f"<h3>Cheapest that are fast enough for {escape(component.name)}</h3>")
            rows = [
                [
                    a.instance,
                    str(a.tp_size),
                    spread(a.ttft_ms),
                    spread(a.tpot_ms),
                    f"{a.usd_per_hour_per_copy:,.2f}",
                    money(a.usd_per_million_input_tokens),
                    money(a.usd_per_million_output_tokens),
                ]
                for a in component.alternatives
            ]
            head = ["instance", "tp_size", "TTFT ms", "TPOT ms", "$/h per copy", "$/1M in", "$/1M out"]
            parts.append(table(head, rows))
    return "\n".join(parts)


def _packing(endpoint: EndpointPlan, colour: dict[str, str]) -> str:
    keys = "".join(
        f'<span class="key" style="background:{shade}"></span>{escape(name)}' for name, shade in colour.items()
    )
    hosts = []
    for number, layout in enumerate(endpoint.layouts, start=1):
        squares = []
        for index, name in enumerate(layout):
            x, y = index % 4 * 34, index // 4 * 34
            shade = colour.get(name, "var(--free)")
            what = name or "unused"
            squares.append(
                f'<rect x="{x}" y="{y}" width="30" height="30" rx="4" fill="{shade}"><title>GPU {index}: {escape(what)}</title></rect>'
            )
        columns, lines = min(4, len(layout)), math.ceil(len(layout) / 4)
        width, height = columns * 34, lines * 34
        hosts.append(
            f'<div class="host"><svg viewBox="0 0 {width} {height}" style="width:{width}px" role="img" '
            f'aria-label="instance {number}">{"".join(squares)}</svg><span class="soft">{number}</span></div>'
        )
    return f'<p class="soft">{keys}</p><div class="hosts">{"".join(hosts)}</div>'


_WORTH_SHOWING_GIB = 0.05


def _memory(component: ComponentPlan) -> str:
    memory = component.memory
    total = max(memory.total_gib, memory.weights_gib)
    others = {
        "draft": memory.draft_gib,
        "adapters": memory.adapters_gib,
        "communication buffers": memory.communication_gib,
    }
    loaded = memory.weights_gib + sum(others.values())
    cache = max(0.0, memory.cache_gib)
    scale = 600 / total
    bars, x = [], 0.0
    for size, shade, name in (
        (loaded, "--weights", "weights and what is loaded with them"),
        (cache, "--kv", "cache"),
        (max(0.0, memory.total_gib - loaded - cache), "--rest", "kept free"),
    ):
        width = size * scale
        bars.append(
            f'<rect x="{x:.1f}" y="2" width="{width:.1f}" height="22" fill="var({shade})"><title>{name} {size:.1f} GiB</title></rect>'
        )
        x += width
    beside = "".join(f", {size:.1f} GiB {name}" for name, size in others.items() if size >= _WORTH_SHOWING_GIB)
    label = (
        f"{component.name}: {memory.weights_gib:.1f} GiB weights{beside}, {cache:.1f} GiB cache, "
        f"{memory.total_gib:.1f} GiB in all"
    )
    return f'<p>{escape(label)}</p><svg viewBox="0 0 600 26" role="img" aria-label="{escape(label)}" preserveAspectRatio="none" style="height:26px">{"".join(bars)}</svg>'


def _chart(title: str, bands: Sequence[Band], shade: str) -> str:
    low, high = min(b.low for b in bands), max(b.high for b in bands)
    bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high))
    span = max(1, top - bottom)
    right, floor = _CHART_W - 14, _CHART_H - _BOTTOM

    def x(index: int) -> float:
        return _LEFT + index * (right - _LEFT) / (len(bands) - 1)

    def y(value: float) -> float:
        return floor - (math.log10(value) - bottom) / span * (floor - _TOP)

    grid = []
    for exponent in range(bottom, top + 1):
        height = y(10.0**exponent)
        grid.append(f'<line x1="{_LEFT}" x2="{right}" y1="{height:.1f}" y2="{height:.1f}" stroke="var(--line)"/>')
        grid.append(f'<text x="{_LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{10.0**exponent:,g}</text>')
    labels = [
        f'<text x="{x(i):.1f}" y="{_CHART_H - 8}" text-anchor="middle">{c}</text>' for i, c in enumerate(CONCURRENCIES)
    ]
    upper = " ".join(f"{x(i):.1f},{y(b.high):.1f}" for i, b in enumerate(bands))
    lower = " ".join(f"{x(i):.1f},{y(b.low):.1f}" for i, b in reversed(list(enumerate(bands))))
    line = " ".join(f"{x(i):.1f},{y(b.value):.1f}" for i, b in enumerate(bands))
    dots = [
        f'<circle cx="{x(i):.1f}" cy="{y(b.value):.1f}" r="3" fill="{shade}"><title>{CONCURRENCIES[i]}: {spread(b)}</title></circle>'
        for i, b in enumerate(bands)
    ]
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_CHART_W} {_CHART_H}" role="img" aria-label="{escape(title)}">'
        f'{"".join(grid)}<polygon points="{upper} {lower}" fill="{shade}" opacity=".18"/><polyline points="{line}" fill="none" stroke="{shade}" '
        f'stroke-width="2"/>{"".join(dots)}{"".join(labels)}</svg></figure>'
    )
