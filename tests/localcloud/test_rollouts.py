"""Rolling updates, blue/green deployments, and the alarms that trigger their rollback, on a driven clock."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import faults
from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint, specification, variant


@pytest.fixture
def fleet(sagemaker: Any, driven: Any) -> Any:
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker, copies=4)
    driven.advance(20)
    SESSION.client("cloudwatch").put_metric_alarm(
        AlarmName="p99", MetricName="ModelLatency", Namespace="AWS/SageMaker", ExtendedStatistic="p99", Period=60,
        Dimensions=[{"Name": "InferenceComponentName", "Value": "llama"}], EvaluationPeriods=1, Threshold=1e6,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    return sagemaker


def rolling(kind: str = "COPY_COUNT", value: int = 1, wait_s: int = 30, **more: Any) -> dict[str, Any]:
    return {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": kind, "Value": value},
            "WaitIntervalInSeconds": wait_s,
            **more,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "p99"}]},
    }


def update(fleet: Any, deployment: dict[str, Any], **more: Any) -> None:
    spec = specification(Container={"Image": "sglang:next"})
    fleet.update_inference_component(
        InferenceComponentName="llama", Specification=spec, DeploymentConfig=deployment, **more
    )


def images() -> list[str]:
    copies = next(state.components["llama"].copies for state in stores())
    return sorted(copy.spec["Container"]["Image"] for copy in copies if copy.state == "healthy")


def described(fleet: Any) -> Any:
    return fleet.describe_inference_component(InferenceComponentName="llama")


def refusal(call: Any, *args: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(*args, **params)
    return str(caught.value.response["Error"]["Message"])


def alarm(state: str = "ALARM") -> None:
    SESSION.client("cloudwatch").set_alarm_state(AlarmName="p99", StateValue=state, StateReason="slow")


def test_rolling_update_replaces_one_batch_at_a_time_and_bakes_after_each(fleet: Any, driven: Any) -> None:
    update(fleet, rolling())
    new = []
    for _ in range(200):
        driven.advance(1)
        assert len(images()) >= 4
        new.append(images().count("sglang:next"))
    steps = [n for n in range(5) if n in new]
    assert steps == [0, 1, 2, 3, 4]
    assert all(new.count(n) >= 30 for n in (1, 2, 3))
    assert described(fleet)["InferenceComponentStatus"] == "InService"
    assert images() == ["sglang:next"] * 4
    assert "FailureReason" not in described(fleet)


def test_half_of_the_copies_go_in_a_percentage_batch(fleet: Any, driven: Any) -> None:
    update(fleet, rolling("CAPACITY_PERCENT", 50))
    driven.advance(20)
    assert images() == ["sglang:latest"] * 2 + ["sglang:next"] * 2


def test_alarm_in_the_middle_of_a_roll_brings_the_old_version_back(fleet: Any, driven: Any) -> None:
    update(fleet, rolling(wait_s=60))
    driven.advance(90)
    assert images().count("sglang:next") == 2
    alarm()
    for _ in range(40):
        driven.advance(1)
        assert len(images()) >= 4
    end = described(fleet)
    assert end["InferenceComponentStatus"] == "InService"
    assert "CloudWatch alarm p99 went into ALARM (slow)" in end["FailureReason"]
    assert images() == ["sglang:latest"] * 4
    assert end["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == "sglang:latest"


def test_alarm_while_the_last_batch_bakes_still_takes_the_update_back(fleet: Any, driven: Any) -> None:
    update(fleet, rolling("CAPACITY_PERCENT", 50, wait_s=600))
    driven.advance(900)
    assert images() == ["sglang:next"] * 4
    assert described(fleet)["InferenceComponentStatus"] == "Updating"
    alarm()
    driven.advance(30)
    assert images() == ["sglang:latest"] * 4


def test_alarm_that_the_metrics_trip_takes_the_update_back(fleet: Any, driven: Any) -> None:
    update(fleet, rolling(wait_s=120))
    driven.advance(60)
    next(state.components["llama"] for state in stores()).latencies_us = [5e6] * 20
    driven.advance(60)
    assert "alarm p99" in described(fleet)["FailureReason"]
    assert described(fleet)["InferenceComponentStatus"] == "InService"


def test_alarm_after_the_roll_changes_nothing(fleet: Any, driven: Any) -> None:
    update(fleet, rolling("CAPACITY_PERCENT", 50, wait_s=0))
    driven.advance(30)
    alarm()
    driven.advance(30)
    assert images() == ["sglang:next"] * 4


def test_rollback_goes_in_its_own_batches(fleet: Any, driven: Any) -> None:
    back = {"RollbackMaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}}
    update(fleet, rolling("CAPACITY_PERCENT", 50, wait_s=600, **back))
    driven.advance(900)
    alarm()
    counts = set()
    for _ in range(40):
        driven.advance(1)
        counts.add(images().count("sglang:latest"))
    assert counts == {0, 1, 2, 3, 4}


def test_roll_that_takes_longer_than_allowed_is_taken_back(fleet: Any, driven: Any) -> None:
    update(fleet, rolling(wait_s=400, MaximumExecutionTimeoutInSeconds=600))
    driven.advance(650)
    assert "MaximumExecutionTimeoutInSeconds" in described(fleet)["FailureReason"]
    assert images() == ["sglang:latest"] * 4


def test_roll_whose_copies_never_get_healthy_is_taken_back(fleet: Any, driven: Any) -> None:
    update(fleet, rolling(wait_s=10))
    driven.advance(8)
    assert images().count("sglang:next") == 1
    faults.inject("component-health-check", target="llama", times=1)
    driven.advance(60)
    assert "no healthy /ping" in described(fleet)["FailureReason"]
    assert images() == ["sglang:latest"] * 4


@pytest.mark.parametrize(
    ("deployment", "says"),
    [
        (rolling("CAPACITY_PERCENT", 60), "it must be between 5% and 50%"),
        (rolling("CAPACITY_PERCENT", 4), "it must be between 5% and 50%"),
        (rolling("COPY_COUNT", 3), "is 75% of 4"),
        (rolling(wait_s=9999), "Member must be less than or equal to 3600"),
        (
            rolling() | {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "absent"}]}},
            "Could not find CloudWatch alarms ['absent']",
        ),
    ],
)
def test_component_policy_is_refused_for(fleet: Any, deployment: dict[str, Any], says: str) -> None:
    assert says in refusal(update, fleet, deployment)
    assert described(fleet)["InferenceComponentStatus"] == "InService"


def blue_green(kind: str = "ALL_AT_ONCE", wait_s: int = 0, termination_s: int = 0, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait_s} | more
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": termination_s,
            "MaximumExecutionTimeoutInSeconds": 3600,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "p99"}]},
    }


def fleet_rolling(value: int = 50) -> dict[str, Any]:
    size = {"Type": "CAPACITY_PERCENT", "Value": value}
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 100}}


PERCENT = {"Type": "CAPACITY_PERCENT", "Value": 25}


def move(fleet: Any, deployment: dict[str, Any], variants: list[dict[str, Any]] | None = None) -> None:
    fleet.create_endpoint_config(
        EndpointConfigName="fleet-2", ExecutionRoleArn=ROLE, ProductionVariants=variants or [variant()]
    )
    fleet.update_endpoint(EndpointName="fleet", EndpointConfigName="fleet-2", DeploymentConfig=deployment)


@pytest.mark.parametrize(
    ("deployment", "lasts_s"),
    [
        (blue_green(), 0),
        ({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "p99"}]}}, 0),
        (blue_green(wait_s=60, termination_s=120), 180),
        (blue_green("CANARY", 60, 30, CanarySize=PERCENT), 150),
        (blue_green("LINEAR", 60, 30, LinearStepSize=PERCENT), 270),
        (fleet_rolling(), 200),
    ],
)
def test_deployment_lasts_as_long_as_its_waits(
    fleet: Any, driven: Any, deployment: dict[str, Any], lasts_s: int
) -> None:
    move(fleet, deployment)
    driven.advance(max(lasts_s, 1))
    assert fleet.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "Updating"
    driven.advance(5)
    end = fleet.describe_endpoint(EndpointName="fleet")
    assert (end["EndpointStatus"], end["EndpointConfigName"]) == ("InService", "fleet-2")
    assert end["LastDeploymentConfig"] == deployment


def test_alarm_during_a_canary_rolls_the_endpoint_back(fleet: Any, driven: Any) -> None:
    move(fleet, blue_green("CANARY", 600, CanarySize=PERCENT))
    driven.advance(120)
    alarm()
    driven.advance(1)
    assert fleet.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "RollingBack"
    driven.advance(5)
    end = fleet.describe_endpoint(EndpointName="fleet")
    assert (end["EndpointStatus"], end["EndpointConfigName"]) == ("InService", "fleet-1")
    assert "alarm p99" in end["FailureReason"]


@pytest.mark.parametrize(
    ("deployment", "says"),
    [
        (blue_green("CANARY"), "CanarySize is required for CANARY"),
        (blue_green("LINEAR", LinearStepSize={"Type": "CAPACITY_PERCENT", "Value": 5}), "between 10% and 50%"),
        (blue_green("ALL_AT_ONCE", CanarySize=PERCENT), "CanarySize is not allowed for ALL_AT_ONCE"),
        (blue_green(wait_s=3600), "larger than the total waiting time"),
        (fleet_rolling(80), "between 5% and 50%"),
        (blue_green() | fleet_rolling(), "Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy"),
    ],
)
def test_endpoint_policy_is_refused_for(fleet: Any, deployment: dict[str, Any], says: str) -> None:
    assert says in refusal(move, fleet, deployment)
    assert fleet.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService"


def test_endpoint_of_two_variants_does_not_roll(fleet: Any) -> None:
    two = [variant(), variant(VariantName="second")]
    assert "one production variant" in refusal(move, fleet, fleet_rolling(), two)


def test_alarm_that_was_set_and_put_right_again_still_counts(fleet: Any, driven: Any) -> None:
    update(fleet, rolling(wait_s=60))
    driven.advance(30)
    alarm()
    alarm("OK")
    driven.advance(1)
    assert "alarm p99" in described(fleet)["FailureReason"]


def test_stack_whose_update_an_alarm_takes_back_fails_with_the_reason_and_serves_the_old_version(
    fleet: Any, driven: Any
) -> None:
    component: dict[str, Any] = {
        "InferenceComponentName": "qwen",
        "EndpointName": "fleet",
        "VariantName": "main",
        "Specification": specification(),
        "RuntimeConfig": {"CopyCount": "2"},
        "DeploymentConfig": rolling(wait_s=60),
    }
    template = {"Resources": {"Qwen": {"Type": "AWS::SageMaker::InferenceComponent", "Properties": component}}}
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    fleet.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 1}
    )
    driven.advance(5)
    SESSION.client("cloudwatch").put_metric_alarm(
        AlarmName="p99", MetricName="None", Namespace="Shop", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="breaching",
    )  # fmt: skip
    component["Specification"] = specification(Container={"Image": "sglang:next"})
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps(template))
    (stack,) = cloudformation.describe_stacks(StackName="s")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reasons = [
        e.get("ResourceStatusReason", "") for e in cloudformation.describe_stack_events(StackName="s")["StackEvents"]
    ]
    assert any("CloudWatch alarm p99 went into ALARM" in reason for reason in reasons)
    live = fleet.describe_inference_component(InferenceComponentName="qwen")
    assert live["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == "sglang:latest"
    assert live["RuntimeConfig"]["CurrentCopyCount"] == 2
