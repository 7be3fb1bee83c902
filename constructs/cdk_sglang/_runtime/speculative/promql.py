"""CloudWatch's PromQL, queried with the function's own permissions.

The functions that query it hold equal copies of this file, since each is deployed alone; a test compares them.
"""

from __future__ import annotations

import datetime as dt
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

_TIMEOUT_SECONDS = 30
_PATHS = ("/api/v1/query", "/prometheus/api/v1/query")
"""Paths of the PromQL API, each from a page of AWS's: CloudWatch's reference of QueryMetrics
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-PromQL-API-QueryMetrics.html, read 2026-11) and SageMaker's guide
(https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-promql.html, read 2026-11)."""
_MISSING = (400, 403, 404)
"""Status codes that CloudWatch may return for a path that does not exist."""


def series_of(session: Any, address: str, query: str, at: dt.datetime) -> Sequence[Mapping[str, Any]]:
    """Return the series that match a query.

    Args:
        session: Session of boto3.
        address: URL of CloudWatch's own API.
        query: The query.
        at: Time at which the query is evaluated.

    Raises:
        OSError: CloudWatch does not answer, or rejects the request.
        ValueError: The query has failed.
    """
    *others, last = _PATHS
    for path in others:
        try:
            return _query_at(session, f"{address.rstrip('/')}{path}", query, at)
        except urllib.error.HTTPError as error:
            error.close()  # the error is also the response, and holds its socket open
            if error.code not in _MISSING:
                raise
    return _query_at(session, f"{address.rstrip('/')}{last}", query, at)


def _query_at(session: Any, url: str, query: str, at: dt.datetime) -> Sequence[Mapping[str, Any]]:
    body = urllib.parse.urlencode({"query": query, "time": int(at.timestamp())})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    SigV4Auth(session.get_credentials(), "monitoring", session.region_name).add_auth(request)
    sent = urllib.request.Request(url, data=body.encode(), headers=dict(request.headers), method="POST")
    with urllib.request.urlopen(sent, timeout=_TIMEOUT_SECONDS) as reply:
        answer = json.load(reply)
    if answer["status"] != "success":
        raise ValueError(answer.get("error", "no success"))
    found: Sequence[Mapping[str, Any]] = answer["data"]["result"]
    return found
