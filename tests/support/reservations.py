"""Training plans of the embedded AWS, on a clock that only the test moves, and the runtime that looks at them."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends

from tests.localcloud.helpers import ROLE, SESSION

RUNTIME = Path(__file__).parents[2] / "constructs" / "cdk_sglang" / "_runtime"
TYPE = "ml.p5en.48xlarge"
PREFIX = "chat-on-demand-"


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The modules of the reservation functions."""

    plan: ModuleType
    move: ModuleType
    guard: ModuleType


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.syspath_prepend(str(RUNTIME))
    yield Runtime(**{name: importlib.import_module(f"reservation.{name}") for name in ("plan", "move", "guard")})
    for name in [name for name in sys.modules if name.partition(".")[0] == "reservation"]:
        del sys.modules[name]


@dataclass
class Fleet:
    """An endpoint with one component on a plan of seven days, in service, and its clock."""

    sagemaker: Any
    cloudwatch: Any
    clock: Any
    plan_arn: str
    config: str = "Config-1"

    @property
    def now(self) -> dt.datetime:
        return self.clock.utc()

    @property
    def end(self) -> dt.datetime:
        return self.sagemaker.describe_training_plan(TrainingPlanName=self.plan_arn)["EndTime"]

    def before_the_end(self, **time: float) -> None:
        """Let time pass to that long before the plan ends; states are then what they are at that moment."""
        moment = (self.end - dt.timedelta(**time)).timestamp()
        assert moment >= self.clock.now()
        self.clock._now = moment
        self.clock.advance(2)

    def described(self) -> dict[str, Any]:
        return self.sagemaker.describe_endpoint(EndpointName="chat")

    def settle(self) -> None:
        self.clock.wait_until(
            lambda: self.described()["EndpointStatus"] in {"InService", "Failed"}, timeout_s=3600, what="the endpoint"
        )

    def live_config(self) -> dict[str, Any]:
        return self.sagemaker.describe_endpoint_config(EndpointConfigName=self.described()["EndpointConfigName"])

    def metric(self, name: str) -> list[float]:
        """Return what was published about the endpoint, oldest first."""
        backend = cloudwatch_backends["123456789012"]["us-east-1"]
        identity = ("cdk-sglang/Reservations", name, ["chat"])
        return [
            datum.value
            for datum in backend.metric_data
            if (datum.namespace, datum.name, [dimension.value for dimension in datum.dimensions]) == identity
        ]


def bought(sagemaker: Any, *, name: str = "peak", hours: int = 24 * 7, count: int = 2, kind: str = TYPE) -> str:
    offering, *_ = sagemaker.search_training_plan_offerings(
        TargetResources=["endpoint"], InstanceType=kind, InstanceCount=count, DurationHours=hours
    )["TrainingPlanOfferings"]
    plan = sagemaker.create_training_plan(
        TrainingPlanName=name, TrainingPlanOfferingId=offering["TrainingPlanOfferingId"]
    )
    return str(plan["TrainingPlanArn"])


@pytest.fixture
def fleet(driven: Any, sagemaker: Any) -> Fleet:
    plan_arn = bought(sagemaker)
    driven._now += 31 * 60
    driven.advance(1)
    sagemaker.create_endpoint_config(
        EndpointConfigName="Config-1",
        ExecutionRoleArn=ROLE,
        EnableNetworkIsolation=True,
        Tags=[{"Key": "cost-centre", "Value": "ml"}],
        MetricsConfig={"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 60},
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "InstanceType": TYPE,
                "InitialInstanceCount": 1,
                "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
                "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
                "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2},
                "CapacityReservationConfig": {
                    "CapacityReservationPreference": "capacity-reservations-only",
                    "MlReservationArn": plan_arn,
                },
            }
        ],
    )
    sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="Config-1")
    fleet = Fleet(sagemaker=sagemaker, cloudwatch=SESSION.client("cloudwatch"), clock=driven, plan_arn=plan_arn)
    fleet.settle()
    sagemaker.create_inference_component(
        InferenceComponentName="chat-qwen",
        EndpointName="chat",
        VariantName="AllTraffic",
        Specification={
            "Container": {"Image": "sglang:latest"},
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 4},
        },
        RuntimeConfig={"CopyCount": 1},
    )
    driven.wait_until(
        lambda: component(sagemaker)["InferenceComponentStatus"] == "InService", timeout_s=3600, what="the component"
    )
    return fleet


def component(sagemaker: Any) -> dict[str, Any]:
    return dict(sagemaker.describe_inference_component(InferenceComponentName="chat-qwen"))


@pytest.fixture
def look(runtime: Runtime, fleet: Fleet) -> Callable[..., dict[str, Any]]:
    """Run the hourly function's logic at the clock's moment."""

    def run(**changes: Any) -> dict[str, Any]:
        fields = {
            "endpoint": "chat",
            "plan_arn": fleet.plan_arn,
            "prefix": PREFIX,
            "hours_before": 6,
            "max_instances": 2,
        }
        watched = runtime.guard.Watched(**(fields | changes))
        aws = runtime.guard.Clients(sagemaker=fleet.sagemaker, cloudwatch=fleet.cloudwatch)
        return dict(runtime.guard.look(aws, watched, now=fleet.now))

    return run
