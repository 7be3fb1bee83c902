"""One endpoint of an environment with its components: wiring and outputs only."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Final, Unpack

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang import (
    Alarms,
    ConfigurationError,
    HelperFunctions,
    InferenceEndpoint,
    NoAlarms,
    ServingImage,
    SglangDlc,
)
from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.naming import digest_parameter, endpoint_name, parameter_name
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import Problem
from cdk_sglang.planning import ResolvedEndpoint
from cdk_sglang.serving.shared.log_keys import LOG_KEY_WARNING
from cdk_sglang.spec.endpoint import Endpoint
from cdk_sglang.spec.image import Image
from stacks.models import add_adapters, model_source, needs_bucket
from stacks.network import endpoint_network
from stacks.options import StackOptions

_LOG_REMOVAL: Final = {"retain": cdk.RemovalPolicy.RETAIN, "destroy": cdk.RemovalPolicy.DESTROY}


class ServingStack(cdk.Stack):
    """An endpoint, and the models that share its instances.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        plan: The endpoint, with every value resolved; components with problems are omitted.
        settings: The environment.
        refused: Names in SageMaker of components and adapters that have already been refused; they are skipped.
        **options: Options of the stack.

    Attributes:
        endpoint: The endpoint.

    Raises:
        ConfigurationError: The endpoint or its components have problems; lists all of them, with paths as in the settings file.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        plan: ResolvedEndpoint,
        settings: Environment,
        refused: Container[str] = (),
        **options: Unpack[StackOptions],
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._environment = environment
        self._settings = settings
        endpoint_spec = settings.endpoints[plan.name]
        key = self._read_key()
        bucket = self._read_bucket(key) if any(map(needs_bucket, endpoint_spec.components.values())) else None
        problems: list[Problem] = []
        HelperFunctions(
            self,
            "Helpers",
            log_retention_days=settings.data.log_retention_days,
            log_key=key,
            log_removal=_LOG_REMOVAL[settings.data.on_delete],
        )
        with _under("endpoints", collect=problems):
            self.endpoint = self._make_endpoint(plan.name, endpoint_spec, key)
            for component in plan.components.values():
                if component.problems or f"{self.endpoint.endpoint_name}-{component.name}" in refused:
                    continue
                with _under(f"endpoints.{plan.name}.components", collect=problems):
                    added = self.endpoint.add_resolved_component(component, model=model_source(self, component, bucket))
                    add_adapters(added, component.component.adapters, bucket, refused=refused)
        raise_if_any(problems)
        if any(component.speculative is not None for component in endpoint_spec.components.values()):
            self._publish_role(plan.name)
        cdk.CfnOutput(self, "EndpointName", value=self.endpoint.endpoint_name)
        self._say_how_to_ask()

    def say_plan(self, digest: str) -> None:
        """Add the digest of the endpoint's plan to the outputs.

        Args:
            digest: Digest as in plan.json.
        """
        description = "Digest of the plan that was deployed: digests in plan.json"
        cdk.CfnOutput(self, "PlanDigest", value=digest, description=description)

    def _say_how_to_ask(self) -> None:
        name = self.endpoint.endpoint_name
        for component in list(self.endpoint.components.values())[:1]:
            command = f'cdk-sglang ask --endpoint {name} --component {component.component_name} --region {self.region} "Hello"'
            cdk.CfnOutput(self, "Ask", value=command, description="Asks a question; wakes a component that sleeps")
        if not self.region.startswith(("cn-", "us-gov-")):  # their consoles have other addresses
            link = f"https://{self.region}.console.aws.amazon.com/sagemaker/home?region={self.region}#/endpoints/{name}"
            cdk.CfnOutput(self, "Console", value=link, description="The endpoint in the console of AWS")

    def _make_endpoint(self, name: str, endpoint_spec: Endpoint, key: kms.IKey) -> InferenceEndpoint:
        settings = self._settings
        return InferenceEndpoint(
            self,
            name,
            capacity=endpoint_spec.capacity,
            image=self._image(endpoint_spec.image or settings.image),
            routing=endpoint_spec.routing,
            network=endpoint_network(settings.network, self._read),
            network_isolation=endpoint_spec.network_isolation,
            endpoint_name=endpoint_name(self._environment, name),
            log_retention_days=settings.data.log_retention_days,
            log_key=key,
            log_removal=_LOG_REMOVAL[settings.data.on_delete],
            metric_frequency_seconds=endpoint_spec.metric_frequency_seconds,
            alarms=self._alarms(),
            idle_alarm=endpoint_spec.idle_alarm,
            nightly_stop=endpoint_spec.nightly_stop,
            rollout=endpoint_spec.rollout,
            verification=endpoint_spec.verify,
            enrichment=settings.observability.enrichment != "none",
        )

    def _publish_role(self, name: str) -> None:
        """Publish the role that the endpoint runs with: copies that a draft is measured on also run with it."""
        ssm.StringParameter(
            self,
            "ExecutionRoleArn",
            parameter_name=parameter_name(self._environment, f"execution-role-arn/{name}"),
            string_value=self.endpoint.role.role_arn,
        )

    def _read(self, value: str) -> str:
        return ssm.StringParameter.value_for_string_parameter(self, parameter_name(self._environment, value))

    def _read_key(self) -> kms.IKey:
        cdk.Annotations.of(self).acknowledge_warning(LOG_KEY_WARNING, "the foundation's key names CloudWatch Logs")
        return kms.Key.from_key_arn(self, "Key", self._read("key-arn"))

    def _image(self, image: Image) -> ServingImage:
        if image.dlc is not None:
            return ServingImage.from_dlc(SglangDlc(image.dlc), digest=image.digest)
        if image.build is not None:  # the foundation builds it, once for all endpoints
            name, digest = self._read("images-repository"), self._read(digest_parameter(image.build.container_base))
        else:
            assert image.repository is not None
            name, digest = image.repository.name, image.repository.digest
        return ServingImage.from_repository(
            ecr.Repository.from_repository_name(self, "Images", name),
            digest=digest,
            cuda=image.facts.cuda,
            sglang_version=image.facts.sglang_version,
        )

    def _alarms(self) -> Alarms | NoAlarms:
        alarms = self._settings.alarms
        if alarms.none is not None:
            return NoAlarms(reason=alarms.none)
        topic_arn = self._read("alarm-topic-arn") if alarms.kind == "create" else alarms.topic
        assert topic_arn is not None
        return Alarms(topic=sns.Topic.from_topic_arn(self, "Alarms", topic_arn))

    def _read_bucket(self, key: kms.IKey) -> s3.IBucket:
        return s3.Bucket.from_bucket_attributes(
            self, "Weights", bucket_name=self._read("weights-bucket"), encryption_key=key
        )


@contextmanager
def _under(path: str, *, collect: list[Problem]) -> Iterator[None]:
    """Collect the problems that the library finds, prefixed with their path in the settings file."""
    try:
        yield
    except ConfigurationError as error:
        collect += [problem.under(path) for problem in error.problems]
