"""Alarms with their states, for widgets of type `alarm` and for the overview."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.console.panels import Lookup, Panel, headings

_ORDER: Final = {"ALARM": 0, "INSUFFICIENT_DATA": 1, "OK": 2}
_SCALING: Final = "TargetTracking-"
"""Beginning of the names of alarms that a scaling policy creates: they are part of scaling, and page nobody."""
_ADDRESS: Final = re.compile(r"https?://[^\s)\"'<>]+")


def alarms(account: str, region: str) -> list[dict[str, Any]]:
    """Every alarm of a Region: those in ALARM first, those of scaling policies last."""
    found = [_described(alarm) for alarm in list(cloudwatch_backends[account][region].alarms.values())]
    return sorted(found, key=lambda one: (one["scaling"], _ORDER.get(one["state"], len(_ORDER)), one["name"]))


def alarm_panel(properties: Mapping[str, Any], lookup: Lookup) -> Panel:
    """Resolve a widget of type `alarm`."""
    panel = Panel(kind="alarms", **headings(properties))
    known = {one["arn"]: one for one in alarms(lookup.account, lookup.region)}
    arns = [str(arn) for arn in properties.get("alarms") or []]
    states = properties.get("states") or list(_ORDER)
    shown = [known[arn] for arn in arns if arn in known and known[arn]["state"] in states]
    if properties.get("sortBy") == "stateUpdatedTimestamp":
        shown.sort(key=lambda one: float(one["since"]), reverse=True)
    panel.extra["alarms"] = shown
    panel.notes += [f"the alarm {arn.rpartition(':')[2]} does not exist" for arn in arns if arn not in known]
    if not shown and not panel.notes:
        panel.notes.append(f"none of its {len(arns)} alarms is in {' or '.join(states)}")
    return panel


def changes(account: str, region: str) -> list[dict[str, Any]]:
    """State changes of alarms, each with its time."""
    found = []
    for alarm in list(cloudwatch_backends[account][region].alarms.values()):
        moves = [entry[1:] for entry in alarm.history if entry[0] == "StateUpdate"]
        moves = [*moves, (alarm.state_reason, "", alarm.state_value, alarm.state_updated_timestamp)]
        found += [
            {"time": _seconds(stamp), "what": f"alarm {alarm.name}", "state": state, "reason": reason}
            for reason, _, state, stamp in moves[1:]
        ]
    return found


def _described(alarm: Any) -> dict[str, Any]:
    description = str(alarm.description or "")
    address = _ADDRESS.search(description)
    return {
        "name": alarm.name,
        "arn": alarm.alarm_arn,
        "state": alarm.state_value,
        "reason": alarm.state_reason,
        "since": _seconds(alarm.state_updated_timestamp),
        "description": description,
        "runbook": address[0].rstrip(".,;") if address else "",
        "scaling": str(alarm.name).startswith(_SCALING),
        "silent": not alarm.actions_enabled,
    }


def _seconds(stamp: datetime) -> float:
    return stamp.replace(tzinfo=UTC).timestamp() if stamp.tzinfo is None else stamp.timestamp()
