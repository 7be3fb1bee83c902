from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import (
    AdapterConfig,
    AdapterSource,
    Capacity,
    ConfigurationError,
    InferenceComponent,
    InferenceEndpoint,
    LoraOptions,
    ModelSource,
    ServingImage,
    SglangOptions,
)
from cdk_sglang.spec.adapter import Adapter
from tests.support.policies import policies_of

LORA = LoraOptions(max_rank=16, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"))
MODEL = "meta-llama/Llama-3.2-3B-Instruct"


def any_component(
    *, lora: LoraOptions | None = LORA, image: ServingImage | None = None, model_id: str | None = MODEL, **server: Any
) -> InferenceComponent:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(region="us-east-1", account="111122223333"))
    own = image or ServingImage.from_repository(
        ecr.Repository(stack, "Images"), digest=f"sha256:{'a' * 64}", cuda="13.0", sglang_version="0.5.23"
    )
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=own,
        endpoint_name="prod-chat",
    )
    return endpoint.add_component(
        "llama",
        model=ModelSource.from_s3("s3://models/llama/", model_id=model_id),
        server=SglangOptions(lora=lora, **server),
    )


def template_of(component: InferenceComponent) -> Template:
    return Template.from_stack(cdk.Stack.of(component))


def template_of_assembly(component: InferenceComponent) -> str:
    stage = cdk.Stage.of(component)
    assert stage is not None
    return str(stage.synth().directory)


def any_source(**options: Any) -> AdapterSource:
    return AdapterSource.from_s3("s3://models/adapters/triage-v1.tar.gz", **options)


def problems_of(call: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        call()
    return list(caught.value.problems)


def test_an_adapter_is_a_component_without_compute_on_its_base() -> None:
    component = any_component()
    component.add_adapter("triage", any_source())

    adapters = template_of(component).find_resources(
        "AWS::SageMaker::InferenceComponent", {"Properties": {"InferenceComponentName": "prod-chat-llama-triage"}}
    )
    ((logical_id, resource),) = adapters.items()
    assert resource["Properties"] == {
        "InferenceComponentName": "prod-chat-llama-triage",
        "EndpointName": "prod-chat",
        "Specification": {
            "BaseInferenceComponentName": "prod-chat-llama",
            "Container": {"ArtifactUrl": "s3://models/adapters/triage-v1.tar.gz"},
        },
        "Tags": resource["Properties"]["Tags"],
    }
    assert logical_id.startswith("ChatllamatriageOn")


def test_an_adapter_waits_for_its_base_and_goes_before_it() -> None:
    component = any_component()
    component.add_adapter("triage", any_source())
    template = template_of(component).to_json()["Resources"]

    base = next(
        key
        for key, value in template.items()
        if value["Type"] == "AWS::SageMaker::InferenceComponent" and "triage" not in key
    )
    adapter = next(value for key, value in template.items() if key.startswith("ChatllamatriageOn"))
    assert base in adapter["DependsOn"]


def test_the_role_may_read_the_folder_of_adapters_once() -> None:
    component = any_component()
    for name in ("triage", "billing"):
        component.add_adapter(name, AdapterSource.from_s3(f"s3://models/adapters/{name}.tar.gz"))

    policies = policies_of(template_of(component))
    readable = [
        part
        for name, policy in policies.items()
        if name.startswith("ChatExecutionRole")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for part in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
        if "adapters" in str(part)
    ]
    assert len(readable) == 1
    assert str(readable[0]).count("adapters/*.tar.gz") == 1


def test_the_role_may_list_the_folder_of_adapters_and_nothing_beside_it() -> None:
    component = any_component()
    component.add_adapter("triage", AdapterSource.from_s3("s3://models/adapters/triage.tar.gz"))
    component.add_adapter("loose", AdapterSource.from_s3("s3://models/loose.tar.gz"))
    policies = policies_of(template_of(component)).values()
    statements = [s for policy in policies for s in policy["Properties"]["PolicyDocument"]["Statement"]]
    listed = [s["Condition"]["StringLike"]["s3:prefix"] for s in statements if s["Action"] == "s3:ListBucket"]
    assert ["adapters/*"] in listed
    assert ["loose.tar.gz"] in listed


def test_a_folder_is_checked_packed_and_uploaded_with_the_deployment(adapter_folder: Callable[..., Path]) -> None:
    component = any_component()
    adapter = component.add_adapter("triage", AdapterSource.from_folder(adapter_folder()))

    assert adapter.config is not None
    assert adapter.config.rank == 8
    resource = template_of(component).find_resources(
        "AWS::SageMaker::InferenceComponent", {"Properties": {"InferenceComponentName": "prod-chat-llama-triage"}}
    )
    ((_, found),) = resource.items()
    url = found["Properties"]["Specification"]["Container"]["ArtifactUrl"]
    assert url.startswith("s3://cdk-hnb659fds-assets-111122223333-us-east-1/")
    assert url.endswith(".tar.gz")
    assembly = Path(template_of_assembly(component))
    (packed,) = assembly.glob("asset.*.tar.gz")
    with tarfile.open(packed) as tar:
        assert tar.getnames() == ["adapter_config.json", "adapter_model.safetensors"]
    manifest = json.loads((assembly / "Fleet.assets.json").read_text())
    assert packed.name in {entry["source"].get("path") for entry in manifest["files"].values()}


def test_a_changed_folder_changes_the_archive(adapter_folder: Callable[..., Path]) -> None:
    urls = []
    for folder in (adapter_folder("one"), adapter_folder("two", lora_alpha=32), adapter_folder("three")):
        component = any_component()
        component.add_adapter("triage", AdapterSource.from_folder(folder))
        resource = template_of(component).find_resources(
            "AWS::SageMaker::InferenceComponent", {"Properties": {"InferenceComponentName": "prod-chat-llama-triage"}}
        )
        urls.append(str(next(iter(resource.values()))["Properties"]["Specification"]["Container"]["ArtifactUrl"]))

    assert urls[0] != urls[1]
    assert urls[0] == urls[2]


def test_the_stock_container_has_no_adapter_api() -> None:
    component = any_component(image=ServingImage.from_dlc(), lora=LoraOptions(max_rank=16, target_modules=("all",)))

    assert problems_of(lambda: component.add_adapter("triage", any_source())) == [
        (
            "llama.adapters.triage: AWS's own SGLang container has no adapter API, so SageMaker could not load the adapter; "
            "use the image that cdk-sglang builds (image.build)"
        )
    ]


def test_a_component_without_lora_settings_takes_no_adapter() -> None:
    component = any_component(lora=None)

    assert problems_of(lambda: component.add_adapter("triage", any_source())) == [
        (
            "llama.adapters.triage: the component's server.lora is not set, so SGLang starts without room for adapters; "
            "add lora with max_rank and target_modules"
        )
    ]


def test_rank_and_modules_are_checked_against_the_component() -> None:
    component = any_component()
    config = AdapterConfig(rank=32, target_modules=frozenset({"q_proj", "down_proj"}))

    problems = problems_of(lambda: component.add_adapter("triage", any_source(config=config)))

    assert [problem.split(";")[0] for problem in problems] == [
        "llama.adapters.triage: rank 32 is over the component's server.lora.max_rank 16",
        (
            "llama.adapters.triage: changes down_proj, which the component's server.lora.target_modules lacks "
            "(k_proj, o_proj, q_proj, v_proj)"
        ),
    ]


def test_an_adapter_of_another_base_is_refused_unless_said_to_be_the_same() -> None:
    component = any_component()
    config = AdapterConfig(rank=8, target_modules=frozenset({"q_proj"}), base_model="Qwen/Qwen3-8B")

    assert problems_of(lambda: component.add_adapter("triage", any_source(config=config))) == [
        (
            "llama.adapters.triage: was trained on Qwen/Qwen3-8B, the component serves meta-llama/Llama-3.2-3B-Instruct; "
            "an adapter fits only its own base model. If the weights are the same, set base_model: Qwen/Qwen3-8B"
        )
    ]
    component.add_adapter("triage", any_source(config=config), base_model="Qwen/Qwen3-8B")


@pytest.mark.parametrize("base", ["./llama", "/opt/models/llama", None])
def test_a_base_named_by_a_path_says_nothing(base: str | None) -> None:
    component = any_component()
    config = AdapterConfig(rank=8, target_modules=frozenset({"q_proj"}), base_model=base)

    component.add_adapter("triage", any_source(config=config))


def test_a_name_stands_once() -> None:
    component = any_component()
    component.add_adapter("triage", any_source())

    assert problems_of(lambda: component.add_adapter("triage", any_source())) == [
        "llama.adapters.triage: the component has an adapter of this name already; choose another"
    ]


def test_a_name_that_is_too_long_says_by_how_much() -> None:
    component = any_component()

    (problem,) = problems_of(lambda: component.add_adapter("a" * 60, any_source()))
    assert "has 76 characters, AWS allows 63; shorten it by 13" in problem


def test_an_adapter_may_have_a_name_of_its_own() -> None:
    component = any_component()
    adapter = component.add_adapter("triage", any_source(), adapter_name="triage-v3")

    assert adapter.adapter_name == "triage-v3"
    assert adapter.adapter_arn.endswith(":inference-component/triage-v3")
    assert adapter.metrics.metric_invocations().dimensions == {"InferenceComponentName": "triage-v3"}
    ((logical_id, resource),) = (
        template_of(component)
        .find_resources("AWS::SageMaker::InferenceComponent", {"Properties": {"InferenceComponentName": "triage-v3"}})
        .items()
    )
    assert logical_id.startswith("ChatllamatriageOn")
    assert resource["Properties"]["Specification"]["BaseInferenceComponentName"] == "prod-chat-llama"


def test_the_default_name_is_the_same_whether_it_is_given_or_not() -> None:
    templates = []
    for name in (None, "prod-chat-llama-triage"):
        component = any_component()
        component.add_adapter("triage", any_source(), adapter_name=name)
        templates.append(template_of(component).to_json())
    assert templates[0] == templates[1]


@pytest.mark.parametrize(
    ("name", "said_of_it"),
    [
        ("t" * 64, f"adapter name '{'t' * 64}' has 64 characters, AWS allows 63; shorten it by 1"),
        (
            "triage_v3",
            (
                "adapter name 'triage_v3' is not allowed; use letters, digits and single hyphens inside, "
                "starting and ending with a letter or digit"
            ),
        ),
        (
            "Prod-Chat-Llama",
            (
                "adapter name 'Prod-Chat-Llama' is that of component Fleet/Chat/llama too; names are unique per account and Region: "
                "rename one"
            ),
        ),
        (
            "taken",
            "adapter name 'taken' is that of adapter Fleet/Chat/llama too; names are unique per account and Region: rename one",
        ),
        (cdk.Fn.import_value("Name"), "the adapter name must be known at synth, got a token; give a literal string"),
    ],
    ids=["long", "underscore", "component", "adapter", "token"],
)
def test_a_name_of_its_own_that_sagemaker_would_refuse(name: str, said_of_it: str) -> None:
    component = any_component()
    component.add_adapter("other", any_source(), adapter_name="taken")
    assert problems_of(lambda: component.add_adapter("triage", any_source(), adapter_name=name)) == [
        f"llama.adapters.triage.adapter_name: {said_of_it}"
    ]
    component.add_adapter("triage", any_source(), adapter_name="t" * 63)


def test_the_short_name_follows_its_rule_beside_a_name_of_its_own() -> None:
    component = any_component()
    (problem,) = problems_of(lambda: component.add_adapter("a/b", any_source(), adapter_name="triage"))
    assert problem.startswith("llama.adapters.a/b: adapter name 'a/b' is not allowed")
    component.add_adapter("a", any_source(), adapter_name="one")
    assert problems_of(lambda: component.add_adapter("a", any_source(), adapter_name="two")) == [
        "llama.adapters.a: the component has an adapter of this name already; choose another"
    ]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (
            "s3://models/adapters/triage/",
            "does not end in .tar.gz, as SageMaker requires; make one with `cdk-sglang adapters pack`",
        ),
        ("https://models/triage.tar.gz", "is not an S3 URI; use s3://bucket/adapters/name.tar.gz"),
        ("s3://models//triage.tar.gz", "has an empty part; write it without leading or double slashes"),
    ],
)
def test_a_source_that_sagemaker_would_refuse(uri: str, message: str) -> None:
    assert message in problems_of(lambda: AdapterSource.from_s3(uri))[0]


def test_a_specification_of_a_key_needs_its_bucket() -> None:
    assert problems_of(lambda: AdapterSource(Adapter(key="adapters/triage.tar.gz"))) == [
        "adapter.bucket: missing; give the bucket of key"
    ]


def test_a_specification_reads_the_config_that_it_names(tmp_path: Path) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}))
    source = AdapterSource(Adapter(s3="s3://models/adapters/a.tar.gz", config=str(config)))
    assert source.config == AdapterConfig.read(config)
    other = AdapterConfig(rank=4, target_modules=frozenset({"q_proj"}))
    assert AdapterSource(Adapter(s3="s3://models/adapters/a.tar.gz", config=str(config)), config=other).config == other


def test_attention_data_parallelism_takes_no_adapters() -> None:
    component = any_component(tp_size=2, attn_dp_size=2)

    assert "attn_dp_size is 2, with which SGLang accepts only pinned adapters; use 1" in "".join(
        problems_of(lambda: component.add_adapter("triage", any_source()))
    )


def test_more_adapters_than_places_is_a_warning_once() -> None:
    component = any_component(lora=LORA.model_copy(update={"max_loras_per_batch": 2, "max_loaded_loras": 2}))
    for index in range(4):
        component.add_adapter(f"a{index}", any_source())

    warnings = Annotations.from_stack(cdk.Stack.of(component)).find_warning(
        "*", Match.string_like_regexp("more adapters than")
    )
    assert len(warnings) == 1
    assert "max_loaded_loras (2)" in str(warnings[0].entry.data)


def test_grants_name_the_adapter() -> None:
    component = any_component()
    adapter = component.add_adapter("triage", any_source())
    assert (adapter.component_name, adapter.endpoint_name) == ("prod-chat-llama", "prod-chat")
    user = iam.User(cdk.Stack.of(component), "User")
    adapter.grant_invoke(user)

    template_of(component).has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": [
                    Match.object_like(
                        {"Resource": Match.array_with([Match.object_like({"Fn::Join": Match.any_value()})])}
                    )
                ]
            },
            "Users": Match.any_value(),
        },
    )


def test_the_role_may_use_the_keys_of_archives_in_other_buckets_once_each() -> None:
    component, key = any_component(), "arn:aws:kms:us-east-1:444455556666:key/0e1c0a5e-0000-4000-8000-00000000000"
    for index, digit in enumerate((1, 1, 2)):
        component.add_adapter(
            f"a{index}", AdapterSource(Adapter(s3=f"s3://models/a/{index}.tar.gz", kms_key=key + str(digit)))
        )
    policies = policies_of(template_of(component)).values()
    statements = [s for policy in policies for s in policy["Properties"]["PolicyDocument"]["Statement"]]
    used = [s for s in statements if s["Action"] == "kms:Decrypt"]
    assert [s["Resource"] for s in used] == [f"{key}1", f"{key}2"]
    assert all("kms:ViaService" in s["Condition"]["StringEquals"] for s in used)


def test_a_bucket_brings_its_key() -> None:
    component = any_component()
    stack = cdk.Stack.of(component)
    bucket = s3.Bucket(stack, "Adapters", encryption=s3.BucketEncryption.KMS)
    component.add_adapter("triage", AdapterSource.from_bucket(bucket, "adapters/triage.tar.gz"))

    assert "kms:Decrypt" in str(policies_of(template_of(component)))


def test_three_hundred_adapters_ask_jsii_no_more_than_their_resources_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a synth takes its time for is calls into jsii; counting them tells more than a clock on a busy machine."""
    calls = 0
    send = jsii.kernel.provider._process.send

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return send(*arguments, **named)

    component = any_component()
    component.add_adapter("first", any_source())  # which lets the role read the folder
    bare = cdk.Stack(cdk.App(), "Bare")
    cfn = sagemaker.CfnInferenceComponent
    base = cfn(bare, "Base", endpoint_name="prod-chat")
    monkeypatch.setattr(jsii.kernel.provider._process, "send", counted)
    for index in range(300):
        resource = cfn(
            bare,
            f"A{index}",
            inference_component_name=f"prod-chat-llama-a{index}",
            endpoint_name="prod-chat",
            specification=cfn.InferenceComponentSpecificationProperty(
                base_inference_component_name="prod-chat-llama",
                container=cfn.InferenceComponentContainerSpecificationProperty(artifact_url="s3://models/a.tar.gz"),
            ),
        )
        resource.add_resource_dependency(base)
    asked_bare, calls = calls, 0
    for index in range(300):
        component.add_adapter(f"a{index}", any_source())

    assert asked_bare >= 600
    assert calls == asked_bare
