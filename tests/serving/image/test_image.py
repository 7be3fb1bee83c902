"""Where the serving container comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import region_info
from aws_cdk.assertions import Match, Template

from cdk_sglang import Capacity, ConfigurationError, InferenceComponent, InferenceEndpoint, ServingImage, SglangDlc
from cdk_sglang.hardware import dlc_account
from tests.support.policies import policies_of

DIGEST = f"sha256:{'0a' * 32}"


@pytest.fixture
def repository(stack: cdk.Stack) -> ecr.Repository:
    return ecr.Repository(stack, "Images", repository_name="sglang")


@pytest.mark.parametrize("reference", [{}, {"digest": DIGEST, "tag": "v1"}])
def test_rejects_anything_but_one_of_digest_and_tag(repository: ecr.Repository, reference: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        ServingImage.from_repository(repository, cuda="13.0", sglang_version="0.5.23", **reference)
    names = " and ".join(reference) or "none of them"
    assert error.value.problems == (
        f"image: give exactly one of digest and tag (a digest cannot move under a running endpoint); got {names}",
    )


def test_awss_image_can_be_held_by_its_digest(
    any_endpoint: Callable[..., InferenceEndpoint], any_component: Callable[..., InferenceComponent], stack: cdk.Stack
) -> None:
    any_component(endpoint=any_endpoint(image=ServingImage.from_dlc(SglangDlc.V0_5_20_UBUNTU, digest=DIGEST)))
    (model,) = Template.from_stack(stack).find_resources("AWS::SageMaker::Model").values()
    image = model["Properties"]["PrimaryContainer"]["Image"]["Fn::Join"][1]
    assert image[-1].endswith(f"/sglang@{DIGEST}")
    with pytest.raises(ConfigurationError, match="'latest' is not a digest"):
        ServingImage.from_dlc(digest="latest")


def test_rejects_a_digest_and_a_cuda_version_of_the_wrong_form_at_once(repository: ecr.Repository) -> None:
    with pytest.raises(ConfigurationError) as error:
        ServingImage.from_repository(repository, digest="sha256:0a", cuda="cu130", sglang_version="0.5.23")
    assert error.value.problems == (
        "image.digest: 'sha256:0a' is not a digest; use 'sha256:' and 64 hexadecimal digits",
        "image.cuda: 'cu130' is not a CUDA version; use major.minor, such as '13.0'",
    )


def test_cuda_must_be_known_at_synth_and_a_digest_need_not(repository: ecr.Repository, stack: cdk.Stack) -> None:
    token = cdk.CfnParameter(stack, "Token").value_as_string
    with pytest.raises(ConfigurationError) as error:
        ServingImage.from_repository(repository, digest=token, cuda=token, sglang_version="0.5.23")
    assert error.value.problems == ("image.cuda: must be known at synth, got a token; give a literal such as '13.0'",)


def test_rejects_a_region_without_aws_containers(any_endpoint: Callable[..., InferenceEndpoint]) -> None:
    elsewhere = cdk.Stack(cdk.App(), "Elsewhere", env=cdk.Environment(account="1" * 12, region="us-isob-east-1"))
    with pytest.raises(ConfigurationError) as error:
        any_endpoint(scope=elsewhere)
    assert error.value.problems == (
        (
            "Chat.image: AWS publishes no deep learning containers in us-isob-east-1; "
            "copy the image to a repository of yours and use from_repository"
        ),
    )


def test_rejects_an_image_that_was_not_compiled_for_the_gpu(any_endpoint: Callable[..., InferenceEndpoint]) -> None:
    with pytest.raises(ConfigurationError) as error:
        any_endpoint(image=ServingImage.from_dlc(SglangDlc.V0_5_17_AL2023))
    assert error.value.problems == (
        (
            "Chat.image: the image is compiled for compute capability 9.0, 10.0, 10.3, ml.g6e.12xlarge (L40S) needs 8.9; "
            "use an image that has it, such as the Ubuntu tag 0.5-gpu-py312-cu130-ubuntu24.04-sagemaker-v1"
        ),
    )


def _images(stack: cdk.Stack) -> list[Any]:
    models = Template.from_stack(stack).find_resources("AWS::SageMaker::Model").values()
    return [model["Properties"]["PrimaryContainer"]["Image"] for model in models]


def test_the_aws_container_comes_from_the_regions_registry(
    any_component: Callable[..., InferenceComponent], stack: cdk.Stack
) -> None:
    any_component()
    assert stack.resolve(_images(stack)) == [
        {
            "Fn::Join": [
                "",
                [
                    "763104351884.dkr.ecr.us-east-1.",
                    {"Ref": "AWS::URLSuffix"},
                    "/sglang:0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker",
                ],
            ]
        }
    ]


def test_without_a_region_the_registry_is_looked_up_at_deployment(
    any_endpoint: Callable[..., InferenceEndpoint], any_component: Callable[..., InferenceComponent]
) -> None:
    anywhere = cdk.Stack(cdk.App(), "Anywhere")
    any_component(endpoint=any_endpoint(scope=anywhere))
    (image,) = _images(anywhere)
    assert "Fn::FindInMap" in str(image)


def test_the_role_may_pull_from_the_images_repository_alone(
    any_endpoint: Callable[..., InferenceEndpoint], repository: ecr.Repository, stack: cdk.Stack
) -> None:
    any_endpoint(image=ServingImage.from_repository(repository, digest=DIGEST, cuda="13.0", sglang_version="0.5.23"))
    Template.from_stack(stack).has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Action": [
                                "ecr:BatchCheckLayerAvailability",
                                "ecr:BatchGetImage",
                                "ecr:GetDownloadUrlForLayer",
                            ],
                            "Effect": "Allow",
                            "Resource": stack.resolve(repository.repository_arn),
                            "Sid": "PullImage",
                        },
                    ]
                )
            }
        },
    )
    login = {"Action": "ecr:GetAuthorizationToken", "Effect": "Allow", "Resource": "*", "Sid": "RegistryLogin"}
    documents = [one["Properties"]["PolicyDocument"] for one in policies_of(Template.from_stack(stack)).values()]
    assert sum(document["Statement"].count(login) for document in documents) == 1


@pytest.mark.parametrize("reference", [{"digest": DIGEST}, {"tag": "v1"}])
def test_an_image_of_ones_own_is_named_by_digest_or_tag(
    any_endpoint: Callable[..., InferenceEndpoint],
    any_component: Callable[..., InferenceComponent],
    repository: ecr.Repository,
    stack: cdk.Stack,
    reference: dict[str, str],
) -> None:
    image = ServingImage.from_repository(repository, cuda="13.0", sglang_version="0.5.23", **reference)
    any_component(endpoint=any_endpoint(image=image))
    (uri,) = _images(stack)
    assert uri["Fn::Join"][1][-1] == (f"@{DIGEST}" if "digest" in reference else ":v1")


def test_an_older_cuda_takes_the_same_ami(
    any_endpoint: Callable[..., InferenceEndpoint], repository: ecr.Repository, stack: cdk.Stack
) -> None:
    image = ServingImage.from_repository(repository, tag="v1", cuda="12.2", sglang_version="0.5.23")
    any_endpoint(image=image, capacity=Capacity.on_demand("ml.p5.48xlarge", max_instances=1))
    variant = next(iter(Template.from_stack(stack).find_resources("AWS::SageMaker::EndpointConfig").values()))
    assert (
        variant["Properties"]["ProductionVariants"][0]["InferenceAmiVersion"]
        == "al2023-ami-sagemaker-inference-gpu-4-1"
    )


def test_the_table_of_container_accounts_is_that_of_cdk() -> None:
    every = region_info.RegionInfo.get("us-east-1").regions
    cdks = {region.name: region.dlc_repository_account for region in every}
    assert {name: dlc_account(name) for name in cdks} == cdks
