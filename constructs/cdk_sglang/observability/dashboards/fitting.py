"""Dashboards of a fleet in as much detail as a CloudFormation template holds. No CDK."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.observability.dashboards.boards import all_boards
from cdk_sglang.observability.dashboards.body import dashboard_body
from cdk_sglang.observability.dashboards.context import DETAILS, DashboardContext, Detail
from cdk_sglang.observability.dashboards.limits import (
    MAX_BODIES_BYTES,
    body_json,
    dashboard_problems,
    size_in_template,
)

_MOST_IN_FULL: Final = 60
"""Components of a fleet beyond which nobody need try to draw each in full: one takes some 15 kB of the template."""


@dataclass(frozen=True, kw_only=True)
class Bodies:
    """Dashboards as CloudWatch takes them.

    Attributes:
        texts: Bodies by the dashboards' names.
        detail: How much is drawn.
    """

    texts: dict[str, str]
    detail: Detail


def fitting_bodies(context: DashboardContext, *, region: str, path: str) -> Bodies:
    """Return the dashboards of a fleet, with less of each component and endpoint the larger the fleet is.

    Args:
        context: The fleet; its own detail is the most that is drawn.
        region: Region of the metrics; may be known only at deployment.
        path: What the paths of problems begin with.

    Raises:
        ConfigurationError: A dashboard exceeds CloudWatch's limits, or a template cannot hold them however little is drawn.
    """
    size = 0
    for detail in _details(context):
        drawn = {
            board.name: dashboard_body(board, region=region) for board in all_boards(replace(context, detail=detail))
        }
        texts = {name: body_json(body) for name, body in drawn.items()}
        size = size_in_template(texts.values())
        if size <= MAX_BODIES_BYTES:
            found = (dashboard_problems(f"{path}.{name}", name, body) for name, body in drawn.items())
            raise_if_any(problem for problems in found for problem in problems)
            return Bodies(texts=texts, detail=detail)
    text = (
        f"the dashboards have {size} bytes, {MAX_BODIES_BYTES} fit into a template; divide the endpoints among several fleets, or leave the "
        "dashboards out (observability: {dashboards: false})"
    )
    raise ConfigurationError([Problem(path, text)])


def _details(context: DashboardContext) -> tuple[Detail, ...]:
    begin = DETAILS.index(context.detail)
    if sum(1 for _ in context.components) > _MOST_IN_FULL:
        begin = max(begin, DETAILS.index("plan"))
    return DETAILS[begin:]
