"""One model on an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from cdk_sglang import (
    Capacity,
    ConfigurationError,
    HostResources,
    InferenceComponent,
    InferenceEndpoint,
    ModelSource,
    SglangOptions,
    StartupTimeouts,
)
from cdk_sglang.engine import HicacheOptions
from cdk_sglang.planning.component.host_cache import sized_for_host
from tests.support.policies import Rights

MakeEndpoint = Callable[..., InferenceEndpoint]
MakeComponent = Callable[..., InferenceComponent]
MODEL = ModelSource.from_s3("s3://models/llama/")


def _problems(endpoint: InferenceEndpoint, construct_id: str = "llama", **options: Any) -> tuple[str, ...]:
    before = len(endpoint.node.find_all())
    with pytest.raises(ConfigurationError) as error:
        endpoint.add_component(construct_id, model=MODEL, **options)
    assert len(endpoint.node.find_all()) == before, "something was made before the check"
    return error.value.problems


def test_rejects_tp_size_larger_than_the_gpus(any_endpoint: MakeEndpoint) -> None:
    assert _problems(any_endpoint(), server=SglangOptions(tp_size=8)) == (
        "llama.server: 8 GPUs asked for one copy, ml.g6e.12xlarge has 4; use 4 or fewer, or ml.g6e.48xlarge",
    )


def test_rejects_more_gpus_than_any_type_of_the_family_has(any_endpoint: MakeEndpoint) -> None:
    (problem,) = _problems(any_endpoint(), server=SglangOptions(tp_size=16))
    assert problem == (
        "llama.server: 16 GPUs asked for one copy, ml.g6e.12xlarge has 4; use 4 or fewer; "
        "no type of the g6e family has 16"
    )


def _hicache_gb(component: InferenceComponent) -> str | None:
    model = Template.from_stack(cdk.Stack.of(component)).find_resources("AWS::SageMaker::Model")
    (resource,) = model.values()
    found: str | None = resource["Properties"]["PrimaryContainer"]["Environment"].get("SM_SGLANG_HICACHE_SIZE")
    return found


def test_the_host_tier_of_the_cache_is_sized_from_what_a_copy_reserves(any_endpoint: MakeEndpoint) -> None:
    resources = HostResources(cpu_cores=8, memory_mib=100_000)
    component = any_endpoint().add_component(
        "llama", model=MODEL, server=SglangOptions(tp_size=2, hicache=HicacheOptions()), resources=resources
    )
    assert _hicache_gb(component) == "41"  # 0.8 x 104.9 GB for two processes


@pytest.mark.parametrize(
    "fields",
    [{"ratio": 1.5}, {"host_memory_fraction": 0.3}, {"host_memory_mode": "buffer_only", "storage_backend": "file"}],
)
def test_a_host_tier_whose_size_is_said_is_left_alone(fields: dict[str, Any]) -> None:
    options = SglangOptions(hicache=HicacheOptions(**fields))
    assert sized_for_host(options, 100_000) is options


def test_a_host_tier_larger_than_the_copys_memory_is_refused(any_endpoint: MakeEndpoint) -> None:
    endpoint, resources = any_endpoint(), HostResources(cpu_cores=8, memory_mib=20_000)
    options = SglangOptions(tp_size=2, hicache=HicacheOptions(size_gb=16))
    assert _problems(endpoint, server=options, resources=resources) == (
        "llama.server.hicache.size_gb: 16 GB for each of 2 GPUs, and 8 GB fit into 20000 MiB of host memory; use 8 or raise resources.memory_mib",
    )
    small = HostResources(cpu_cores=1, memory_mib=1024)
    (problem,) = _problems(endpoint, server=SglangOptions(hicache=HicacheOptions()), resources=small)
    assert problem.startswith("llama.server.hicache: the copy reserves 1024 MiB of its host, too little for a tier")


def test_a_pool_is_as_small_as_its_smallest_type(any_endpoint: MakeEndpoint) -> None:
    endpoint = any_endpoint(capacity=Capacity.pool(["ml.g6e.48xlarge", "ml.g6e.12xlarge"], max_instances=1))
    (problem,) = _problems(endpoint, server=SglangOptions(tp_size=8))
    assert problem.startswith("llama.server: 8 GPUs asked for one copy, ml.g6e.12xlarge has 4")


def test_rejects_more_gpus_than_all_instances_have(any_endpoint: MakeEndpoint) -> None:
    endpoint = any_endpoint()
    endpoint.add_component("qwen", model=MODEL, copies=5)
    assert _problems(endpoint, server=SglangOptions(tp_size=2), copies=2) == (
        (
            "Chat.capacity.max_instances: 3 instances are needed for all copies, 2 allowed; raise it to 3, lower copies, or use an "
            "instance with more than 4 GPUs"
        ),
    )


def test_rejects_a_component_of_the_same_name(any_endpoint: MakeEndpoint) -> None:
    endpoint = any_endpoint()
    endpoint.add_component("llama", model=MODEL, component_name="shared")
    assert _problems(endpoint) == ("llama: the endpoint has something of this name already; choose another",)
    assert _problems(endpoint, "qwen", component_name="shared") == (
        (
            "qwen: component name 'shared' is that of component Fleet/Chat/llama too; names are unique per account and Region: rename one"
        ),
    )


def test_rejects_a_component_called_like_a_part_of_the_endpoint(any_endpoint: MakeEndpoint) -> None:
    assert _problems(any_endpoint(), "Config") == (
        "Config: the endpoint has something of this name already; choose another",
    )


def test_rejects_a_name_that_is_too_long_after_prefixing(any_endpoint: MakeEndpoint) -> None:
    (problem,) = _problems(any_endpoint(), "a" * 60)
    assert problem == (
        f"{'a' * 60}: component name 'chat-{'a' * 60}' has 65 characters, AWS allows 63; shorten it by 2"
    )


@pytest.mark.parametrize("copies", [0, -1])
def test_rejects_a_component_without_copies(any_endpoint: MakeEndpoint, copies: int) -> None:
    assert _problems(any_endpoint(), copies=copies) == (f"llama.copies: {copies} is not allowed; use a value >= 1",)


def test_copies_must_be_known_at_synth(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    copies = cdk.CfnParameter(stack, "Copies", type="Number").value_as_number
    assert _problems(any_endpoint(), copies=copies) == (
        "llama.copies: must be known at synth, got a token; give the number itself",
    )


def test_rejects_options_that_sglang_rejects(any_endpoint: MakeEndpoint) -> None:
    (problem,) = _problems(any_endpoint(), server=SglangOptions(chunked_prefill_size=100, page_size=64))
    assert problem.startswith("llama.server.chunked_prefill_size: ")


def test_rejects_a_variable_over_the_limit_without_repeating_it(any_endpoint: MakeEndpoint) -> None:
    assert _problems(any_endpoint(), environment={"LONG": "x" * 1025}) == (
        (
            "llama.environment.LONG: the value has 1025 characters, SageMaker takes 1024; "
            "put it in a file beside the model"
        ),
    )


def test_rejects_an_option_given_as_a_variable(any_endpoint: MakeEndpoint) -> None:
    assert _problems(any_endpoint(), environment={"SM_SGLANG_TP_SIZE": "2"}) == (
        "llama.environment.SM_SGLANG_TP_SIZE: set by the server options; use server.tp_size",
    )


def test_rejects_what_a_copy_cannot_reserve() -> None:
    with pytest.raises(ConfigurationError) as error:
        HostResources(cpu_cores=float("nan"), memory_mib=64)
    assert error.value.problems == (
        "resources.cpu_cores: nan is not allowed; use a finite number",
        "resources.memory_mib: 64 is not allowed; use a value >= 128",
    )


def test_reports_every_problem_at_once(any_endpoint: MakeEndpoint) -> None:
    found = _problems(
        any_endpoint(), "a_b", server=SglangOptions(tp_size=8), copies=0, environment={"LONG": "x" * 1025}
    )
    assert [problem.split(":")[0] for problem in found] == ["a_b", "a_b.copies", "a_b.environment.LONG", "a_b.server"]


def _component(template: Template, name: str) -> dict[str, Any]:
    found = template.find_resources("AWS::SageMaker::InferenceComponent").values()
    return next(r["Properties"] for r in found if r["Properties"]["InferenceComponentName"] == name)


def test_a_component_takes_one_gpu_and_half_of_what_goes_with_it(chat: Template) -> None:
    properties = _component(chat, "chat-llama")
    assert properties["VariantName"] == "AllTraffic"
    assert properties["RuntimeConfig"] == {"CopyCount": 1}
    specification = properties["Specification"]
    assert specification["ComputeResourceRequirements"] == {
        "NumberOfAcceleratorDevicesRequired": 1,
        "NumberOfCpuCoresRequired": 6,  # half of 48 / 4
        "MinMemoryRequiredInMb": 49152,  # half of 384 GiB / 4
    }
    assert specification["StartupParameters"] == {
        "ModelDataDownloadTimeoutInSeconds": 3600,
        "ContainerStartupHealthCheckTimeoutInSeconds": 3600,
    }
    assert _component(chat, "chat-qwen")["RuntimeConfig"] == {"CopyCount": 2}


def test_a_component_refers_to_its_own_model_and_endpoint(chat: Template) -> None:
    resources = chat.to_json()["Resources"]
    model, attribute = _component(chat, "chat-llama")["Specification"]["ModelName"]["Fn::GetAtt"]
    assert attribute == "ModelName"
    source = resources[model]["Properties"]["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source["S3Uri"] == "s3://models/llama/"
    endpoint, attribute = _component(chat, "chat-llama")["EndpointName"]["Fn::GetAtt"]
    assert (resources[endpoint]["Type"], attribute) == ("AWS::SageMaker::Endpoint", "EndpointName")


def test_options_and_variables_reach_the_container(any_component: MakeComponent, stack: cdk.Stack) -> None:
    any_component(server=SglangOptions(tp_size=2, context_length=4096), environment={"OMP_NUM_THREADS": "8"})
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::Model",
        {
            "PrimaryContainer": {
                "Environment": {
                    "OMP_NUM_THREADS": "8",
                    "SM_SGLANG_CONTEXT_LENGTH": "4096",
                    "SM_SGLANG_ENABLE_METRICS": "true",
                    "SM_SGLANG_TP_SIZE": "2",
                }
            }
        },
    )


def test_the_aws_container_gets_the_spelling_it_knows(any_component: MakeComponent, stack: cdk.Stack) -> None:
    any_component(server=SglangOptions(tp_size=2, attn_dp_size=2))
    model = next(iter(Template.from_stack(stack).find_resources("AWS::SageMaker::Model").values()))
    environment = model["Properties"]["PrimaryContainer"]["Environment"]
    assert (environment["SM_SGLANG_DP_SIZE"], environment["SM_SGLANG_ENABLE_DP_ATTENTION"]) == ("2", "true")
    assert "SM_SGLANG_ATTN_DP_SIZE" not in environment


def test_time_outs_and_resources_can_be_given(any_component: MakeComponent, stack: cdk.Stack) -> None:
    any_component(
        resources=HostResources(cpu_cores=0.5, memory_mib=2048),
        startup=StartupTimeouts(download_seconds=61, health_check_seconds=62),
    )
    specification = _component(Template.from_stack(stack), "chat-llama")["Specification"]
    assert specification["ComputeResourceRequirements"]["NumberOfCpuCoresRequired"] == 0.5
    assert specification["ComputeResourceRequirements"]["MinMemoryRequiredInMb"] == 2048
    assert specification["StartupParameters"] == {
        "ModelDataDownloadTimeoutInSeconds": 61,
        "ContainerStartupHealthCheckTimeoutInSeconds": 62,
    }


def test_known_weights_shorten_the_time_outs(any_component: MakeComponent, stack: cdk.Stack) -> None:
    any_component(model=ModelSource.from_s3("s3://models/llama/", weights_size=cdk.Size.gibibytes(6)))
    specification = _component(Template.from_stack(stack), "chat-llama")["Specification"]
    assert specification["StartupParameters"] == {
        "ModelDataDownloadTimeoutInSeconds": 600,
        "ContainerStartupHealthCheckTimeoutInSeconds": 600,
    }


def test_on_a_pool_a_copy_is_described_for_each_type(
    any_endpoint: MakeEndpoint, any_component: MakeComponent, stack: cdk.Stack
) -> None:
    pool = Capacity.pool(["ml.g6e.12xlarge", "ml.g6e.48xlarge"], max_instances=2)
    any_component(endpoint=any_endpoint(capacity=pool), server=SglangOptions(tp_size=4))
    properties = _component(Template.from_stack(stack), "chat-llama")
    assert "Specification" not in properties
    assert [
        (
            each["InstanceType"],
            each["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"],
            each["ComputeResourceRequirements"]["NumberOfCpuCoresRequired"],
        )
        for each in properties["Specifications"]
    ] == [("ml.g6e.12xlarge", 4, 24), ("ml.g6e.48xlarge", 4, 48)]


def _logical_id(component: InferenceComponent) -> str:
    return str(cdk.Stack.of(component).resolve(component._resource.logical_id))


def test_a_change_of_what_cannot_be_updated_makes_a_new_component(any_endpoint: MakeEndpoint) -> None:
    def built(endpoint_name: str, component_name: str, copies: int = 1) -> str:
        stack = cdk.Stack(cdk.App(), "Fleet")
        endpoint = any_endpoint(scope=stack, endpoint_name=endpoint_name)
        return _logical_id(endpoint.add_component("llama", model=MODEL, component_name=component_name, copies=copies))

    same = built("chat", "llama")
    assert built("chat", "llama", copies=2) == same
    assert len({same, built("other", "llama"), built("chat", "other")}) == 3


def test_a_caller_may_be_let_into_one_component_alone(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint()
    llama = endpoint.add_component("llama", model=MODEL)
    endpoint.add_component("qwen", model=MODEL)
    caller = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    assert llama.grant_invoke(caller).success
    policies = Template.from_stack(stack).find_resources(
        "AWS::IAM::Policy", {"Properties": {"Roles": [stack.resolve(caller.role_name)]}}
    )
    (policy,) = policies.values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement == {
        "Action": ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"],
        "Effect": "Allow",
        "Resource": [stack.resolve(endpoint.endpoint_arn), stack.resolve(llama.component_arn)],
    }
    assert str(statement["Resource"][1]).endswith(":inference-component/chat-llama']]}")


def test_a_component_with_a_name_of_its_own_may_write_its_logs(any_component: MakeComponent, stack: cdk.Stack) -> None:
    component = any_component(component_name="shared")
    assert component.component_name == "shared"
    stream = "log-group:/aws/sagemaker/InferenceComponents/shared:log-stream:AllTraffic/i-1"
    assert Rights(stack, component.role).permits("logs:PutLogEvents", f"arn:aws:logs:us-east-1:111122223333:{stream}")


def test_a_component_is_tagged_with_its_name(chat: Template) -> None:
    assert {"Key": "cdk-sglang:component", "Value": "llama"} in _component(chat, "chat-llama")["Tags"]
    assert {"Key": "cdk-sglang:endpoint", "Value": "chat"} in _component(chat, "chat-llama")["Tags"]
