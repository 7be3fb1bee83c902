"""An environment of which the embedded AWS has everything that it needs, one way to break each part, and `cdk-sglang doctor`."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from cdk_sglang.spec.container_base import UPSTREAM_TAG
from localcloud.aws import clock, settings
from localcloud.aws.credentials import REGION
from localcloud.aws.hosting.store import store
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import SESSION
from tests.support.accounts import LARGE
from tests.support.hub_server import REVISION, HubModel, HubServer
from tests.support.model_folders import WHOLE
from tests.support.registry_server import RegistryServer

ACCOUNT = "123456789012"
BASE_DIGEST = f"sha256:{'b' * 64}"
ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
BUCKET = "prod-weights"
EXECUTION_ROLE = f"cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-{REGION}"
SCALING_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"})
_FOUNDATION = {
    "Resources": {"Images": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "cdk-sglang/prod"}}}
}
_SETTINGS = """
account: "123456789012"
region: us-east-1
network: {network}
budget_usd_per_hour: {budget}
image: {{build: {{base: upstream, digest: "{base}"}}}}
alarms: {{topic: "arn:aws:sns:us-east-1:123456789012:told"}}
observability: {{enrichment: {enrichment}}}
endpoints:
  chat:
    capacity: {{type: ml.g6e.12xlarge, max_instances: {most}}}
    components:
      llama:
        model: {{id: meta-llama/Llama-3.2-3B-Instruct, prefix: weights/llama/}}
        server: {{context_length: 16384}}
        adapters: {{triage: {{key: adapters/triage.tar.gz}}}}
      qwen:
        model: {{hugging_face: Qwen/Qwen3-8B, revision: "{revision}", token_secret: hub-token}}
        server: {{context_length: 16384}}
  reserved:
    image: {{repository: {{name: mine, digest: "{own}", cuda: "13.0", sglang_version: "0.5.23"}}}}
    capacity: {{reserved: {{training_plan: "arn:aws:sagemaker:us-east-1:123456789012:training-plan/peak", type: ml.p5en.48xlarge,
      count: 1, until: {until}}}}}
    components:
      mine: {{model: {{s3: s3://models/mine/, weights_gib: 1}}}}
"""


@cache
def _client(service: str, url: str, region: str) -> Any:
    return SESSION.client(service, region_name=region, endpoint_url=url)


@dataclass
class World:
    """Everything right; a test breaks one part."""

    hub: HubServer
    registry: RegistryServer
    folder: Path
    options: dict[str, object] = field(default_factory=dict)

    def client(self, service: str, *, region: str = REGION) -> Any:
        return _client(service, self.url, region)

    url: str = ""
    own_digest: str = ""

    def write(self, **options: object) -> None:
        """Write the environment's file."""
        self.options |= options
        text = _SETTINGS.format(**self.options)
        (self.folder / "prod.yaml").write_text(text)

    def run(self, *arguments: str) -> Any:
        hub = ["--hub-url", self.hub.url, "--registry-url", self.registry.url]
        return CliRunner().invoke(
            app,
            ["doctor", "--env", "prod", "--environments", str(self.folder), *hub, *arguments],
            catch_exceptions=False,
        )

    def findings(self) -> dict[str, dict[str, Any]]:
        """Return what each check found."""
        done = self.run("--json")
        content = json.loads(done.stdout)
        found = {one["name"]: one for one in content["checks"]}
        assert len(found) == len(content["checks"]), "two checks have one name"
        assert done.exit_code == (1 if any(one["outcome"] == "failure" for one in found.values()) else 0)
        return found

    def others(self) -> dict[str, dict[str, Any]]:
        """Return the findings that are not ok."""
        return {name: one for name, one in self.findings().items() if one["outcome"] != "ok"}

    # --- making what is right -------------------------------------------------------------------------------------

    def make(self) -> None:
        self._make_account()
        self._make_stack()
        self._make_files()
        self.make_plan()
        self.write(
            network="{vpc: create, availability_zones: [us-east-1a, us-east-1c]}",
            most=2,
            budget=200,
            base=BASE_DIGEST,
            own=self.own_digest,
            enrichment="enabled",
            revision=REVISION,
            until=(clock.clock().utc() + dt.timedelta(days=5)).date(),
        )

    def _make_account(self) -> None:
        ssm, iam = self.client("ssm"), self.client("iam")
        ssm.put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="23", Type="String")
        for name in (EXECUTION_ROLE, SCALING_ROLE):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        self.client("s3").create_bucket(Bucket=ASSETS)
        self.allow(EVERYTHING)
        self.client("cloudwatch").start_otel_enrichment()
        self.client("sns").create_topic(Name="told")
        self.client("secretsmanager").create_secret(Name="hub-token", SecretString="hf_never_read")

    def allow(self, *statements: dict[str, Any]) -> None:
        """Let CloudFormation's role do this and nothing else."""
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.client("iam").put_role_policy(RoleName=EXECUTION_ROLE, PolicyName="all", PolicyDocument=document)

    def _make_stack(self) -> None:
        """Deploy as much of a foundation as the checks look at."""
        self.client("cloudformation").create_stack(
            StackName="cdk-sglang-prod-foundation", TemplateBody=json.dumps(_FOUNDATION)
        )
        key = self.client("kms").create_key()["KeyMetadata"]["Arn"]
        ssm = self.client("ssm")
        ssm.put_parameter(Name="/cdk-sglang/prod/key-arn", Value=key, Type="String")
        ssm.put_parameter(Name="/cdk-sglang/prod/weights-bucket", Value=BUCKET, Type="String")

    def _make_files(self) -> None:
        s3, ecr = self.client("s3"), self.client("ecr")
        for bucket, prefix in ((BUCKET, "weights/llama/"), ("models", "mine/")):
            s3.create_bucket(Bucket=bucket)
            for name, body in WHOLE.items():
                s3.put_object(Bucket=bucket, Key=f"{prefix}{name}", Body=body)
        s3.put_object(Bucket=BUCKET, Key="adapters/triage.tar.gz", Body=b"an archive")
        ecr.create_repository(repositoryName="mine")
        image = ecr.put_image(repositoryName="mine", imageManifest=_MANIFEST, imageTag="first")["image"]
        self.own_digest = image["imageId"]["imageDigest"]
        self.hub.models["Qwen/Qwen3-8B"] = HubModel(files={"config.json": b"{}"})
        name = UPSTREAM_TAG.partition(":")[0]
        self.registry.digests[f"{name}:{BASE_DIGEST}"] = BASE_DIGEST

    def make_plan(self, *, count: int = 1, kind: str = "ml.p5en.48xlarge", days: int = 7, begun: bool = True) -> None:
        """Buy the training plan, and let it have begun."""
        plans = store(ACCOUNT, REGION).jobs.setdefault("TrainingPlan", {})
        plans.pop("peak", None)
        sagemaker = self.client("sagemaker")
        (offering, *_) = sagemaker.search_training_plan_offerings(
            InstanceType=kind, InstanceCount=count, DurationHours=days * 24, TargetResources=["endpoint"]
        )["TrainingPlanOfferings"]
        sagemaker.create_training_plan(
            TrainingPlanName="peak", TrainingPlanOfferingId=offering["TrainingPlanOfferingId"]
        )
        data, hour = plans["peak"].data, dt.timedelta(hours=1)
        data["_paid_at"] -= hour
        if begun:
            data["_blocks"][0]["StartTime"] -= hour

    def stack(self, name: str) -> Any:
        """Return moto's object of a stack, whose state a test may change."""
        from moto.cloudformation.models import cloudformation_backends

        return cloudformation_backends[ACCOUNT][REGION].get_stack(name)


_SMALL_QUOTAS = ("ml.g6e.12xlarge for endpoint usage", "Maximum number of instances per endpoint")
"""Quotas of which the environment needs much."""


@pytest.fixture
def ready(cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Everything that an environment needs."""
    for name, value in {**cloud.credentials.environment, "AWS_ENDPOINT_URL": cloud.url, "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    with HubServer() as hub, RegistryServer() as registry:
        world = World(hub=hub, registry=registry, folder=tmp_path, url=cloud.url)
        world.make()
        before = settings.current()
        settings.configure(quotas={**dict.fromkeys(_SMALL_QUOTAS, 4.0), **LARGE})
        yield world
        settings.restore(before)
