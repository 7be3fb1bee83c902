"""The embedded AWS for tests of any room: one for the session, emptied between tests, or one in the process on a driven clock.

A plugin of the whole suite (tests/conftest.py). moto is loaded with the first test that needs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from tests.localcloud.helpers import ROOT, SESSION

if TYPE_CHECKING:
    from localcloud.aws.server import LocalCloud


@pytest.fixture
def cloud(session_cloud: LocalCloud) -> Iterator[LocalCloud]:
    from localcloud.aws.control import reset

    reset()
    yield session_cloud
    reset()


@pytest.fixture
def agents(cloud: LocalCloud) -> Iterator[None]:
    """AgentCore's runtimes start with this Python, which has what the stand-in of an agent imports."""
    from localcloud.aws import settings
    from tests.localcloud.agents import PYTHON

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
    from moto import mock_aws

    from localcloud.aws import clock as clocks
    from localcloud.aws import extension, faults, settings
    from tests.support.accounts import LARGE

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
    from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service

    sagemaker = client("sagemaker")
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    any_component(sagemaker)
    in_service(sagemaker)
    return sagemaker


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
def cdk_cli(cloud: LocalCloud, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
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
