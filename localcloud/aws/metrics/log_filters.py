"""Metric filters, which count lines of logs, and saved queries."""

from __future__ import annotations

import contextlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs import models
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.metric_filters import MetricFilters
from moto.logs.responses import LogsResponse

from localcloud.aws.clock import clock
from localcloud.aws.metrics.log_patterns import Matches, PatternError, compiled, field

_MINUTE_MS = 60_000
_QUERIES = "query_definitions"  # in the backend: a reset of moto empties it
_quiet: WeakKeyDictionary[models.LogsBackend, dict[tuple[str, str], int]] = WeakKeyDictionary()
"""By group and filter: the last minute that had lines, none of which matched."""


def put_filter(
    backend: models.LogsBackend, group: str, name: str, pattern: str, transformations: list[dict[str, Any]]
) -> None:
    """Create or replace a metric filter; only lines from now on count. Raises exceptions of Logs."""
    if group not in backend.groups:
        raise ResourceNotFoundException
    try:
        compiled(pattern)
    except PatternError as error:
        raise InvalidParameterException(str(error)) from error
    backend.filters.delete_filter(name, group)
    backend.filters.add_filter(name, pattern, group, transformations)


def count(stream: models.LogStream, events: list[dict[str, Any]]) -> None:
    """Publish the metrics of a group's filters for new lines."""
    backend = models.logs_backends[stream.account_id][stream.region]
    for one in backend.filters.get_matching_filters(log_group_name=stream.log_group.name):
        matches = _matcher(one["filterPattern"])
        matched = [event for event in events if matches(event["message"])]
        for transformation in one["metricTransformations"]:
            points = [point for event in matched if (point := _point(transformation, event)) is not None]
            if points:
                _publish(backend, transformation["metricNamespace"], points)
        if events:
            _remember(backend, one, events[-1]["timestamp"], matched=bool(matched))


def tick() -> None:
    """Publish the default value of filters for minutes that had lines, none of which matched."""
    now = clock().now() * 1000
    for backend, minutes in list(_quiet.items()):
        for key, minute in list(minutes.items()):
            if now < (minute + 1) * _MINUTE_MS or minutes.pop(key, None) is None:
                continue
            for one in backend.filters.get_matching_filters(key[1], key[0]):
                for transformation in one["metricTransformations"]:
                    default = transformation.get("defaultValue")
                    if one["filterName"] == key[1] and default is not None:
                        at = {"timestamp": minute * _MINUTE_MS}
                        _publish(
                            backend, transformation["metricNamespace"], [_datum(transformation, at, float(default))]
                        )


def _remember(backend: models.LogsBackend, one: dict[str, Any], at_ms: int, *, matched: bool) -> None:
    minutes = _quiet.setdefault(backend, {})
    key, minute = (one["logGroupName"], one["filterName"]), at_ms // _MINUTE_MS
    if matched:
        minutes.pop(key, None)
        one["matchedMinute"] = minute
    elif one.get("matchedMinute") != minute:
        minutes[key] = minute


_matchers: dict[str, Matches] = {}


def _matcher(pattern: str) -> Matches:
    if pattern not in _matchers:
        _matchers[pattern] = compiled(pattern)
    return _matchers[pattern]


def _point(transformation: dict[str, Any], event: dict[str, Any]) -> dict[str, Any] | None:
    """Datum for a line; None if its value or one of its dimensions is not in the line."""
    content: Any = None
    with contextlib.suppress(ValueError):
        content = json.loads(event["message"])
    value = str(transformation["metricValue"])
    if value.startswith("$"):
        value = str(field(content, value))
    try:
        datum = _datum(transformation, event, float(value))
    except ValueError:
        return None
    for name, path in (transformation.get("dimensions") or {}).items():
        found = field(content, path)
        if found is None:
            return None
        datum["Dimensions"].append({"Name": name, "Value": str(found)})
    return datum


def _datum(transformation: dict[str, Any], event: dict[str, Any], value: float) -> dict[str, Any]:
    return {
        "MetricName": transformation["metricName"],
        "Value": value,
        "Unit": transformation.get("unit") or "None",
        "Timestamp": datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        "Dimensions": [],
    }


def _publish(backend: models.LogsBackend, namespace: str, points: list[dict[str, Any]]) -> None:
    cloudwatch_backends[backend.account_id][backend.region_name].put_metric_data(namespace, points)


def put_query(backend: models.LogsBackend, definition: dict[str, Any]) -> str:
    """Create or replace a saved query from the members of PutQueryDefinition; returns its id."""
    identity = str(definition.get("queryDefinitionId") or uuid.uuid4())
    known = ("queryLanguage", "name", "queryString", "logGroupNames", "parameters")
    kept = {name: definition[name] for name in known if definition.get(name)}
    kept |= {"queryDefinitionId": identity, "lastModified": int(clock().now() * 1000)}
    queries(backend)[identity] = {"queryLanguage": "CWLI"} | kept
    return identity


def queries(backend: models.LogsBackend) -> dict[str, dict[str, Any]]:
    """Saved queries by id."""
    found: dict[str, dict[str, Any]] = backend.__dict__.setdefault(_QUERIES, {})
    return found


def _put_query_definition(self: Any) -> str:
    return json.dumps({"queryDefinitionId": put_query(self.logs_backend, self._get_params())})


def _describe_query_definitions(self: Any) -> str:
    prefix = self._get_param("queryDefinitionNamePrefix") or ""
    found = [one for one in queries(self.logs_backend).values() if one["name"].startswith(prefix)]
    return json.dumps({"queryDefinitions": found})


def _delete_query_definition(self: Any) -> str:
    identity = self._get_param("queryDefinitionId")
    if queries(self.logs_backend).pop(identity, None) is None:
        raise ResourceNotFoundException
    return json.dumps({"success": True})


def _put_metric_filter(
    self: models.LogsBackend, filter_name: str, filter_pattern: str, log_group_name: str, metric_transformations: Any
) -> None:
    put_filter(self, log_group_name, filter_name, filter_pattern, metric_transformations)


def _delete_filter(
    self: MetricFilters, filter_name: str | None = None, log_group_name: str | None = None
) -> list[dict[str, Any]]:
    """Delete a filter; moto skips one of two neighbours."""
    gone = (filter_name, log_group_name)
    remaining = [one for one in self.metric_filters if (one["filterName"], one["logGroupName"]) != gone]
    self.metric_filters = remaining
    return remaining


def _put_log_events(self: models.LogStream, log_events: list[dict[str, Any]]) -> str:
    token: str = _moto_put_log_events(self, log_events)
    count(self, log_events)
    return token


_moto_put_log_events = models.LogStream.put_log_events


def install() -> None:
    """Count lines, which moto does not, and use the clock's time for logs: moto refuses lines from its future."""
    models.utcnow = lambda: clock().utc().replace(tzinfo=None)
    models.LogStream.put_log_events = _put_log_events
    models.LogsBackend.put_metric_filter = _put_metric_filter
    MetricFilters.delete_filter = _delete_filter
    handlers: dict[str, Any] = {
        "put_query_definition": _put_query_definition,
        "describe_query_definitions": _describe_query_definitions,
        "delete_query_definition": _delete_query_definition,
    }
    for name, handler in handlers.items():
        setattr(LogsResponse, name, handler)
