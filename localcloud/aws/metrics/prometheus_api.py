"""CloudWatch's PromQL query API: the paths of Prometheus' HTTP API under `/prometheus/api/v1/`, signed for the service `monitoring`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from moto.core import DEFAULT_ACCOUNT_ID
from werkzeug.wrappers import Request, Response

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import Store, store
from localcloud.aws.metrics.promql import evaluator
from localcloud.aws.metrics.promql.aggregations import go_float
from localcloud.aws.metrics.promql.lexer import seconds
from localcloud.aws.metrics.promql.nodes import QueryError, Selector
from localcloud.aws.metrics.promql.parser import parse
from localcloud.aws.metrics.promql.values import NAME, Points, Sample, Value, Window
from localcloud.aws.metrics.samples import KEPT_S, samples_of

PREFIX: Final = "/prometheus/api/v1/"
_POINTS_MAX = 11_000
"""Points per series that a range query may have: Prometheus' limit (web/api/v1/api.go)."""
_STATUS = {"bad_data": 400, "execution": 422, "not_found": 404}


def serves(path: str) -> bool:
    """Whether a path belongs to the query API."""
    return path.startswith(PREFIX)


def answer(request: Request) -> Response:
    """Answer a query, in the JSON of Prometheus."""
    authorization = request.headers.get("Authorization", "")
    scope = re.search(r"Credential=[^/]+/[^/]+/([^/]+)/([^/]+)/aws4_request", authorization)
    if scope is not None and scope[2] != "monitoring":
        return _aws_error(
            403,
            "AccessDeniedException",
            f"Credential should be scoped to correct service: 'monitoring', not {scope[2]!r}",
        )
    if faults.strikes("throttling", "QueryMetrics") or faults.strikes("throttling", "cloudwatch:QueryMetrics"):
        return _aws_error(429, "ThrottlingException", "Rate exceeded")
    if faults.strikes("access-denied", "QueryMetrics") or faults.strikes("access-denied", "cloudwatch:QueryMetrics"):
        message = "The caller is not authorized to perform: cloudwatch:QueryMetrics (injected fault)"
        return _aws_error(403, "AccessDeniedException", message)
    state = store(DEFAULT_ACCOUNT_ID, scope[1] if scope else "us-east-1")
    try:
        data = _data(state, request.path.removeprefix(PREFIX), request)
    except QueryError as error:
        body = {"status": "error", "errorType": error.kind, "error": str(error)}
        return Response(json.dumps(body), status=_STATUS[error.kind], content_type="application/json")
    return Response(json.dumps({"status": "success", "data": data}), content_type="application/json")


def _data(state: Store, path: str, request: Request) -> Any:
    parameters = request.values
    if path == "query":
        return query(state, _parameter(parameters, "query"), _time(parameters.get("time"), "time", clock().now()))
    if path == "query_range":
        bounds = [_time(_parameter(parameters, name), name, 0) for name in ("start", "end")]
        return query_range(
            state, _parameter(parameters, "query"), bounds[0], bounds[1], _step(_parameter(parameters, "step"))
        )
    found = _matched(state, request)
    if path == "series":
        if not parameters.getlist("match[]"):
            raise QueryError("no match[] parameter provided")
        return [dict(series.labels) for series in found]
    if path == "labels":
        return sorted({label for series in found for label in series.labels})
    if label := re.fullmatch(r"label/(.+)/values", path):
        return sorted({series.labels[label[1]] for series in found if label[1] in series.labels})
    raise QueryError(f"no such path: {PREFIX}{path}", kind="not_found")


def query(state: Store, text: str, at: float) -> dict[str, Any]:
    """Result of an instant query: the member `data` of the answer. Raises QueryError."""
    value = evaluator.instant(samples_of(state), text, at)
    if isinstance(value, float):
        return {"resultType": "scalar", "result": [at, go_float(value)]}
    if isinstance(value, str):
        return {"resultType": "string", "result": [at, value]}
    kind = "matrix" if parse(text).kind == "matrix" else "vector"
    return {"resultType": kind, "result": _result(value, at)}


def _result(value: Value, at: float) -> list[dict[str, Any]]:
    assert isinstance(value, list)
    found: list[dict[str, Any]] = []
    for one in value:
        if isinstance(one, Sample):
            found.append({"metric": dict(one.labels), "value": [at, go_float(one.value)]})
        elif isinstance(one, Window):
            points = [[time, go_float(number)] for time, number in zip(one.times, one.values, strict=True)]
            found.append({"metric": dict(one.labels), "values": points})
    return found


def query_range(state: Store, text: str, start: float, end: float, step_s: float) -> dict[str, Any]:
    """Result of a range query: the member `data` of the answer. Raises QueryError."""
    if end < start:
        raise QueryError('invalid parameter "end": end timestamp must not be before start time')
    if (end - start) / step_s > _POINTS_MAX:
        raise QueryError(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
        )
    lines = evaluator.ranged(samples_of(state), text, start, end, step_s)
    result = [
        {"metric": dict(line.labels), "values": [[time, go_float(value)] for time, value in line.points]}
        for line in lines
    ]
    return {"resultType": "matrix", "result": sorted(result, key=lambda one: sorted(one["metric"].items()))}


def _matched(state: Store, request: Request) -> Sequence[Points]:
    now = clock().now()
    start = _time(request.values.get("start"), "start", now - KEPT_S)
    end = _time(request.values.get("end"), "end", now)
    samples = samples_of(state)
    found: dict[int, Points] = {}
    for text in request.values.getlist("match[]") or ['{__name__!=""}']:
        selector = parse(text)
        if not isinstance(selector, Selector) or selector.range_s is not None:
            raise QueryError(f'invalid parameter "match[]": {text} is no selector of series')
        found |= {id(series): series for series in samples.select(selector.matchers, start, end)}
    return sorted(found.values(), key=lambda series: (series.labels.get(NAME, ""), sorted(series.labels.items())))


def _parameter(parameters: Any, name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise QueryError(f'invalid parameter "{name}": it is missing')
    return str(value)


def _time(text: str | None, name: str, default: float) -> float:
    if not text:
        return default
    readers: tuple[Callable[[str], float], ...] = (float, _rfc3339)
    for reader in readers:
        try:
            value = reader(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    raise QueryError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')


def _rfc3339(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _step(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = seconds(text) if re.fullmatch(r"(?:[0-9]+(?:ms|[smhdwy]))+", text) else math.nan
    if not value > 0 or math.isinf(value):
        raise QueryError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer'
        )
    return value


def _aws_error(status: int, code: str, message: str) -> Response:
    response = Response(
        json.dumps({"__type": code, "message": message}), status=status, content_type="application/json"
    )
    response.headers["x-amzn-ErrorType"] = code
    return response
