from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError, ContainerBase
from cdk_sglang.cli import image
from cdk_sglang.cli.image import NoImageError, look_up
from tests.support.registry_server import RegistryServer

DIGEST = f"sha256:{'c' * 64}"
UPSTREAM = "lmsysorg/sglang:v0.5.23-cu130"


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        server.digests[UPSTREAM] = DIGEST
        yield server


def test_prints_the_digest_and_the_settings_that_hold_it_fast(registry: RegistryServer) -> None:
    done = CliRunner().invoke(image.app, ["pin", "--registry-url", registry.url])

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"{UPSTREAM} is {DIGEST}",
        f'image: {{build: {{base: upstream, digest: "{DIGEST}"}}}}',
    ]
    assert ContainerBase.upstream(digest=DIGEST).name == f"{UPSTREAM}@{DIGEST}"
    assert [line.split()[0] for line in registry.request_lines] == ["HEAD", "GET", "HEAD"]


def test_an_image_that_is_not_there_is_said_to_be(registry: RegistryServer) -> None:
    with pytest.raises(ConfigurationError, match=r"^lmsysorg/sglang:none: .* has no such public image .HTTP 404"):
        look_up("lmsysorg/sglang:none", registry_url=registry.url)


def test_a_digest_is_looked_up_whatever_its_tag_has_become(registry: RegistryServer) -> None:
    registry.digests[f"lmsysorg/sglang:{DIGEST}"] = DIGEST
    assert look_up(f"lmsysorg/sglang:moved@{DIGEST}", registry_url=registry.url) == DIGEST
    with pytest.raises(NoImageError, match="has no such public image"):
        look_up(f"{UPSTREAM}@sha256:{'0' * 64}", registry_url=registry.url)


def test_a_busy_registry_and_one_that_is_away_are_one_line(registry: RegistryServer) -> None:
    registry.busy = True
    with pytest.raises(ConfigurationError, match="answered 429 without a digest; try again later"):
        look_up(UPSTREAM, registry_url=registry.url)
    with pytest.raises(ConfigurationError, match=":9 cannot be reached: "):
        look_up(UPSTREAM, registry_url="http://127.0.0.1:9")


def test_a_registrys_own_name_is_taken_from_the_reference(registry: RegistryServer) -> None:
    registry.digests["team/sglang:1"] = DIGEST
    host = registry.url.removeprefix("http://")
    assert look_up(f"{host}/team/sglang:1", registry_url=registry.url) == DIGEST


@mock_aws
def test_awss_container_is_looked_up_where_it_is_pulled_from(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = "0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "763104351884")  # whose registry it is
    ecr: Any = boto3.client("ecr", region_name="us-east-1")
    ecr.create_repository(repositoryName="sglang", registryId="763104351884")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {},
        "layers": [],
    }
    pushed = ecr.put_image(
        registryId="763104351884", repositoryName="sglang", imageManifest=json.dumps(manifest), imageTag=tag
    )
    done = CliRunner().invoke(image.app, ["pin", "--base", "dlc"])

    assert done.exit_code == 0, (done.output, done.exception)
    digest = pushed["image"]["imageId"]["imageDigest"]
    assert f'image: {{build: {{base: dlc, digest: "{digest}"}}}}' in done.stdout
    assert f'image: {{dlc: 0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker, digest: "{digest}"}}' in done.stdout


@mock_aws
def test_a_region_without_awss_containers_is_refused() -> None:
    done = CliRunner().invoke(image.app, ["pin", "--base", "dlc", "--region", "eu-nowhere-1"])
    assert isinstance(done.exception, ConfigurationError)
    assert "AWS publishes no deep learning containers in eu-nowhere-1" in str(done.exception)
