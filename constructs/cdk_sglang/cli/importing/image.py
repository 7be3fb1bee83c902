"""The container of a running model: its owner, its engine, and its name in an environment file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.engine.rendering import PREFIX
from cdk_sglang.environments.naming import digest_parameter
from cdk_sglang.hardware import dlc_account
from cdk_sglang.spec.container_base import ContainerBase
from cdk_sglang.spec.image import Image
from cdk_sglang.spec.image_facts import ImageFacts, SglangDlc

_URI: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^:@]+)(:(?P<tag>[^@]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_OTHER_ENGINES: Final = {
    # Parts of the names under which AWS, Hugging Face and the projects publish images, such as huggingface-pytorch-tgi-inference
    # (https://github.com/aws/deep-learning-containers/releases). No list of all of them is known: other names are taken for SGLang's.
    "djl-inference": "DJL Serving (LMI)",
    "djl-serving": "DJL Serving (LMI)",
    "tgi-inference": "Hugging Face TGI",
    "vllm": "vLLM",
    "text-embeddings-inference": "Hugging Face TEI",
    "tei": "Hugging Face TEI",
    "tritonserver": "NVIDIA Triton",
    "sagemaker-tritonserver": "NVIDIA Triton",
    "tensorrt-llm": "TensorRT-LLM",
    "huggingface-pytorch-inference": "Hugging Face's inference toolkit",
    "pytorch-inference": "TorchServe",
    "tensorflow-inference": "TensorFlow Serving",
    "neuronx": "an engine for Neuron",
    "nim": "NVIDIA NIM",
}
_OTHER_VARIABLES: Final = {
    "OPTION_": "DJL Serving (LMI)",
    "SERVING_LOAD_MODELS": "DJL Serving (LMI)",
    "SM_VLLM_": "vLLM",
    "SM_NUM_GPUS": "Hugging Face TGI",
}
"""Beginnings of names of variables that another engine's container reads."""
_ASSUMED_CUDA: Final = "13.0"
"""Of lmsysorg/sglang since 0.5.11, see spec/container_base.py."""
_ASSUMED_VERSION: Final = "0.5.23"
_OWN_REPOSITORY: Final = "images-repository"
"""Name under which the foundation of an environment publishes its repository (stacks/foundation.py)."""
_UNPINNED: Final = "imported: the digest of its base cannot be read from what runs"
_NO_DIGEST: Final = f"sha256:{'0' * 64}"


@dataclass(frozen=True, kw_only=True)
class Container:
    """The container of a model.

    Attributes:
        image: URI that was asked for.
        resolved: URI with digest that runs; the same as `image` if unknown.
        environment: Its variables.
    """

    image: str
    resolved: str
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ImportedImage:
    """An image as a file states it.

    Attributes:
        content: The key `image`.
        facts: What it was built for.
    """

    content: Mapping[str, Any]
    facts: ImageFacts


def other_engine(container: Container) -> str | None:
    """Return the engine of a container that does not run SGLang; None if it does, or may.

    Args:
        container: The container.
    """
    if any(name.startswith(PREFIX) for name in container.environment):
        return None
    match = _URI.fullmatch(container.image)
    path = (match["name"] if match else container.image.partition("@")[0].rpartition(":")[0] or container.image).lower()
    if "sglang" in path:
        return None
    for part, engine in _OTHER_ENGINES.items():
        if part in path:
            return engine
    for beginning, engine in _OTHER_VARIABLES.items():
        if any(name.startswith(beginning) for name in container.environment):
            return engine
    return (
        f"an engine that is not known, since neither image ({container.image}) nor variables ({PREFIX}…) are SGLang's"
    )


def imported_image(
    container: Container,
    *,
    region: str,
    account: str,
    parameters: Mapping[str, str],
    versions: tuple[str | None, str | None],
    notes: Notes,
) -> ImportedImage:
    """Return an image as a file states it.

    Args:
        container: The container.
        region: Region of the endpoint.
        account: Account of the endpoint.
        parameters: Values of the environment's foundation, if it has one.
        versions: SGLang's release and the CUDA toolkit, if the user gives them.
        notes: What a reader must know.
    """
    match = _URI.fullmatch(container.image)
    if match and match["name"] == "sglang" and match["account"] == dlc_account(match["region"]):
        return _dlc(match, container, notes=notes)
    if match and match["name"] == parameters.get(_OWN_REPOSITORY):
        return _built(match["digest"], parameters, notes=notes)
    return _repository(container, match, region=region, account=account, versions=versions, notes=notes)


def _dlc(match: re.Match[str], container: Container, *, notes: Notes) -> ImportedImage:
    tag, digest = match["tag"], match["digest"]
    known = next((one for one in SglangDlc if one.value == tag), None)
    if known is None and digest is None:  # what the tag led to when the copies started
        resolved = _URI.fullmatch(container.resolved)
        digest = None if resolved is None else resolved["digest"]
    content: dict[str, Any] = {"dlc": (known or _nearest(tag or "")).value}
    if digest:
        content["digest"] = digest
    if known is None and digest:
        has = f"digest {digest[:19]}… of {'an unknown tag' if tag is None else f'tag {tag}, unknown to this version'}"
        notes.comment(
            "image",
            "The digest is exact; the tag next to it is the nearest known one, whose release SGLang's options are checked for.",
        )
        notes.changed("image.dlc", has, f"the same digest, checked as {content['dlc']}")
    elif known is None:
        notes.lost("image.dlc", f"tag {tag or 'latest'}, which this version does not know", content["dlc"])
    image = Image(**content)
    return ImportedImage(content=content, facts=image.facts)


def _nearest(tag: str) -> SglangDlc:
    """Return the known tag of the newest release that is not newer than a tag's; where the tag names none, one built as it is."""
    if tag.startswith("server-sagemaker-"):
        return SglangDlc.V0_5_17_AL2023
    release = re.match(r"\d+\.\d+\.\d+", tag)
    if release is None:
        return SglangDlc.V0_5_17_UBUNTU
    by_release = {
        _numbers(one.facts.sglang_version): one for one in SglangDlc if one.facts.compute_capabilities is None
    }
    older = [version for version in by_release if version <= _numbers(release[0])]
    return by_release[max(older, default=min(by_release))]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _built(digest: str | None, parameters: Mapping[str, str], *, notes: Notes) -> ImportedImage:
    """Return the image that an environment of this library builds: it publishes the digest under a name made of the base's."""
    bases = {
        "upstream": ContainerBase.upstream(unpinned=_UNPINNED),
        "dlc": ContainerBase.dlc(unpinned=_UNPINNED),
    }
    published = {one: parameters.get(digest_parameter(base)) for one, base in bases.items()}
    found = next((one for one, value in published.items() if value is not None and value == digest), None)
    notes.changed(
        "image.build",
        "a base by its digest, or the reason why there is none"
        if found is None
        else "the reason why its base has no digest",
        f"{found or 'the newest of upstream'}, without a digest; write back what the file had",
    )
    kind = found or "upstream"
    build = {**({} if kind == "upstream" else {"base": kind}), "unpinned": _UNPINNED}
    return ImportedImage(content={"build": build}, facts=bases[kind].facts)


def _repository(
    container: Container,
    match: re.Match[str] | None,
    *,
    region: str,
    account: str,
    versions: tuple[str | None, str | None],
    notes: Notes,
) -> ImportedImage:
    resolved = _URI.fullmatch(container.resolved)
    digest = next((one["digest"] for one in (match, resolved) if one is not None and one["digest"]), None)
    version, cuda = versions
    facts = {
        "cuda": cuda or _ASSUMED_CUDA,
        "sglang_version": version or _version_in(container.image) or _ASSUMED_VERSION,
    }
    if match is None or (match["account"], match["region"]) != (account, region):
        notes.lost(
            "image",
            container.image,
            f"a repository of account {account} in {region}; copy the image there, under the digest in the file",
        )
    if digest is None:
        notes.lost("image.repository.digest", container.image, "no digest could be read: replace the zeros in the file")
    if version is None or cuda is None:
        assumed = f"SGLang {facts['sglang_version']}, CUDA {facts['cuda']}"
        notes.comment("image", f"{assumed}: assumed, no API says so; --sglang-version and --cuda say what is inside.")
    name = match["name"] if match else container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    content = {"repository": {"name": name, "digest": digest or _NO_DIGEST, **facts}}
    return ImportedImage(content=content, facts=Image.model_validate(content).facts)


def _version_in(image: str) -> str | None:
    found = re.search(r":v?(\d+\.\d+\.\d+)", image)
    return None if found is None else found[1]
