"""Every check of relations over one template, as `make check` and the mutants run them."""

from __future__ import annotations

from collections.abc import Iterator

from tools.check.graph import Environment, Graph, Template
from tools.check.relations import (
    alarms,
    bounds,
    customs,
    data,
    declared,
    documents,
    engines,
    idle,
    meant,
    networks,
    order,
    permissions,
    places,
    unused,
)


def findings(template: Template, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each relation of a template that does not hold.

    Args:
        template: A CloudFormation template.
        environment: What the templates of its environment say together.
    """
    graph = Graph(template)
    for alone in (order, bounds, customs, declared, documents, idle, networks):
        yield from alone.findings(graph)
    for part in (meant, permissions, unused, places, alarms, data, engines):
        yield from part.findings(graph, environment)
