"""The whole way: what the library makes is deployed by the CDK CLI, loaded, left alone until nothing runs, and woken by one request.

Processes, requests and alarms are real; minutes pass on the embedded AWS's clock.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aws_cdk as cdk_lib
import pytest

from cdk_sglang import Capacity, ComponentScaling, Concurrency, InferenceEndpoint, ModelSource, ServingImage
from cdk_sglang.client import InferenceClient, Progress, Wait
from localcloud.aws.hosting.store import stores
from tests.client.conftest import CloudTime
from tests.localcloud.helpers import SESSION, eventually

pytestmark = pytest.mark.timeout(300)
ENDPOINT, LLAMA, QWEN = "fleet", "fleet-llama", "fleet-qwen"
BUSY = {"messages": [{"role": "user", "content": "slowly"}], "sleep_s": 4}


@pytest.fixture
def deployed(cdk_cli: Any, client: Any, tmp_path: Path) -> None:
    client("s3").create_bucket(Bucket="cdk-hnb659fds-assets-123456789012-us-east-1")
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    client("s3").create_bucket(Bucket="models")
    for name in ("llama", "qwen"):
        client("s3").put_object(Bucket="models", Key=f"{name}/config.json", Body=b"{}")
    app = cdk_lib.App(outdir=str(tmp_path / "assembly"), analytics_reporting=False)
    stack = cdk_lib.Stack(app, "Fleet", env=cdk_lib.Environment(account="123456789012", region="us-east-1"))
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=ServingImage.from_dlc(),
        endpoint_name=ENDPOINT,
    )
    for name in ("llama", "qwen"):
        endpoint.add_component(
            name,
            model=ModelSource.from_s3(f"s3://models/{name}/", check=False),
            scaling=ComponentScaling(
                min_copies=0,
                max_copies=3,
                target=Concurrency(requests_per_copy=2),
                scale_out_cooldown_seconds=30,
                scale_in_cooldown_seconds=60,
            ),
        )
    app.synth()
    done = cdk_cli("deploy", "Fleet", "--app", str(tmp_path / "assembly"), "--require-approval", "never")
    assert done.returncode == 0, done.stderr[-3000:]


def copies(name: str) -> int:
    return int(next(state.components[name] for state in stores()).desired)


def instances() -> int:
    return sum(len(group) for state in stores() for group in state.endpoints[ENDPOINT].instances.values())


@contextmanager
def load(client: Any, component: str, requests: int) -> Iterator[None]:
    """Keep so many requests in flight on a component."""
    over = threading.Event()
    runtime = client("sagemaker-runtime")

    def ask() -> None:
        while not over.is_set():
            answer = runtime.invoke_endpoint(
                EndpointName=ENDPOINT,
                InferenceComponentName=component,
                ContentType="application/json",
                Body=json.dumps(BUSY),
            )
            assert answer["Body"].read()

    with ThreadPoolExecutor(requests) as pool:
        futures = [pool.submit(ask) for _ in range(requests)]
        try:
            yield
        finally:
            over.set()
    for future in futures:
        future.result()


def until(clock: CloudTime, holds: Callable[[], bool], *, minutes: int) -> int:
    """Let minutes pass until it holds; how many it took."""
    for passed in range(minutes + 1):
        if holds():
            return passed
        clock.skip(60)
    raise AssertionError(
        f"not within {minutes} minutes: llama {copies(LLAMA)}, qwen {copies(QWEN)}, {instances()} instances"
    )


def test_one_component_scales_alone_then_both_go_and_one_request_brings_one_back(
    deployed: None,
    client: Any,
    cloud: Any,
) -> None:
    clock = CloudTime(cloud.url)
    assert (copies(LLAMA), copies(QWEN), instances()) == (1, 1, 1)

    with load(client, LLAMA, 6):
        until(clock, lambda: copies(LLAMA) == 3, minutes=5)
    assert copies(QWEN) <= 1  # nobody asked for more of it

    passed = until(clock, lambda: copies(LLAMA) == 0 and copies(QWEN) == 0, minutes=40)
    assert passed >= 14  # AWS's scale-in alarm takes fifteen points
    until(clock, lambda: instances() == 0, minutes=30)

    steps: list[Progress] = []
    with InferenceClient(
        ENDPOINT,
        LLAMA,
        session=SESSION,
        endpoint_url=cloud.url,
        wait=Wait(up_to_seconds=600),
        on_progress=steps.append,
        clock=clock,
    ) as waiting:
        answer = waiting.chat([{"role": "user", "content": "anybody there?"}])
    assert answer["choices"][0]["message"]["content"] == "heard: anybody there?"
    assert steps, "it answered at once, so nothing was asleep"
    assert (copies(LLAMA), copies(QWEN)) == (1, 0)
    clock.skip(120)  # what failed while it woke is no reason for a second copy
    assert copies(LLAMA) == 1
    eventually(lambda: instances() == 1)
