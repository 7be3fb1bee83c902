"""The plan that a synth writes next to its templates, and the printed report: which components request which GPUs, and the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console

from cdk_sglang import InferenceEndpoint
from cdk_sglang.cli.plan_tables import print_plan
from cdk_sglang.cli.tables import fitting_table, print_table
from cdk_sglang.planning import FleetPlan, FleetRequest
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.guides import docs_folder
from cdk_sglang.planning.layouts import Room
from cdk_sglang.planning.page import plan_html

_LAYOUTS: Final = (
    ("endpoint", "component", "copies", "GPUs a copy", "GPUs asked", "instances", "GPUs available"),
    ("endpoint", "component", "copies", "GPUs asked", "GPUs available"),
    ("component", "copies", "GPUs asked", "GPUs available"),
)
"""Headings of the table of GPUs, for terminals of decreasing width."""


def write_plan(folder: Path, *, request: FleetRequest, plan: FleetPlan) -> None:
    """Write plan.json, for CI, and plan.html, for people, to the folder of the templates."""
    (folder / "plan.json").write_text(plan_json(plan), encoding="utf-8")
    (folder / "plan.html").write_text(plan_html(plan, request, docs=docs_folder(folder)), encoding="utf-8")


def print_fleet(
    console: Console,
    *,
    name: str,
    endpoints: Sequence[InferenceEndpoint],
    plan: FleetPlan,
    unplanned: Sequence[str],
    templates: Sequence[str],
    page: Path,
) -> None:
    """Print a row per component, with the GPUs that its copies request and those that its endpoint can have.

    Args:
        console: Where to print.
        name: Name of the environment.
        endpoints: Its endpoints.
        plan: Its plan.
        unplanned: Components whose model is not in the catalogue, so that it is unknown whether they fit.
        templates: Paths of the written templates.
        page: Path of the plan's page.
    """
    rows = [row for endpoint in endpoints for row in _rows(endpoint)]
    console.print(f"{name}: endpoints and the GPUs their components ask for", highlight=False)
    print_table(console, fitting_table(console, rows, _LAYOUTS, lines=box.SIMPLE_HEAD))
    if plan.endpoints:
        print_plan(plan, console)
    if unplanned:
        console.print(
            f"not planned, since the catalogue does not know the model (model.id): {', '.join(unplanned)}",
            soft_wrap=True,
        )
    console.print(f"templates: {', '.join(templates)}", soft_wrap=True)
    console.print(f"plan as a page: {page}", soft_wrap=True)


def _rows(endpoint: InferenceEndpoint) -> Iterator[dict[str, str]]:
    capacity = endpoint.capacity
    components = endpoint.components
    for row, (component_id, component) in enumerate(components.items()):
        least, most = component.copy_bounds
        sizes = [str(count) for count in dict.fromkeys(component.gpus_by_type.values())]
        totals = [str(component.most_copies * count) for count in dict.fromkeys(component.gpus_by_type.values())]
        yield _row(
            endpoint=endpoint.endpoint_name if row == 0 else "",
            component=component_id,
            copies=str(most) if least == most else f"{least} to {most}",
            a_copy=" or ".join(sizes),
            total_gpus=" or ".join(totals),
        )
    room = Room(capacity.instances, (component.plan.needs for component in components.values()))
    needed, _ = room.needed(room.most)
    gpus = [
        sum(component.most_copies * component.gpus_by_type[instance.name] for component in components.values())
        for instance in capacity.instances
    ]
    types = " or ".join(instance.name for instance in capacity.instances)
    yield _row(
        component="all",
        copies=str(sum(room.most.values())),
        total_gpus=" or ".join(map(str, dict.fromkeys(gpus))),
        instances=f"{max(needed, endpoint.least_instances())} of at most {capacity.max_instances} x {types}",
        available=str(capacity.max_instances * capacity.gpus_per_instance),
    )


def _row(
    *,
    component: str,
    copies: str,
    total_gpus: str,
    endpoint: str = "",
    a_copy: str = "",
    instances: str = "",
    available: str = "",
) -> dict[str, str]:
    return dict(zip(_LAYOUTS[0], (endpoint, component, copies, a_copy, total_gpus, instances, available), strict=True))
