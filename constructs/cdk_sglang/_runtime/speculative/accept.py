"""The accept length that a canary showed, by PromQL of CloudWatch; None where CloudWatch does not answer, since speed alone decides."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import urllib.error
import urllib.parse
import urllib.request
from string import Template
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

_TIMEOUT_SECONDS = 30
_PATHS = ("/api/v1/query", "/prometheus/api/v1/query")
"""Paths of the PromQL API, each from a page of AWS's: CloudWatch's reference of QueryMetrics
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-PromQL-API-QueryMetrics.html, read 2026-11) and SageMaker's guide
(https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-promql.html, read 2026-11)."""
_MISSING = (400, 403, 404)
_SHORTEST_SECONDS = 60

_log = logging.getLogger()


def accept_length(
    session: Any, address: str, query: str, *, component: str, start: dt.datetime, end: dt.datetime
) -> float | None:
    """Return the mean accept length of a component over some time.

    Args:
        session: Session of boto3, for Region and credentials.
        address: Address of CloudWatch.
        query: PromQL with ${component} and ${window}.
        component: Name of the component in SageMaker.
        start: Start of the time.
        end: End of the time.
    """
    seconds = max(_SHORTEST_SECONDS, int((end - start).total_seconds()))
    try:
        text = Template(query).substitute(component=component, window=f"{seconds}s")
        series = _query(session, address, text, end)
        values = [float(one["value"][1]) for one in series]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:  # HTTP errors are OSErrors
        _log.warning(json.dumps({"accept_length": None, "because": f"CloudWatch's PromQL did not answer: {error}"}))
        return None
    values = [value for value in values if math.isfinite(value) and value >= 1]
    return sum(values) / len(values) if values else None


def _query(session: Any, address: str, query: str, at: dt.datetime) -> list[dict[str, Any]]:
    *others, last = _PATHS
    for path in others:
        try:
            return _query_at(session, f"{address.rstrip('/')}{path}", query, at)
        except urllib.error.HTTPError as error:
            error.close()  # the error is also the reply, and keeps its socket
            if error.code not in _MISSING:
                raise
    return _query_at(session, f"{address.rstrip('/')}{last}", query, at)


def _query_at(session: Any, url: str, query: str, at: dt.datetime) -> list[dict[str, Any]]:
    body = urllib.parse.urlencode({"query": query, "time": int(at.timestamp())})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    SigV4Auth(session.get_credentials(), "monitoring", session.region_name).add_auth(request)
    sent = urllib.request.Request(url, data=body.encode(), headers=dict(request.headers), method="POST")
    with urllib.request.urlopen(sent, timeout=_TIMEOUT_SECONDS) as reply:
        answer = json.load(reply)
    if answer["status"] != "success":
        raise ValueError(answer.get("error", "no success"))
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found
