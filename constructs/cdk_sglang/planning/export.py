"""Machine-readable plan as JSON: the same plan always gives the same bytes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING

from cdk_sglang.planning.digits import significant

if TYPE_CHECKING:
    from cdk_sglang.planning.fleet_plan import EndpointPlan, FleetPlan


def plan_json(plan: FleetPlan) -> str:
    """Return the plan, with a digest for each endpoint, as indented JSON with sorted keys; numbers have six significant digits."""
    content = {field.name: _plain(getattr(plan, field.name)) for field in dataclasses.fields(plan)}
    if not plan.calibrations:
        del content["calibrations"]
    content["digests"] = {endpoint.name: plan_digest(endpoint) for endpoint in plan.endpoints}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def plan_digest(endpoint: EndpointPlan) -> str:
    """Return the SHA-256 of one endpoint's plan as hexadecimal digits; it is the same on every machine."""
    return hashlib.sha256(json.dumps(_plain(endpoint), sort_keys=True).encode()).hexdigest()


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
