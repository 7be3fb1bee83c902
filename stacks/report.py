"""What a synth leaves beside its templates (the plan), and what a person reads: who asks for which GPUs, and the plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from cdk_sglang import InferenceEndpoint
from cdk_sglang.cli.plan import print_plan
from cdk_sglang.planning import FleetPlan, FleetRequest
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.layouts import Room
from cdk_sglang.planning.page import plan_html


def write_plan(folder: Path, *, request: FleetRequest, plan: FleetPlan) -> None:
    """Write plan.json, for CI, and plan.html, to look at, into the folder of the templates."""
    (folder / "plan.json").write_text(plan_json(plan), encoding="utf-8")
    (folder / "plan.html").write_text(plan_html(plan, request), encoding="utf-8")


def print_fleet(
    console: Console,
    *,
    name: str,
    endpoints: Sequence[InferenceEndpoint],
    plan: FleetPlan,
    unplanned: Sequence[str],
    templates: Sequence[str],
) -> None:
    """Print a row per component, with the GPUs its copies ask for and those its endpoint can have.

    Args:
        console: Where to print.
        name: Name of the environment.
        endpoints: Its endpoints.
        plan: Its plan.
        unplanned: Components whose model the catalogue does not know, so that nobody knows whether they fit.
        templates: Paths of the templates written.
    """
    table = Table(box=box.SIMPLE_HEAD, title=f"{name}: endpoints and the GPUs their components ask for")
    for heading in ("endpoint", "component"):
        table.add_column(heading, no_wrap=True)
    for heading in ("copies", "GPUs a copy", "GPUs asked"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("instances")
    table.add_column("GPUs available", justify="right")
    for endpoint in endpoints:
        _add_rows(table, endpoint)
        table.add_section()
    console.print(table)
    if plan.endpoints:
        print_plan(plan, console)
    if unplanned:
        console.print(
            f"not planned, since the catalogue does not know the model (model.id): {', '.join(unplanned)}",
            soft_wrap=True,
        )
    console.print(f"templates: {', '.join(templates)}", soft_wrap=True)


def _add_rows(table: Table, endpoint: InferenceEndpoint) -> None:
    capacity = endpoint.capacity
    components = endpoint.components
    for row, (component_id, component) in enumerate(components.items()):
        least, most = component.copy_bounds
        sizes = [str(count) for count in dict.fromkeys(component.gpus_by_type.values())]
        totals = [str(component.most_copies * count) for count in dict.fromkeys(component.gpus_by_type.values())]
        copies_shown = str(most) if least == most else f"{least} to {most}"
        cells = [endpoint.endpoint_name if row == 0 else "", component_id, copies_shown]
        table.add_row(*cells, " or ".join(sizes), " or ".join(totals), "", "")
    room = Room(capacity.instances, (component.plan.needs for component in components.values()))
    needed, _ = room.needed(room.most)
    gpus = [
        sum(component.most_copies * component.gpus_by_type[instance.name] for component in components.values())
        for instance in capacity.instances
    ]
    types = " or ".join(instance.name for instance in capacity.instances)
    table.add_row(
        "",
        "all",
        str(sum(room.most.values())),
        "",
        " or ".join(map(str, dict.fromkeys(gpus))),
        f"{max(needed, endpoint.least_instances())} of at most {capacity.max_instances} x {types}",
        str(capacity.max_instances * capacity.gpus_per_instance),
    )
