"""A plan on a terminal: its tables with the columns that fit, and the lines below them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.tables import fitting_table, print_table
from cdk_sglang.planning.cost import POOLS_MEAN
from cdk_sglang.planning.host import host_line
from cdk_sglang.planning.presentation import cost_rows, money, origins
from cdk_sglang.planning.price import PER_MILLION_MEANS
from cdk_sglang.planning.words import NO_DECODING

if TYPE_CHECKING:
    from cdk_sglang.planning.fleet_plan import Alternative, ComponentPlan, FleetPlan
    from cdk_sglang.planning.predict import Band

_COMPONENTS: Final = (
    ("endpoint", "component", "model", "instance", "GPUs", "weights GiB", "KV tokens", "TTFT ms", "TPOT ms", "$/1M in / out", "from zero"),
    ("component of", "model", "instance", "GPUs", "TTFT ms", "TPOT ms", "$/1M in / out", "from zero"),
    ("component of", "GPUs", "KV tokens", "TTFT ms", "TPOT ms", "$/1M in / out", "from zero"),
    ("component of", "GPUs", "TTFT about", "TPOT about", "$/1M in / out", "from zero"),
    ("component of", "GPUs", "TTFT about", "TPOT about", "$/1M out"),
)  # fmt: skip
_COSTS: Final = (
    ("endpoint", "instances", "min/typical/max", "$/hour min", "typical", "max", "$/month"),
    ("of", "min/typical/max", "$/hour min", "typical", "max"),
    ("of", "$/hour min", "typical", "max"),
)
_OPTIONS: Final = (
    ("instance", "tp", "$/h", "$/h a copy", "TTFT ms", "TPOT ms", "$/1M in / out"),
    ("instance", "tp", "$/h", "TTFT about", "TPOT about", "$/1M in / out"),
    ("instance", "tp", "$/h", "TTFT about", "TPOT about"),
)


def print_plan(plan: FleetPlan, console: Console | None = None, *, wide: bool = False) -> None:
    """Print a plan as tables, and its warnings on stderr.

    Args:
        plan: The plan.
        console: Where to print; stdout by default.
        wide: Print every column, even on a narrow terminal; without a terminal and a console, always.
    """
    out = console or stdout()
    wide = wide or (console is None and not out.is_terminal)  # all columns into a file or another program
    components = [(endpoint.name, one) for endpoint in plan.endpoints for one in endpoint.components]
    table = fitting_table(out, [_component(name, one) for name, one in components], _COMPONENTS, wide=wide)
    print_table(out, table, wide=wide)
    headings = [column.header for column in table.columns]
    if "model" not in headings:
        for name, one in components:
            _print(out, f"{name}/{one.name}: {one.model} on {one.instance}")
    if len(headings) < len(_COMPONENTS[0]):
        _print(out, "--wide prints every column")
    _print(out, PER_MILLION_MEANS)
    rows = [_costs(*row[:-1]) for row in cost_rows(plan)]  # only the page shows the tail
    print_table(out, fitting_table(out, rows, _COSTS, wide=wide), wide=wide)
    if any(len(endpoint.types) > 1 for endpoint in plan.endpoints):
        _print(out, POOLS_MEAN)
    for endpoint in plan.endpoints:
        for note in endpoint.notes:
            _print(out, note)
        for component in endpoint.components:
            _print_component(out, endpoint.name, component)
    for line in origins(plan):
        _print(out, line)
    for warning in plan.warnings:
        typer.echo(f"warning: {warning}", err=True)


def print_options(options: Sequence[Alternative], *, wide: bool = False) -> None:
    """Print the instance types that serve a model, the cheapest first.

    Args:
        options: The types.
        wide: Print every column, even on a narrow terminal.
    """
    out = stdout()
    wide = wide or not out.is_terminal
    rows = [
        {
            "instance": one.instance,
            "tp": str(one.tp_size),
            "$/h": f"{one.usd_per_hour:,.2f}",
            "$/h a copy": f"{one.usd_per_hour_per_copy:,.2f}",
            **_times(one.ttft_ms, one.tpot_ms),
            "$/1M in / out": _per_million(one),
        }
        for one in options
    ]
    print_table(out, fitting_table(out, rows, _OPTIONS, wide=wide), wide=wide)
    _print(out, PER_MILLION_MEANS)


def options_json(options: Sequence[Alternative]) -> list[dict[str, object]]:
    """Return the instance types that serve a model as JSON, the cheapest first.

    Args:
        options: The types.
    """
    return [dataclasses.asdict(one) for one in options]


def _component(endpoint: str, component: ComponentPlan) -> dict[str, str]:
    return {
        "endpoint": endpoint,
        "component": component.name,
        "component of": f"{endpoint}/{component.name}",
        "model": component.model,
        "instance": component.instance,
        "GPUs": str(component.gpus),
        "weights GiB": f"{component.memory.weights_gib:.1f}",
        "KV tokens": f"{component.memory.kv_tokens:,}",
        **_times(component.ttft_ms, component.tpot_ms),
        "$/1M in / out": _per_million(component),
        "$/1M out": money(component.usd_per_million_output_tokens),
        "from zero": f"{component.start_up.from_zero:,.0f} s",
    }


def _times(ttft: Band | None, tpot: Band | None) -> dict[str, str]:
    cells = {}
    for name, band, absent in (("TTFT", ttft, "unknown"), ("TPOT", tpot, "unknown" if ttft is None else "none")):
        cells[f"{name} ms"] = absent if band is None else f"{band.value:,.0f} ({band.low:,.0f}-{band.high:,.0f})"
        cells[f"{name} about"] = absent if band is None else f"{band.value:,.0f} ms"
    return cells


def _per_million(one: ComponentPlan | Alternative) -> str:
    input_price, output_price = one.usd_per_million_input_tokens, one.usd_per_million_output_tokens
    return (
        f"{money(input_price)} / {'none' if input_price is not None and output_price is None else money(output_price)}"
    )


def _costs(endpoint: str, instances: str, *rest: str) -> dict[str, str]:
    cells = dict(zip(_COSTS[0], (endpoint, instances, *rest), strict=True))
    return {**cells, "of": instances or "all endpoints"}


def _print_component(out: Console, endpoint: str, component: ComponentPlan) -> None:
    path = f"{endpoint}/{component.name}"
    _print(out, f"{path} {component.memory_line}")
    if component.host is not None:
        _print(out, f"a copy of {path}: {host_line(component.host, component.disk)}")
    if component.images_note:
        _print(out, f"{path} {component.images_note}")
    if NO_DECODING in component.notes:
        _print(out, f"{path} {NO_DECODING}")
    if component.speculation is not None:
        _print(out, f"{path}: {component.speculation.text}")
    if component.alternatives:
        options = "; ".join(
            f"{a.instance} tp {a.tp_size} at {a.usd_per_hour:.2f} $/h ({a.usd_per_hour_per_copy:.2f} per copy)"
            for a in component.alternatives
        )
        _print(out, f"did you consider for {component.name}: {options}")


def _print(out: Console, line: str) -> None:
    """Print a line: wrapped between words on a terminal, whole elsewhere."""
    out.print(line, soft_wrap=not out.is_terminal, markup=False)
