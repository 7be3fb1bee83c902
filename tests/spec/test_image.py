"""What an image may be, in the words that an environment file and Python code share."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.spec.container_base import ContainerBase
from cdk_sglang.spec.image import Image, ImageBuild, PulledImage, RepositoryImage
from cdk_sglang.spec.image_facts import SglangDlc
from cdk_sglang.validation import Spec
from cdk_sglang.validation_errors import problems_of

DIGEST = f"sha256:{'0a' * 32}"
NO_DIGEST = ".digest: 'latest' is not a digest; use 'sha256:' and 64 hexadecimal digits"
ONE_PIN = ": give exactly one of digest (`cdk-sglang image pin` looks it up) and unpinned, the reason why the base may move between two builds"
EMPTY = ".unpinned: is empty; say why the base may move between two builds, or give its digest"
NO_CUDA = ".cuda: 'cu130' is not a CUDA version; use major.minor, such as '13.0'"
BASE = {"reference": "x/y:1", "cuda": "13.0", "sglang_version": "0.5.23"}
OWN = {"name": "sglang", "digest": DIGEST, "cuda": "13.0", "sglang_version": "0.5.23"}
PULLED = {"cuda": "13.0", "sglang_version": "0.5.23"}

MISTAKES: list[tuple[type[Spec], dict[str, Any], str]] = [
    (Image, {}, ": give exactly one of build, dlc and repository; got none of them"),
    (Image, {"dlc": "latest"}, ".dlc: 'latest' is not allowed; known: 0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker, 0.5.18-gpu-py312-cu130-ubuntu24.04-sagemaker, 0.5.19-gpu-py312-cu130-ubuntu24.04-sagemaker, 0.5.20-gpu-py312-cu130-ubuntu24.04-sagemaker, server-sagemaker-cuda-v1.3"),
    (Image, {"dlc": "server-sagemaker-cuda-v1.2"}, ".dlc: 'server-sagemaker-cuda-v1.2' is not allowed; did you mean 'server-sagemaker-cuda-v1.3'"),
    (Image, {"build": {}}, f".build{ONE_PIN}; got none of them"),
    (Image, {"dlc": SglangDlc.V0_5_20_UBUNTU.value, "digest": "latest"}, NO_DIGEST),
    (
        Image,
        {"build": {"digest": DIGEST}, "digest": DIGEST},
        ".digest: goes with dlc; remove it: build and repository have a digest of their own",
    ),
    *(
        (cls, {**needed, **fields}, text)
        for cls, needed in ((ImageBuild, {}), (ContainerBase, BASE))
        for fields, text in (
            ({}, f"{ONE_PIN}; got none of them"),
            ({"digest": DIGEST, "unpinned": "why not"}, f"{ONE_PIN}; got digest and unpinned"),
            ({"digest": "latest"}, NO_DIGEST),
            ({"unpinned": " "}, EMPTY),
            ({"unpinned": ""}, EMPTY),
            ({"unpinned": "a" * 201}, ".unpinned: has 201 characters; use 200 or fewer"),
            ({"unpinned": 5}, ".unpinned: 5 is a number here; write it in quotes"),
        )
    ),
    *(
        (cls, {**needed, **fields}, text)
        for cls, needed in (
            (RepositoryImage, OWN),
            (PulledImage, {**PULLED, "digest": DIGEST}),
            (ContainerBase, {**BASE, "digest": DIGEST}),
        )
        for fields, text in (
            ({"digest": "latest"}, NO_DIGEST),
            ({"cuda": "cu130"}, NO_CUDA),
            ({"cuda": 13.0}, ".cuda: 13.0 is a number here; write it in quotes"),
            ({"cuda": "${Token[Cuda.1]}"}, ".cuda: must be known at synth, got a token; give a literal such as '13.0'"),
            ({"sglang_version": ""}, ".sglang_version: '' is too short; the least is 1 character"),
        )
    ),
    (PulledImage, PULLED, ": give exactly one of digest and tag (a digest cannot move under a running endpoint); got none of them"),
    (PulledImage, {**PULLED, "tag": "v1", "kind": "vllm"}, ".kind: 'vllm' is not allowed; known: cdk-sglang, dlc"),
    (ContainerBase, {**BASE, "digest": DIGEST, "is_dlc": "yes"}, ".is_dlc: takes true or false, got 'yes'; write true or false without quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "fields", "text"), MISTAKES)
def test_python_and_an_environment_file_get_the_same_words(cls: type[Spec], fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cls(**fields)
    noun = cls._noun or cls.__name__
    assert caught.value.problems == (f"{noun}{text}",)
    with pytest.raises(ValidationError) as refused:
        cls.model_validate(fields)
    (problem,) = problems_of(refused.value, cls)
    assert (f".{problem}" if problem.path else f": {problem}") == text


@pytest.mark.parametrize(
    ("fields", "version", "kind"),
    [
        ({"dlc": SglangDlc.V0_5_17_AL2023.value}, "0.5.17", "dlc"),
        ({"dlc": SglangDlc.V0_5_17_UBUNTU.value}, "0.5.17", "dlc"),
        ({"dlc": SglangDlc.V0_5_18_UBUNTU.value}, "0.5.18", "dlc"),
        ({"dlc": SglangDlc.V0_5_19_UBUNTU.value}, "0.5.19", "dlc"),
        ({"dlc": SglangDlc.V0_5_20_UBUNTU.value}, "0.5.20", "dlc"),
        ({"build": {"base": "dlc", "digest": DIGEST}}, "0.5.17", "cdk-sglang"),
        ({"build": {"digest": DIGEST}}, "0.5.23", "cdk-sglang"),
        ({"repository": {**OWN, "sglang_version": "0.5.20"}}, "0.5.20", "cdk-sglang"),
    ],
)
def test_an_image_says_what_it_was_built_for(fields: dict[str, Any], version: str, kind: str) -> None:
    facts = Image.model_validate(fields).facts
    assert (facts.sglang_version, facts.kind, facts.cuda) == (version, kind, "13.0")


def test_a_build_of_an_environment_is_the_base_that_python_makes() -> None:
    assert ImageBuild(digest=DIGEST).container_base == ContainerBase.upstream(digest=DIGEST)
    assert ImageBuild(base="dlc", unpinned="AWS patches it").container_base == ContainerBase.dlc(
        unpinned="AWS patches it"
    )


def test_a_digest_of_an_image_may_be_known_only_at_deployment_and_that_of_a_base_may_not() -> None:
    token = "${Token[Digest.7]}"
    assert PulledImage(**PULLED, digest=token).digest == token
    with pytest.raises(ConfigurationError, match="is not a digest"):
        ContainerBase.upstream(digest=token)


def test_every_tag_of_awss_container_is_taken() -> None:
    assert [Image(dlc=tag.value).facts for tag in SglangDlc] == [tag.facts for tag in SglangDlc]
