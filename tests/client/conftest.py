"""A component at zero copies on the embedded AWS, and a clock whose pauses let that cloud's time pass."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyio import to_thread

from cdk_sglang.client import InferenceClient, Progress
from cdk_sglang.client.errors import WaitCancelledError
from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import CREDENTIALS, SESSION, eventually


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every client of a test at its end, so that no test pays for another's connections."""
    clients: list[InferenceClient] = []
    begin = InferenceClient.__init__

    def note(self: InferenceClient, *arguments: Any, **more: Any) -> None:
        begin(self, *arguments, **more)
        clients.append(self)

    monkeypatch.setattr(InferenceClient, "__init__", note)
    yield
    for one in clients:
        one.close()


class CloudTime:
    """Pauses skip the embedded AWS's clock; a copy that is to come is waited for, since its process starts in real time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._now = 1000.0
        self.pauses: list[float] = []
        self.copies_come = True
        self.on_pause: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self._now

    def skip(self, seconds: float) -> None:
        self._now += seconds
        data = json.dumps({"advance": seconds}).encode()
        headers = {"Authorization": f"Bearer {CREDENTIALS.secret_access_key}"}
        urllib.request.urlopen(
            urllib.request.Request(f"{self._url}/localcloud/clock", data=data, method="POST", headers=headers)
        ).close()
        if self.copies_come:
            eventually(lambda: all(_answering(c) >= c.desired for state in stores() for c in state.components.values()))

    def sleep(self, seconds: float, cancel: threading.Event | None) -> None:
        self.pauses.append(seconds)
        self.on_pause()
        if cancel is not None and cancel.is_set():
            raise WaitCancelledError("cancelled")
        self.skip(seconds)

    async def asleep(self, seconds: float) -> None:
        await to_thread.run_sync(self.sleep, seconds, None)


def _answering(component: Any) -> int:
    return sum(copy.state == "healthy" for copy in component.copies)


@pytest.fixture
def time_of(cloud: Any) -> CloudTime:
    return CloudTime(cloud.url)


@pytest.fixture
def steps() -> list[Progress]:
    return []


def wakes(client: Any, component: str) -> None:
    """Give a component what wakes it from zero: the alarm and step policy of AWS's example, at one failure."""
    scaling = client("application-autoscaling")
    resource = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{component}",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    scaling.register_scalable_target(**resource, MinCapacity=0, MaxCapacity=2)
    policy = scaling.put_scaling_policy(
        **resource,
        PolicyName=f"{component}-wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Maximum",
            "Cooldown": 60,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        },
    )
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"{component}-wake",
        Namespace="AWS/SageMaker",
        MetricName="NoCapacityInvocationFailures",
        Dimensions=[{"Name": "InferenceComponentName", "Value": component}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[policy["PolicyARN"]],
    )


def to_zero(sagemaker: Any, component: str) -> None:
    """Take a component's copies away."""
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=component, DesiredRuntimeConfig={"CopyCount": 0}
    )

    def gone() -> bool:
        found = sagemaker.describe_inference_component(InferenceComponentName=component)
        counts = found["RuntimeConfig"]
        return counts["CurrentCopyCount"] == 0 and found["InferenceComponentStatus"] == "InService"

    eventually(gone)


@pytest.fixture
def asleep(serving: Any, client: Any) -> Any:
    """The component `llama` at zero copies, which a request wakes."""
    to_zero(serving, "llama")
    wakes(client, "llama")
    return serving


@pytest.fixture
def options(cloud: Any, time_of: CloudTime, steps: list[Progress]) -> dict[str, Any]:
    """What every client here is made with."""
    return {"session": SESSION, "endpoint_url": cloud.url, "clock": time_of, "on_progress": steps.append}


@pytest.fixture
def request_count(client: Any) -> Callable[..., int]:
    """How many requests containers have begun to answer, by their logs, which are written a moment after the answer."""

    def lines(component: str, pattern: str) -> list[str]:
        pages = client("logs").get_paginator("filter_log_events")
        group = f"/aws/sagemaker/InferenceComponents/{component}"
        found = pages.paginate(logGroupName=group, filterPattern=pattern)
        return [event["message"] for page in found for event in page["events"]]

    def catch_up(component: str) -> None:
        """Wait for a line that each copy writes now: what it has written before is in the logs then."""
        for copy in [
            copy for store in stores() if component in store.components for copy in store.components[component].copies
        ]:
            mark = f"/mark/{uuid.uuid4().hex}"
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{copy.port}{mark}", timeout=30),
            ):
                eventually(lambda mark=mark: any(mark in line for line in lines(component, "mark")))

    def count(component: str = "llama") -> int:
        catch_up(component)
        return sum("request /" in line for line in lines(component, "request"))

    return count
