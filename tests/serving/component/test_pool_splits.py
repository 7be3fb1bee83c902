"""A pool whose types differ in GPUs: a component has a model for each way a copy is split."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import (
    Capacity,
    ComponentScaling,
    ConfigurationError,
    HostResources,
    InferenceComponent,
    InferenceEndpoint,
    ModelSource,
    SglangOptions,
    Verification,
)
from cdk_sglang.engine import HicacheOptions

MakeEndpoint = Callable[..., InferenceEndpoint]
L40S_4, L40S_4_MORE_CORES, L40S_8 = "ml.g6e.12xlarge", "ml.g6e.24xlarge", "ml.g6e.48xlarge"
A10G_4 = "ml.g5.12xlarge"
MODEL = ModelSource.from_s3("s3://models/gpt-oss/", check=False, model_id="openai/gpt-oss-20b")
UNKNOWN = ModelSource.from_s3("s3://models/own/", check=False)


def pool(*types: str, most: int = 4) -> Capacity:
    return Capacity.pool(types, max_instances=most)


def resources(component: InferenceComponent, kind: str) -> dict[str, dict[str, Any]]:
    found = Template.from_stack(cdk.Stack.of(component)).find_resources(kind)
    return {name: resource["Properties"] for name, resource in found.items()}


def splits(component: InferenceComponent) -> dict[str, tuple[int, str]]:
    """GPUs of a copy, and tp_size in the environment of the model that is named, by instance type."""
    models = resources(component, "AWS::SageMaker::Model")
    (own,) = resources(component, "AWS::SageMaker::InferenceComponent").values()
    found = {}
    for one in own["Specifications"]:
        environment = models[one["ModelName"]["Fn::GetAtt"][0]]["PrimaryContainer"].get("Environment", {})
        gpus = one["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"]
        found[one["InstanceType"]] = (gpus, environment.get("SM_SGLANG_TP_SIZE", "1"))
    return found


def test_without_a_size_each_type_gets_the_fewest_gpus_that_hold_the_model(any_endpoint: MakeEndpoint) -> None:
    large = ModelSource.from_s3("s3://models/qwen/", check=False, model_id="Qwen/Qwen3-32B-FP8")
    server = SglangOptions(context_length=40960)
    component = any_endpoint(capacity=pool(L40S_4, "ml.p5.48xlarge")).add_component("qwen", model=large, server=server)
    found = splits(component)
    assert found["ml.p5.48xlarge"] == (1, "1")
    assert found[L40S_4] == (component.gpus_by_type[L40S_4], str(component.gpus_by_type[L40S_4]))
    assert component.gpus_by_type[L40S_4] > 1
    assert len(resources(component, "AWS::SageMaker::Model")) == 2


def test_types_with_the_same_gpus_share_one_model(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_4_MORE_CORES)).add_component("gpt", model=MODEL)
    assert splits(component) == {L40S_4: (1, "1"), L40S_4_MORE_CORES: (1, "1")}
    assert len(resources(component, "AWS::SageMaker::Model")) == 1


def test_types_that_differ_and_need_as_many_share_one_model_too(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component(
        "gpt", model=MODEL, server=SglangOptions(context_length=8192)
    )
    assert len(resources(component, "AWS::SageMaker::Model")) == 1


def test_a_size_that_was_asked_for_holds_for_all_types(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component(
        "gpt", model=MODEL, server=SglangOptions(tp_size=4)
    )
    assert splits(component) == {L40S_4: (4, "4"), L40S_8: (4, "4")}


def test_a_size_by_type_goes_before_all_others(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component(
        "gpt", model=UNKNOWN, server=SglangOptions(tp_size=2), tp_size_by_type={L40S_8: 8}
    )
    assert splits(component) == {L40S_4: (2, "2"), L40S_8: (8, "8")}
    assert sorted(resources(component, "AWS::SageMaker::Model")) == sorted(
        cdk.Stack.of(component).get_logical_id(model) for model in component._models
    )


def test_a_model_nobody_knows_keeps_one_gpu(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component("own", model=UNKNOWN)
    assert splits(component) == {L40S_4: (1, "1"), L40S_8: (1, "1")}


def test_host_memory_and_cores_follow_the_gpus_of_each_type(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component(
        "gpt", model=UNKNOWN, tp_size_by_type={L40S_4: 4, L40S_8: 2}
    )
    (own,) = resources(component, "AWS::SageMaker::InferenceComponent").values()
    cores = {
        one["InstanceType"]: one["ComputeResourceRequirements"]["NumberOfCpuCoresRequired"]
        for one in own["Specifications"]
    }
    assert cores == {L40S_4: 24, L40S_8: 24}  # half of 48 cores; half of a quarter of 192


def test_the_host_tier_of_the_cache_is_sized_for_each_split(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component(
        "gpt",
        model=UNKNOWN,
        server=SglangOptions(hicache=HicacheOptions()),
        resources=HostResources(cpu_cores=8, memory_mib=100_000),
        tp_size_by_type={L40S_4: 1, L40S_8: 4},
    )
    sizes = [environment["SM_SGLANG_HICACHE_SIZE"] for environment in component.environments]
    assert sizes == ["83", "20"]  # gigabytes for each GPU's process


def test_all_copies_must_fit_on_every_type_with_its_own_split(any_endpoint: MakeEndpoint) -> None:
    endpoint = any_endpoint(capacity=pool(L40S_4, L40S_8, most=2))
    with pytest.raises(ConfigurationError) as error:
        endpoint.add_component("gpt", model=UNKNOWN, copies=3, tp_size_by_type={L40S_4: 1, L40S_8: 8})
    assert error.value.problems == (
        (
            "Chat.capacity.max_instances: 3 instances of ml.g6e.48xlarge are needed for all copies, 2 allowed; raise it to 3, lower "
            "copies, or use an instance with more than 8 GPUs"
        ),
    )
    with pytest.raises(ConfigurationError, match=r"gpt.server: 8 GPUs asked for one copy, ml.g6e.12xlarge has 4"):
        endpoint.add_component("gpt", model=UNKNOWN, tp_size_by_type={L40S_4: 8})


def test_sizes_by_type_that_cannot_be_are_refused_together(any_endpoint: MakeEndpoint) -> None:
    with pytest.raises(ConfigurationError) as error:
        any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component(
            "gpt", model=UNKNOWN, copies=0, tp_size_by_type={A10G_4: 2, L40S_4: 0}
        )
    assert error.value.problems == (
        "gpt.copies: 0 is not allowed; use a value >= 1",
        f"gpt.tp_size_by_type.{L40S_4}: 0 is not allowed; use a value >= 1",
        f"gpt.tp_size_by_type.{A10G_4}: the endpoint has no such type, it has {L40S_4}, {L40S_8}; remove it",
    )


def test_options_that_one_split_rules_out_are_said_once(any_endpoint: MakeEndpoint) -> None:
    with pytest.raises(ConfigurationError) as error:
        any_endpoint(capacity=pool(L40S_4, L40S_8)).add_component(
            "gpt",
            model=UNKNOWN,
            server=SglangOptions(tp_size=4, attn_dp_size=4, extra={"no_such_option": 1}),
            tp_size_by_type={L40S_8: 2},
        )
    assert len([problem for problem in error.value.problems if "no_such_option" in problem]) == 1
    assert any(
        "attention groups split the tp_size GPUs evenly, got 4 with tp_size 2" in p for p in error.value.problems
    )


def test_the_check_and_the_surviving_copies_know_every_model(any_endpoint: MakeEndpoint) -> None:
    component = any_endpoint(capacity=pool(L40S_4, L40S_8), verification=Verification()).add_component(
        "gpt", model=MODEL, tp_size_by_type={L40S_4: 4, L40S_8: 2}, scaling=ComponentScaling(min_copies=2, max_copies=3)
    )
    (copies,) = resources(component, "Custom::CdkSglangCopies").values()
    assert [name["Fn::GetAtt"][0] for name in copies["Model"]] == [
        cdk.Stack.of(component).get_logical_id(model) for model in component._models
    ]
    assert len(component._models) == len(resources(component, "AWS::SageMaker::Model")) == 2
    (verified,) = resources(component, "Custom::CdkSglangTruth").values()
    specification = json.dumps(verified["Asked"])
    assert "others" in specification
    assert specification.count("SM_SGLANG_TP_SIZE") == 2
