"""What a person reads after a synth: where the templates are, and who asks for which GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from cdk_sglang import InferenceEndpoint
from cdk_sglang.serving.capacity import instances_needed


def print_fleet(
    console: Console, *, name: str, endpoints: Sequence[InferenceEndpoint], templates: Sequence[str]
) -> None:
    """Print a row per component, with the GPUs its copies ask for and those its endpoint can have.

    Args:
        console: Where to print.
        name: Name of the environment.
        endpoints: Its endpoints.
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
    console.print(f"templates: {', '.join(templates)}", soft_wrap=True)


def _add_rows(table: Table, endpoint: InferenceEndpoint) -> None:
    capacity = endpoint.capacity
    components = endpoint.components
    for row, (component_id, component) in enumerate(components.items()):
        asked = component.copies * component.gpus_per_copy
        cells = [endpoint.endpoint_name if row == 0 else "", component_id, str(component.copies)]
        table.add_row(*cells, str(component.gpus_per_copy), str(asked), "", "")
    copies = [component.gpus_per_copy for component in components.values() for _ in range(component.copies)]
    needed = instances_needed(copies, gpus_per_instance=capacity.gpus_per_instance)
    types = " or ".join(instance.name for instance in capacity.instances)
    table.add_row(
        "",
        "all",
        str(len(copies)),
        "",
        str(sum(copies)),
        f"{max(needed, capacity.min_instances)} of at most {capacity.max_instances} x {types}",
        str(capacity.max_instances * capacity.gpus_per_instance),
    )
