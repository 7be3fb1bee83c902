"""What the library writes into templates for the verification of a deployment."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match

from cdk_sglang import (
    AdapterSource,
    Capacity,
    ComponentScaling,
    Concurrency,
    InferenceEndpoint,
    Load,
    LoraOptions,
    ModelSource,
    NoVerification,
    ServingImage,
    SglangOptions,
    SmokeRequest,
    Verification,
    Window,
)
from tests.support.fleets import Built, problems
from tests.support.policies import policies_of


def scaling(low: int = 2, high: int = 8, **more: Any) -> ComponentScaling:
    return ComponentScaling(min_copies=low, max_copies=high, target=Concurrency(requests_per_copy=5), **more)


def test_the_functions_may_describe_this_endpoint_alone() -> None:
    built = Built(verification=Verification())
    built.add(scaling=scaling())
    built.add("odd", component_name="elsewhere", scaling=scaling())
    statements = {
        tuple([actions] if isinstance(actions := statement["Action"], str) else actions): statement
        for name, policy in policies_of(built.template()).items()
        if "Truth" in name or "CopiesFunction" in name
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    }
    written = json.dumps(statements[("sagemaker:DescribeInferenceComponent",)]["Resource"])
    assert all(f":inference-component/{name}" in written for name in ("chat-llama", "elsewhere"))
    models = statements[("sagemaker:DescribeModel",)]
    assert models["Condition"] == {"StringEquals": {"aws:ResourceTag/cdk-sglang:endpoint": "chat"}}
    everywhere = {action for action, statement in statements.items() if statement["Resource"] == "*"}
    assert ("application-autoscaling:DescribeScalableTargets",) in everywhere
    assert not any("*" in action for actions in statements for action in actions)


def test_scaling_is_described_only_where_something_scales() -> None:
    built = Built(verification=Verification())
    built.add()
    assert "DescribeScalableTargets" not in json.dumps(policies_of(built.template()))
    built = Built(verification=Verification())
    built.add()
    built.add("later", scaling=scaling())
    assert "DescribeScalableTargets" in json.dumps(policies_of(built.template()))


def verified(built: Built) -> list[dict[str, Any]]:
    return [json.loads(_flat(found["Properties"]["Asked"])) for found in built.all("Custom::CdkSglangTruth").values()]


def _flat(text: Any) -> str:
    if isinstance(text, str):
        return text
    return "".join(
        part if isinstance(part, str) else f"<{next(iter(part.values()))}>" for part in text["Fn::Join"][1]
    ).replace("'", "")


def test_the_verification_holds_everything_that_was_specified() -> None:
    built = Built(verification=Verification(timeout_minutes=20))
    night = Window.weekly(days=("mon",), begins="20:00", ends="06:00", min_copies=0, max_copies=0)
    built.add(
        scaling=scaling(2, 4, schedules={"night": night}),
        environment={"SM_LONG": "x" * 100},
        smoke=SmokeRequest(body={"messages": []}, expect=("id",), timeout_seconds=9),
    )
    (specification,) = verified(built)
    assert specification["endpoint"] == "chat"
    assert "EndpointConfigName" in specification["config"]
    assert specification["timeout_seconds"] == 1200
    (component,) = specification["components"]
    assert "ModelName" in component["model"]
    assert component["copies"] == [0, 4]
    assert component["scaling"] == [[2, 4], [0, 0]]
    assert component["environment"]["SM_SGLANG_ENABLE_METRICS"] == "true"
    assert component["environment"]["SM_LONG"].startswith("sha256:")
    assert component["smoke"] == {"body": {"messages": []}, "expect": ["id"], "timeout_seconds": 9}


def test_the_request_is_one_of_the_components_task_unless_its_author_says_otherwise() -> None:
    built = Built(verification=Verification(), image=_build(Built().stack))
    built.add("chat")
    for task in ("completion", "embedding", "rerank", "classify"):
        built.add(task, task=task)
    built.add("own", task="embedding", smoke=SmokeRequest(body={"input": "mine"}))
    (specification,) = verified(built)
    requests = {one["name"]: one.get("smoke", specification["smoke"]) for one in specification["components"]}
    assert {name.removeprefix("chat-"): (sorted(it["body"]), it["expect"][0]) for name, it in requests.items()} == {
        "chat": (["max_tokens", "messages", "temperature"], "choices.0.message.content"),
        "completion": (["max_tokens", "prompt", "temperature"], "choices.0.text"),
        "embedding": (["input"], "data.0.embedding"),
        "rerank": (["documents", "query"], "0.score"),
        "classify": (["input"], "data.0.probs"),
        "own": (["input"], "data.0.embedding"),
    }
    assert requests["chat-own"]["body"] == {"input": "mine"}
    assert "smoke" not in specification["components"][0]


def test_a_component_that_takes_images_is_asked_about_one() -> None:
    built = Built(verification=Verification(), image=_build(Built().stack))

    def source(model_id: str | None) -> ModelSource:
        return ModelSource.from_s3("s3://models/one/", model_id=model_id, check=False)

    short = SglangOptions(context_length=16384)
    off = SglangOptions(context_length=16384, extra={"enable_multimodal": False})
    built.add("text", model=source("Qwen/Qwen3-8B"), server=short)
    built.add("sees", model=source("Qwen/Qwen3-VL-8B-Instruct"), server=short)
    built.add("unknown", load=Load(images=1))
    built.add("off", model=source("Qwen/Qwen3-VL-8B-Instruct"), server=off)
    (specification,) = verified(built)
    requests = {
        one["name"].removeprefix("chat-"): one.get("smoke", specification["smoke"])
        for one in specification["components"]
    }
    contents = {name: one["body"]["messages"][0]["content"] for name, one in requests.items()}
    assert {name: [part["type"] for part in it] for name, it in contents.items() if isinstance(it, list)} == {
        "sees": ["image_url", "text"],
        "unknown": ["image_url", "text"],
    }


def test_the_endpoints_own_request_wins_over_that_of_a_task() -> None:
    own = SmokeRequest(body={"input": "of all"}, timeout_seconds=9)
    built = Built(verification=Verification(smoke=own), image=_build(Built().stack))
    built.add(task="embedding")
    (specification,) = verified(built)
    assert specification["components"][0]["smoke"] == {
        "body": {"input": "of all"},
        "expect": ["data.0.embedding"],
        "timeout_seconds": 9,
    }


def test_types_of_a_pool_are_checked_too() -> None:
    pool = Capacity.pool(["ml.g6e.12xlarge", "ml.g6e.24xlarge"], max_instances=2)
    built = Built(verification=Verification(), capacity=pool)
    built.add()
    (specification,) = verified(built)
    assert specification["components"][0]["instance_types"] == ["ml.g6e.12xlarge", "ml.g6e.24xlarge"]


def test_the_check_comes_after_components_scaling_and_adapters() -> None:
    built = Built(verification=Verification(), image=_build(Built().stack))
    lora = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
    llama = built.add(scaling=scaling(), server=lora)
    llama.add_adapter("triage", AdapterSource.from_s3("s3://models/adapters/triage.tar.gz"))
    template = built.template().to_json()["Resources"]
    ((_, check),) = ((name, it) for name, it in template.items() if it["Type"] == "Custom::CdkSglangTruth")
    after = {template[name]["Type"] for name in check["DependsOn"]}
    assert after == {
        "AWS::SageMaker::Endpoint",
        "AWS::SageMaker::InferenceComponent",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::IAM::Policy",  # with which the function may go on in another invocation
    }
    assert sum(template[name]["Type"] == "AWS::SageMaker::InferenceComponent" for name in check["DependsOn"]) == 2


def test_every_adapter_is_asked_and_of_many_the_same_twenty() -> None:
    built = Built(verification=Verification(), image=_build(Built().stack))
    lora = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
    llama, qwen = built.add(server=lora), built.add("qwen", server=lora)
    built.add("bare")
    source = AdapterSource.from_s3("s3://models/adapters/triage.tar.gz")
    for name in ("triage", "billing"):
        llama.add_adapter(name, source)
    for index in reversed(range(25)):
        qwen.add_adapter(f"a{index}", source)
    (specification,) = verified(built)
    first, second, third = specification["components"]
    assert first["adapters"] == [f"{llama.component_name}-billing", f"{llama.component_name}-triage"]
    assert len(second["adapters"]) == 20
    assert "adapters" not in third


def _build(_: cdk.Stack) -> ServingImage:
    from aws_cdk import aws_ecr as ecr

    repository = ecr.Repository.from_repository_name(cdk.Stack(), "Images", "sglang")
    return ServingImage.from_repository(repository, digest=f"sha256:{'1' * 64}", cuda="13.0", sglang_version="0.5.23")


def test_many_components_are_checked_by_several_resources_and_one_function() -> None:
    built = Built(verification=Verification(), capacity=Capacity.on_demand("ml.g6e.48xlarge", max_instances=90))
    for index in range(81):
        built.add(f"m{index}")
    parts = verified(built)
    assert [len(part["components"]) for part in parts] == [40, 40, 1]
    built.template().resource_count_is("AWS::StepFunctions::StateMachine", 0)
    for part in built.all("Custom::CdkSglangTruth").values():
        assert len(json.dumps(part)) < 60_000  # twice that, on an update, must fit into 256 KiB


def test_an_endpoint_without_a_check_says_why() -> None:
    built = Built()
    built.add()
    built.template().has_resource(
        "AWS::SageMaker::Endpoint", {"Metadata": Match.object_like({"cdk-sglang:no-verification": "not needed here"})}
    )
    assert built.all("Custom::CdkSglangTruth") == {}


@pytest.mark.parametrize("name", ["verification", "truth_check"])
def test_the_argument_has_an_earlier_name(name: str) -> None:
    built = Built(**{name: Verification(timeout_minutes=20)})
    built.add()
    (specification,) = verified(built)
    assert specification["timeout_seconds"] == 1200
    unverified = Built(**{name: NoVerification(reason="a test")})
    assert unverified.endpoint.verification is None
    unverified.template().has_resource(
        "AWS::SageMaker::Endpoint", {"Metadata": Match.object_like({"cdk-sglang:no-verification": "a test"})}
    )


def test_a_verification_under_both_names_is_refused_before_anything_exists() -> None:
    built = Built()
    lines = problems(
        lambda: InferenceEndpoint(
            built.stack,
            "Other",
            capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
            image=ServingImage.from_dlc(),
            verification=Verification(),
            truth_check=NoVerification(reason="a test"),
        )
    )
    assert lines == ["Other.truth_check: is the earlier name of verification; give verification alone"]
    assert built.stack.node.try_find_child("Other") is None


def test_the_time_for_an_answer_may_be_known_at_deployment_alone() -> None:
    built = Built(verification=Verification())
    seconds = cdk.CfnParameter(built.stack, "Seconds", type="Number")
    built.add(smoke=SmokeRequest(timeout_seconds=seconds.value_as_number))
    (resource,) = built.all("Custom::CdkSglangTruth").values()
    assert {"Ref": "Seconds"} in resource["Properties"]["Asked"]["Fn::Join"][1]
