"""One embedded AWS for the session, emptied between tests; and the CDK CLI pointed at it."""

import http.client
import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.config import Config
from moto import mock_aws

from localcloud.aws import clock as clocks
from localcloud.aws import extension, faults, settings
from localcloud.aws.control import reset
from localcloud.aws.server import LocalCloud
from tests.localcloud.agents import PYTHON
from tests.localcloud.helpers import ROOT, SESSION, any_component, any_endpoint, eventually, in_service
from tests.support.accounts import LARGE


@pytest.fixture
def cloud(session_cloud: LocalCloud) -> Iterator[LocalCloud]:
    reset()
    yield session_cloud
    reset()


@pytest.fixture
def agents(cloud: LocalCloud) -> Iterator[None]:
    """AgentCore's runtimes start with this Python, which has what the stand-in of an agent imports."""
    before = settings.current()
    settings.configure(agent_python=PYTHON)
    yield
    settings.restore(before)
    del cloud


@pytest.fixture
def client(cloud: LocalCloud) -> Callable[[str], Any]:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=90, max_pool_connections=256)
    return cache(lambda name: SESSION.client(name, endpoint_url=cloud.url, config=config))


@pytest.fixture
def driven() -> Iterator[Any]:
    """moto in this process, without processes, on a clock that only the test moves."""
    before, kept = clocks.clock(), settings.current()
    settings.configure()
    settings.configure(quotas=LARGE)
    extension.install()
    clock = clocks.use(clocks.Clock(driven=True))
    with mock_aws():
        yield clock
        faults.clear()
    clocks.use(before)
    settings._current = kept


@pytest.fixture
def sagemaker(driven: Any) -> Any:
    return SESSION.client("sagemaker")


@pytest.fixture
def inbox(driven: Any) -> Any:
    """A topic with a queue behind it: its ARN, and what has arrived."""
    sns, sqs = SESSION.client("sns"), SESSION.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def read() -> list[tuple[str, Any]]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        bodies = [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [(body["Subject"], json.loads(body["Message"])) for body in bodies]

    return topic, read


@pytest.fixture
def serving(client: Callable[[str], Any]) -> Any:
    """An endpoint with one component of one copy, in service."""
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    any_component(sagemaker)
    in_service(sagemaker)
    return sagemaker


@pytest.fixture
def invoke(client: Callable[[str], Any]) -> Callable[..., Any]:
    runtime = client("sagemaker-runtime")

    def call(body: dict[str, Any] | None = None, **given: Any) -> Any:
        request = {"EndpointName": "fleet", "InferenceComponentName": "llama", "ContentType": "application/json"}
        answer = runtime.invoke_endpoint(**(request | given), Body=json.dumps(body or {}))
        return answer | {"Body": json.loads(answer["Body"].read())}

    return call


@pytest.fixture
def admin(cloud: LocalCloud) -> Callable[..., Any]:
    def call(method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {cloud.credentials.secret_access_key}"}
        request = urllib.request.Request(f"{cloud.url}/localcloud/{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read())

    return call


@pytest.fixture
def cdk(cloud: LocalCloud, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the unmodified CDK CLI against the embedded AWS."""
    environment = {
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ENDPOINT_URL_S3": cloud.url,
        **cloud.credentials.environment,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "node_modules" / ".bin" / "cdk"), *words, "--no-notices", "--no-color"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False, timeout=240
        )

    return run


@pytest.fixture
def get(cloud: LocalCloud) -> Callable[..., Any]:
    """Send a request byte for byte, as a browser would."""
    port = urlsplit(cloud.url).port

    def call(path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            given = {"Host": f"localhost:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=given)
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
