"""Requests to the embedded AWS that only its own tests send."""

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from localcloud.aws.server import LocalCloud


@pytest.fixture
def invoke(client: Callable[[str], Any]) -> Callable[..., Any]:
    runtime = client("sagemaker-runtime")

    def call(body: dict[str, Any] | None = None, **options: Any) -> Any:
        request = {"EndpointName": "fleet", "InferenceComponentName": "llama", "ContentType": "application/json"}
        answer = runtime.invoke_endpoint(**(request | options), Body=json.dumps(body or {}))
        return answer | {"Body": json.loads(answer["Body"].read())}

    return call


@pytest.fixture
def get(cloud: LocalCloud) -> Callable[..., Any]:
    """Send a request byte for byte, as a browser would."""
    port = urlsplit(cloud.url).port

    def call(path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            fields = {"Host": f"localhost:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return call


@pytest.fixture
def keyed(get: Callable[..., Any], cloud: LocalCloud) -> Callable[..., Any]:
    return lambda path: get(path, Authorization=f"Bearer {cloud.credentials.console_key}")


@pytest.fixture
def read(keyed: Callable[..., Any]) -> Callable[..., Any]:
    """Read data of the console."""

    def call(what: str, **parameters: object) -> Any:
        status, _, body = keyed(f"/localcloud/console/data/{what}?{urlencode(parameters)}")
        assert status == 200, body
        return json.loads(body)

    return call


@pytest.fixture
def cloudwatch(client: Callable[[str], Any]) -> Any:
    return client("cloudwatch")
