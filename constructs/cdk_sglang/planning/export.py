"""A plan as JSON for other programs: the same bytes for the same plan."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING

from cdk_sglang.planning.digits import significant

if TYPE_CHECKING:
    from cdk_sglang.planning.fleet_plan import FleetPlan


def plan_json(plan: FleetPlan) -> str:
    """Return the plan as indented JSON with sorted keys; numbers carry six digits."""
    content = {field.name: _plain(getattr(plan, field.name)) for field in dataclasses.fields(plan)}
    if not plan.calibrations:
        del content["calibrations"]
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return value
