"""Image and adapters through the unmodified CDK CLI, CloudFormation, Lambda and Step Functions of the embedded AWS.

Everything runs but the build step of CodeBuild, in whose place an image is pushed whose digest follows its source.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr

from cdk_sglang import (
    AdapterSource,
    Capacity,
    ContainerBase,
    InferenceEndpoint,
    LoraOptions,
    ModelSource,
    ServingImage,
    SglangOptions,
)
from localcloud.aws.compute import builds
from tests.support.model_folders import TOKENIZER
from tests.support.weights import safetensors_bytes

pytestmark = pytest.mark.timeout(600)
BASE = f"sha256:{'b' * 64}"
Deploy = Callable[..., CompletedProcess[str]]
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": TOKENIZER,
    "model.safetensors": safetensors_bytes({"a": (64, 64)}),
}


@pytest.fixture
def built() -> Iterator[list[builds.Build]]:
    all_builds: list[builds.Build] = []

    def step(build: builds.Build) -> None:
        all_builds.append(build)
        builds.push_image(build)

    before = builds.use_step(step)
    yield all_builds
    builds.use_step(before)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "container"
    folder.mkdir()
    (folder / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    return folder


@pytest.fixture
def deploy(cdk_cli: Any, client: Any, tmp_path: Path, content: Path) -> Deploy:
    client("s3").create_bucket(Bucket="cdk-hnb659fds-assets-123456789012-us-east-1")
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    client("s3").create_bucket(Bucket="models")
    for name, body in FILES.items():
        client("s3").put_object(Bucket="models", Key=f"llama/{name}", Body=body)
    runs = iter(range(100))

    def run(*, adapters: dict[str, Path] | None = None) -> CompletedProcess[str]:
        folder = str(tmp_path / f"assembly-{next(runs)}")
        app = cdk.App(outdir=folder, analytics_reporting=False)
        stack = cdk.Stack(app, "Fleet", env=cdk.Environment(account="123456789012", region="us-east-1"))
        repository = ecr.Repository(stack, "Images", repository_name="sglang")
        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
            image=ServingImage.from_build(
                repository=repository, base=ContainerBase.upstream(digest=BASE), source=content
            ),
            endpoint_name="fleet",
        )
        component = endpoint.add_component(
            "llama",
            model=ModelSource.from_s3("s3://models/llama/"),
            server=SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",))),
        )
        for name, files in (adapters or {}).items():
            component.add_adapter(name, AdapterSource.from_folder(files))
        app.synth()
        done: CompletedProcess[str] = cdk_cli("deploy", "Fleet", "--app", folder, "--require-approval", "never")
        return done

    return run


def image_of(client: Any) -> str:
    (model,) = client("sagemaker").list_models()["Models"]
    found = client("sagemaker").describe_model(ModelName=model["ModelName"])
    return str(found["PrimaryContainer"]["Image"])


def test_changed_content_is_built_once_and_served_by_its_digest(
    deploy: Deploy,
    client: Any,
    built: list[builds.Build],
    content: Path,
) -> None:
    done = deploy()
    assert done.returncode == 0, done.stderr[-3000:]
    first = image_of(client)
    assert len(built) == 1
    assert first.split("@")[0].endswith("/sglang")
    assert first.split("@")[1].startswith("sha256:")

    again = deploy()
    assert again.returncode == 0, again.stderr[-3000:]
    assert len(built) == 1

    (content / "entry.py").write_text("print('better')\n")
    changed = deploy()
    assert changed.returncode == 0, changed.stderr[-3000:]
    assert len(built) == 2
    assert image_of(client) != first
    component = client("sagemaker").describe_inference_component(InferenceComponentName="fleet-llama")
    assert component["InferenceComponentStatus"] == "InService"


def test_a_build_that_fails_fails_the_deployment_with_its_reason(
    deploy: Deploy,
    client: Any,
    built: list[builds.Build],
) -> None:
    def broken(build: builds.Build) -> None:
        built.append(build)
        raise builds.BuildFailedError("COPY failed: no source files were specified")

    builds.use_step(broken)
    done = deploy()

    assert done.returncode != 0
    assert "ended as FAILED in BUILD: COPY failed: no source files were specified" in done.stdout + done.stderr


def test_half_a_model_fails_the_deployment_with_the_files_name(
    deploy: Deploy,
    client: Any,
    built: list[builds.Build],
) -> None:
    client("s3").put_object(Bucket="models", Key="llama/model.safetensors", Body=FILES["model.safetensors"][:-1])
    client("s3").delete_object(Bucket="models", Key="llama/tokenizer.json")
    done = deploy()

    assert done.returncode != 0
    assert "s3://models/llama/model.safetensors: is cut short" in done.stdout + done.stderr
    assert "s3://models/llama/tokenizer.json: missing" in done.stdout + done.stderr
    assert not client("sagemaker").list_models()["Models"]


def test_adapters_come_answer_and_go_while_their_base_serves(
    deploy: Deploy,
    client: Any,
    built: list[builds.Build],
    adapter_folder: Callable[..., Path],
) -> None:
    def ask(component: str) -> dict[str, Any]:
        answer = client("sagemaker-runtime").invoke_endpoint(
            EndpointName="fleet", InferenceComponentName=component, ContentType="application/json", Body=b"{}"
        )
        body: dict[str, Any] = json.loads(answer["Body"].read())
        return body

    triage, billing = adapter_folder("triage"), adapter_folder("billing", lora_alpha=32)
    done = deploy(adapters={"triage": triage, "billing": billing})
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("fleet-llama", "fleet-llama-triage", "fleet-llama-billing"):
        assert ask(name)["path"] == "/invocations"
    pid = ask("fleet-llama")["pid"]
    found = client("sagemaker").describe_inference_component(InferenceComponentName="fleet-llama-triage")
    url = found["Specification"]["Container"]["ArtifactUrl"]
    bucket, _, key = url.removeprefix("s3://").partition("/")
    packed = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["adapter_config.json", "adapter_model.safetensors"]

    changed = adapter_folder("triage-2", lora_alpha=64)
    done = deploy(adapters={"triage": changed})
    assert done.returncode == 0, done.stderr[-3000:]
    after = client("sagemaker").describe_inference_component(InferenceComponentName="fleet-llama-triage")
    assert after["Specification"]["Container"]["ArtifactUrl"] != url
    names = [
        component["InferenceComponentName"]
        for component in client("sagemaker").list_inference_components()["InferenceComponents"]
    ]
    assert sorted(names) == ["fleet-llama", "fleet-llama-triage"]
    assert ask("fleet-llama")["pid"] == pid  # the base was neither restarted nor replaced
