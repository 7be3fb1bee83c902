"""The gate: two canaries beside the live component, and deleted whatever happens. SageMaker is a stand-in."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cdk_sglang._runtime.speculative import gate
from cdk_sglang._runtime.speculative.canaries import name_of
from cdk_sglang._runtime.speculative.config import Config
from cdk_sglang._runtime.speculative.ends import BASE_CHANGED, GATE_FAILED, EndError, Throttled
from tests.support.sagemaker_stand_in import SageMakerStandIn
from tests.support.speculation import (
    BASE_PREFIX,
    BUCKET,
    COMPONENT,
    ENDPOINT,
    NOW,
    RUN,
    VERSION,
    aws,
    config,
    event,
    gated,
    plenty,
)

BASE, DRAFT = name_of(RUN, "base"), name_of(RUN, "draft")
BASE_URI = f"s3://{BUCKET}/{BASE_PREFIX}"
DRAFTED = {"algorithm": "EAGLE3", "steps": 3, "topk": 1, "draft_tokens": 4}


@pytest.fixture
def sagemaker() -> SageMakerStandIn:
    """The live component on two instances of four GPUs, of which a copy takes two: six are spare."""
    return live(SageMakerStandIn())


def live(sagemaker: SageMakerStandIn, *, instances: int = 2, uri: str = BASE_URI) -> SageMakerStandIn:
    sagemaker.put(
        "endpoint",
        ENDPOINT,
        EndpointStatus="InService",
        EndpointConfigName="live-config",
        ProductionVariants=[{"VariantName": "main", "CurrentInstanceCount": instances}],
    )
    sagemaker.put(
        "endpoint_config",
        "live-config",
        ProductionVariants=[{"VariantName": "main", "InferenceAmiVersion": "al2023-gpu"}],
        VpcConfig={"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    )
    sagemaker.put(
        "model",
        "live-model",
        PrimaryContainer={
            "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sglang@sha256:" + "0" * 64,
            "Environment": {"SM_SGLANG_TP_SIZE": "2", "SM_SGLANG_SPECULATIVE_ALGORITHM": "EAGLE"},
            "ModelDataSource": {"S3DataSource": {"S3Uri": uri}},
        },
        VpcConfig={"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    )
    sagemaker.put(
        "inference_component",
        COMPONENT,
        EndpointName=ENDPOINT,
        VariantName="main",
        InferenceComponentStatus="InService",
        Specification={
            "ModelName": "live-model",
            "ComputeResourceRequirements": {"NumberOfAcceleratorDevicesRequired": 2.0, "MinMemoryRequiredInMb": 1024},
            "StartupParameters": {"ModelDataDownloadTimeoutInSeconds": 1200},
        },
        RuntimeConfig={"DesiredCopyCount": 1, "CurrentCopyCount": 1},
    )
    return sagemaker


def opened(sagemaker: Any, found: Config | None = None) -> dict[str, Any]:
    return gate.open_gate(aws(sagemaker=sagemaker), found or config(), event(draft=DRAFTED), NOW, plenty)


def watched(sagemaker: Any, state: dict[str, Any], *, minutes: float = 1) -> dict[str, Any]:
    now = NOW + dt.timedelta(minutes=minutes)
    return gate.watch(aws(sagemaker=sagemaker), config(), event(draft=DRAFTED, gate=state), now, plenty)


def test_two_canaries_have_the_live_components_image_options_and_gpus(sagemaker: SageMakerStandIn) -> None:
    found = opened(sagemaker)

    base, draft = (sagemaker.found["model"][name] for name in (BASE, DRAFT))
    assert (found["state"], found["endpoint"], found["second"]) == ("opening", ENDPOINT, False)
    assert base["PrimaryContainer"]["Environment"] == {"SM_SGLANG_TP_SIZE": "2"}
    assert base["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"] == BASE_URI
    assert draft["PrimaryContainer"]["Environment"] == {
        "SM_SGLANG_TP_SIZE": "2",
        "SM_SGLANG_SPECULATIVE_ALGORITHM": "EAGLE3",
        "SM_SGLANG_SPECULATIVE_NUM_STEPS": "3",
        "SM_SGLANG_SPECULATIVE_EAGLE_TOPK": "1",
        "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS": "4",
        "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH": "/opt/ml/model/draft",
    }
    assert draft["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"] == f"s3://{BUCKET}/{VERSION}"
    assert draft["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    component = sagemaker.found["inference_component"][DRAFT]
    assert component["Specification"]["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"] == 2.0


def test_a_second_call_makes_nothing_again(sagemaker: SageMakerStandIn) -> None:
    first = opened(sagemaker)
    calls = list(sagemaker.calls)

    assert opened(sagemaker) == first
    assert sagemaker.calls == calls


def test_canaries_that_serve_open_the_gate(sagemaker: SageMakerStandIn) -> None:
    state = opened(sagemaker)
    assert watched(sagemaker, state)["state"] == "opening"

    sagemaker.serve()

    assert watched(sagemaker, state)["state"] == "open"


def test_without_spare_gpus_and_without_leave_for_a_second_endpoint_the_run_ends() -> None:
    with pytest.raises(EndError, match=r"has 2 spare GPUs of ml.g6e.12xlarge, and two canaries take 4") as ended:
        opened(live(SageMakerStandIn(), instances=1))

    assert ended.value.end == GATE_FAILED
    assert "second_endpoint: true" in ended.value.next_step


def test_a_second_endpoint_has_the_live_network_and_image_and_then_the_canaries() -> None:
    sagemaker = live(SageMakerStandIn(), instances=1)
    found = gated(config(), second_endpoint=True)

    state = opened(sagemaker, found)
    endpoint_config = sagemaker.found["endpoint_config"][f"gate-{RUN}"]

    assert state["second"] is True
    assert endpoint_config["ProductionVariants"][0]["InitialInstanceCount"] == 1
    assert endpoint_config["ProductionVariants"][0]["InferenceAmiVersion"] == "al2023-gpu"
    assert endpoint_config["VpcConfig"]["Subnets"] == ["subnet-1"]
    assert watched(sagemaker, state)["state"] == "opening"
    sagemaker.serve()
    assert watched(sagemaker, state)["state"] == "opening"
    sagemaker.serve()
    assert watched(sagemaker, state)["state"] == "open"
    assert sagemaker.found["inference_component"][DRAFT]["EndpointName"] == f"gate-{RUN}"


@pytest.mark.parametrize(
    ("minutes", "status", "reason"),
    [(1, "Failed", r"is Failed \(no capacity\) after 1 min"), (91, "Creating", "is Creating .*after 91 min")],
)
def test_a_canary_that_fails_or_never_serves_ends_the_run(
    sagemaker: SageMakerStandIn, minutes: float, status: str, reason: str
) -> None:
    state = opened(sagemaker)
    sagemaker.serve()
    sagemaker.found["inference_component"][DRAFT] |= {
        "InferenceComponentStatus": status,
        "FailureReason": "no capacity",
    }

    with pytest.raises(EndError, match=reason) as ended:
        watched(sagemaker, state, minutes=minutes)

    assert ended.value.end == GATE_FAILED


def test_a_component_with_another_base_by_now_ends_the_run() -> None:
    with pytest.raises(EndError, match=r"does not serve .* any more") as ended:
        opened(live(SageMakerStandIn(), uri="s3://weights-1/weights/another/"))

    assert ended.value.end == BASE_CHANGED


def test_a_refused_quota_names_itself_and_throttling_is_tried_again(sagemaker: SageMakerStandIn) -> None:
    sagemaker.errors["create_model"] = [("ResourceLimitExceeded", "models: 100"), ("ThrottlingException", "slow")]

    with pytest.raises(EndError, match=r"ResourceLimitExceeded: models: 100"):
        opened(sagemaker)
    with pytest.raises(Throttled):
        opened(sagemaker)
    assert opened(sagemaker)["state"] == "opening"


def test_closing_deletes_everything_of_the_run_and_nothing_else(sagemaker: SageMakerStandIn) -> None:
    sagemaker.serve()
    opened(sagemaker)

    gate.close(aws(sagemaker=sagemaker), config(), event(), NOW, plenty)
    again = gate.close(aws(sagemaker=sagemaker), config(), event(), NOW, plenty)

    assert again == {"removed": []}
    assert list(sagemaker.found["model"]) == ["live-model"]
    assert list(sagemaker.found["inference_component"]) == [COMPONENT]
    assert list(sagemaker.found["endpoint"]) == [ENDPOINT]


def test_what_cannot_be_deleted_yet_is_left_for_the_next_call_and_the_rest_is_gone(sagemaker: SageMakerStandIn) -> None:
    opened(sagemaker)
    sagemaker.errors["delete_inference_component"] = [("ValidationException", "Cannot delete while Creating")]

    with pytest.raises(Throttled, match=f"{BASE}: ValidationException: Cannot delete while Creating"):
        gate.close(aws(sagemaker=sagemaker), config(), event(), NOW, plenty)

    assert list(sagemaker.found["inference_component"]) == [COMPONENT, BASE]
    gate.close(aws(sagemaker=sagemaker), config(), event(), NOW, plenty)
    assert list(sagemaker.found["inference_component"]) == [COMPONENT]
