"""CloudWatch's PromQL query API: Prometheus' own HTTP API, with AWS's signature.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-promql.html (read 2026-11): the service is `monitoring`, the
permission cloudwatch:QueryMetrics. An account without OTel enrichment answers queries with nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

TIMEOUT_SECONDS: Final = 8
_OK: Final = 200


class NotMeasuredError(Exception):
    """Nothing can be queried; the text says briefly why."""


class PromqlApi:
    """Instant queries.

    Args:
        address: Address of CloudWatch: that of boto3's client, which honours AWS_ENDPOINT_URL.
        region: AWS Region.
        timeout_seconds: Longest time for a connection, and for an answer.
        credentials: Credentials of botocore; those of the AWS settings by default.
    """

    def __init__(
        self,
        address: str,
        region: str,
        *,
        timeout_seconds: int = TIMEOUT_SECONDS,
        credentials: Any = None,
    ) -> None:
        self._url = f"{address.rstrip('/')}/prometheus/api/v1/query"
        self._region = region
        self._credentials = credentials or botocore.session.get_session().get_credentials()
        self._http = URLLib3Session(timeout=timeout_seconds, max_pool_connections=16)

    def by_label(self, query: str, label: str) -> Mapping[str, float]:
        """Return the value of each series by one of its labels; series without a finite value are left out.

        Args:
            query: PromQL whose series have the label.
            label: The label.

        Raises:
            NotMeasuredError: CloudWatch refuses, does not answer in time, or answers something other than series.
        """
        return {str(labels.get(label, "")): number for labels, number in self.series(query)}

    def series(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and the value of each series; series without a finite value are left out.

        Args:
            query: PromQL.

        Raises:
            NotMeasuredError: CloudWatch refuses, does not answer in time, or answers something other than series.
        """
        found = ((one["metric"], float(one["value"][1])) for one in self._series(query))
        return [(labels, number) for labels, number in found if math.isfinite(number)]

    def _series(self, query: str) -> list[Any]:
        request = AWSRequest(
            method="POST",
            url=self._url,
            data=urlencode({"query": query}),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        if self._credentials is None:
            raise NotMeasuredError("no AWS credentials")
        SigV4Auth(self._credentials, "monitoring", self._region).add_auth(request)
        try:
            answer = self._http.send(request.prepare())
        except BotoCoreError as error:
            raise NotMeasuredError(f"CloudWatch's PromQL API was not reached ({type(error).__name__})") from error
        if answer.status_code != _OK:
            raise NotMeasuredError(_refusal(answer.status_code, answer.content))
        try:
            data = json.loads(answer.content)["data"]
            series: list[Any] = data["result"] if data["resultType"] == "vector" else []
        except (ValueError, LookupError, TypeError) as error:
            raise NotMeasuredError("CloudWatch's PromQL API did not answer with series") from error
        return series


def _refusal(status: int, content: bytes) -> str:
    text = content.decode(errors="replace")
    if "AccessDenied" in text or status in {401, 403}:
        return "not allowed; ask for the permission cloudwatch:QueryMetrics"
    if status == HTTPStatus.NOT_FOUND:
        return "this address has no PromQL API"
    return f"CloudWatch's PromQL API answers {status}"
